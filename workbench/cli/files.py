"""`workbench import | export`: files into the lake, and a window of the lake into a file."""

from pathlib import Path
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
from workbench.cli.progress import bar


def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files or directories.", metavar="PATH ...")],
    lake: LakeOption = DEFAULT_LAKE,
    input_format: Annotated[
        str | None, typer.Option("--input-format", help="otlp or otlp-json; found by content if absent.")
    ] = None,
    service: Annotated[
        str | None, typer.Option("--service", help="service.name of resources that have none.", metavar="NAME")
    ] = None,
    form: FormatOption = Format.table,
) -> None:
    """Bring files into the lake, whole or not at all. What is there already is not added again.

    OTLP in JSON or protobuf, one message or many, plain or compressed with gzip or zstd. Exit status 1 when a file
    was refused; the others are in the lake then.
    """
    import polars as pl

    from collectors.files.importer import import_files

    rows, refused = [], 0
    with bar("importing") as progress:
        for done in import_files(paths, lake, input_format=input_format, service=service, progress=progress):
            name = done.path.encode(errors="backslashreplace").decode()  # a file name may be no text
            rows.append((name, done.format, done.state, sum(done.rows.values()), sum(done.repaired.values())))
            refused += done.state == "failed" or bool(done.refused)
            if done.error is not None:
                typer.echo(f"{'error' if done.state == 'failed' else 'skipped'}: {done.error}", err=True)
            for offset, reason in done.refused:
                typer.echo(f"error: {reason}\n  where:  {done.path}, byte {offset}", err=True)
    schema = {"file": pl.String, "format": pl.String, "state": pl.String, "rows": pl.Int64, "repaired": pl.Int64}
    show(pl.DataFrame(rows, schema=schema, orient="row"), form)
    if refused:
        raise typer.Exit(1)


def export(
    signal: Annotated[str, typer.Argument(help="traces, logs, metrics or profiles.", metavar="SIGNAL")],
    output: Annotated[Path, typer.Option("--output", help="File to write; .gz and .zst compress.", metavar="FILE")],
    output_format: Annotated[
        str, typer.Option("--output-format", help="otlp (length-framed protobuf) or otlp-json (one message a line).")
    ] = "otlp",
    lake: LakeOption = DEFAULT_LAKE,
    last: LastOption = None,
    start: FromOption = None,
    end: ToOption = None,
) -> None:
    """Write a window of the lake to a file that other tools read; it imports back equal."""
    from collectors.files.exporter import export as act

    with bar(f"exporting {signal}") as progress:
        window = window_of(lake, last, start, end)
        rows = act(window, signal, output, output_format=output_format, progress=progress)
    typer.echo(f"{rows} {'profiles' if signal == 'profiles' else 'rows'} of {signal} in {output}", err=True)
