"""`workbench traces ...`: single traces."""

from typing import Annotated

import typer

from workbench.cli.options import (
    DEFAULT_LAKE,
    Format,
    FormatOption,
    FromOption,
    LakeOption,
    LastOption,
    ToOption,
    window_of,
)
from workbench.cli.output import show

app = typer.Typer(no_args_is_help=True, help="Look into single traces.")


@app.callback()
def group() -> None:
    """Look into single traces."""


@app.command("show")
def show_trace(
    trace_id: Annotated[
        str, typer.Argument(help="Its hexadecimal digits, or enough of the first.", metavar="TRACE_ID")
    ],
    lake: LakeOption = DEFAULT_LAKE,
    last: LastOption = None,
    start: FromOption = None,
    end: ToOption = None,
    form: FormatOption = Format.table,
) -> None:
    """All spans of one trace, in the order of the call tree.

    Example: workbench traces show 4bf92f3577b34da6a3ce929d0e0e4736
    """
    import workbench as wb

    spans = wb.trace(window_of(lake, last, start, end), trace_id)
    if form is not Format.table:
        show(spans, form)
        return
    import polars as pl

    tree = spans.select(
        pl.col("service_name"),
        pl.concat_str(pl.lit("  ").repeat_by("depth").list.join(""), pl.col("name")).alias("name"),
        pl.col("kind"),
        (pl.col("offset_ns") / 1e6).alias("offset_ms"),
        (pl.col("duration_ns") / 1e6).alias("duration_ms"),
        pl.col("status_code").alias("status"),
    )
    show(tree, form, title=f"trace {trace_id}: {spans.height} spans")
