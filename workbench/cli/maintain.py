"""`workbench maintain ...`: keep a lake small, fast and whole."""

from typing import Annotated

import typer

from workbench.cli.options import DEFAULT_LAKE, Format, FormatOption, LakeOption
from workbench.cli.output import show
from workbench.cli.progress import bar

app = typer.Typer(no_args_is_help=True, help="Keep a lake small, fast and whole.")
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]


@app.command()
def compact(
    lake: LakeOption = DEFAULT_LAKE,
    dry_run: DryRunOption = False,
    memory_limit: Annotated[str, typer.Option(help="Memory for sorting; the rest goes to disk.")] = "640MB",
    form: FormatOption = Format.table,
) -> None:
    """Merge small files into large, sorted ones; readers and writers go on meanwhile."""
    from workbench.lake.compact import compact as act

    with bar("compacting") as progress:
        plan = act(lake, dry_run=dry_run, memory_limit=memory_limit, progress=progress)
    show(plan, form, title="would merge" if dry_run else "merged")


@app.command()
def expire(
    lake: LakeOption = DEFAULT_LAKE,
    retention: Annotated[str, typer.Option(help="How long rows stay, by event time and by arrival.")] = "15d",
    table: Annotated[
        list[str] | None, typer.Option(help="Another retention for one table: logs=3d. May be repeated.")
    ] = None,
    dry_run: DryRunOption = False,
    form: FormatOption = Format.table,
) -> None:
    """Drop what is older than the retention and delete files that nobody needs."""
    from workbench.lake.errors import BadParameter, UnknownName
    from workbench.lake.expire import expire as act
    from workbench.lake.schema import TABLES

    by_table = {}
    for each in table or []:
        name, equals, duration = each.partition("=")
        if not equals:
            raise BadParameter(f"--table {each}", "maintain expire", "write --table logs=3d")
        if name not in TABLES:
            raise UnknownName.of("table", name, list(TABLES), lake)
        by_table[name] = duration
    plan = act(lake, retention=retention, by_table=by_table, dry_run=dry_run)
    show(plan, form, title="would drop" if dry_run else "dropped")


@app.command()
def verify(lake: LakeOption = DEFAULT_LAKE, form: FormatOption = Format.table) -> None:
    """Check files against the log: missing, damaged, left over, wrong counts. Exit status 1 when rows are in danger."""
    from workbench.lake.verify import verify as act

    with bar("checking") as progress:
        found = act(lake, progress=progress)
    brief = ["table", "version", "files", "rows", "bytes", "orphan_files", "ok", "detail"]  # the rest is in `detail`
    show(found.select(brief) if form is Format.table else found, form)
    if not found["ok"].all():
        raise typer.Exit(1)
