"""`workbench reports ...`: notebooks with parameters, run headless into offline HTML."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from workbench.cli.options import Format, FormatOption
from workbench.cli.output import document, show
from workbench.cli.progress import bar

if TYPE_CHECKING:
    from workbench.reports import Parameter

app = typer.Typer(no_args_is_help=True, help="Run notebooks headless and read what came of them.")


class _TakesParameters(TyperCommand):
    """Reads `-p NAME VALUE`, an option with two values that may be repeated, which Typer has no type for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _joined(args))


def _joined(arguments: list[str]) -> list[str]:
    """`-p NAME VALUE` as `-p NAME=VALUE`, which is taken as well; what follows `--` is no option."""
    joined: list[str] = []
    rest = list(arguments)
    while rest:
        joined.append(rest.pop(0))
        if joined[-1] == "--":
            break
        if joined[-1] in ("-p", "--parameter") and rest:
            name = rest.pop(0)
            if "=" not in name and rest:
                name = f"{name}={rest.pop(0)}"
            joined.append(name)
    return joined + rest


@app.command(cls=_TakesParameters)
def run(
    notebook: Annotated[str, typer.Argument(help="Name of a shipped report, or a file.", metavar="NAME|FILE.ipynb")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", help="A parameter and its value; repeat it.", metavar="NAME VALUE"),
    ] = None,
    lake: Annotated[
        str | None,
        typer.Option(
            "--lake", envvar="WORKBENCH_LAKE", help="Lake of the report: its parameter `lake`.", metavar="DIR"
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="Directory for the results.")] = Path("reports"),
    timeout: Annotated[str, typer.Option(help="Longest time for the whole run.")] = "15m",
    form: FormatOption = Format.table,
) -> None:
    """Run a notebook headless; print the paths of the executed notebook and of the offline HTML.

    `workbench reports list` tells which reports there are and which parameters they take.
    """
    from workbench.lake.times import duration_ns
    from workbench.reports import run as act

    values: dict[str, Any] = dict(_pair(each) for each in parameter or [])
    if lake is not None and "lake" not in values and "lake" in _declared(notebook):
        values["lake"] = lake if "://" in lake else str(Path(lake).absolute())
    seconds = duration_ns(timeout, "--timeout") / 1e9
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped run leaves its files, too
    try:
        with bar(f"running {notebook}") as progress:
            ended = act(notebook, values, output=output, timeout_seconds=seconds, progress=progress)
    except KeyboardInterrupt:
        typer.echo(f"interrupted: what was computed before is in {output}", err=True)
        raise typer.Exit(130) from None
    if form is Format.json:
        document(ended.facts())
    else:
        print(ended.notebook)
        print(ended.html)
    if ended.failure:
        cell = "the kernel" if ended.failure.cell is None else f"code cell {ended.failure.cell}"
        typer.echo(f"{ended.status}: {cell}: {ended.failure.error}: {ended.failure.message}", err=True)
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{name!r} has no value; write -p NAME VALUE", param_hint="--parameter")
    return name, value


@app.command("list")
def list_(
    runs: Annotated[Path | None, typer.Option("--runs", help="Instead list the runs in this directory.")] = None,
    form: FormatOption = Format.table,
) -> None:
    """Which reports are there, and what parameters do they take?"""
    import polars as pl

    if runs is not None:
        from workbench.reports import runs as of

        columns = ("name", "status", "started", "duration_seconds", "html")
        rows = [{name: each.facts()[name] for name in columns} for each in of(runs)]
        show(pl.DataFrame(rows, schema=dict.fromkeys(columns, None)), form)
        return
    from workbench.reports import catalogue

    found = catalogue()
    rows = [
        {
            "name": each.name,
            "title": each.title,
            "parameters": [_told(parameter, plain=form is not Format.table) for parameter in each.parameters.values()],
        }
        for each in found
    ]
    if form is Format.table:
        for row in rows:
            row["parameters"] = "\n".join(row["parameters"])
    show(pl.DataFrame(rows, schema={"name": None, "title": None, "parameters": None}), form)


def _told(parameter: "Parameter", *, plain: bool) -> Any:
    if plain:
        return {"name": parameter.name, "default": repr(parameter.default), "help": parameter.help}
    return f"{parameter.name}={parameter.default!r}  {parameter.help}"


def _declared(notebook: str) -> "dict[str, Parameter]":
    from workbench.reports import find_notebook, parameters

    return parameters(find_notebook(notebook))
