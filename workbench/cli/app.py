"""All commands under their names."""

from typing import Annotated

import typer

from workbench.cli import collect, demo, doctor, files, lab, maintain, questions, reports, traces

app = typer.Typer(
    name="workbench",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From the service map down to the line of code: OpenTelemetry and kernel data in one lake.",
)


def _version(wanted: bool) -> None:
    if wanted:
        import workbench

        print(f"workbench {workbench.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


START, ASK, KEEP = "Start here", "Ask the lake", "Bring in, take out, keep"
app.command(rich_help_panel=START)(demo.demo)
app.command(rich_help_panel=START)(lab.lab)
app.command(rich_help_panel=START)(doctor.doctor)
app.command(rich_help_panel=ASK)(questions.services)
app.command(rich_help_panel=ASK)(questions.operations)
app.command(rich_help_panel=ASK)(questions.red)
app.command("service-map", rich_help_panel=ASK)(questions.service_map)
app.command(rich_help_panel=ASK)(questions.sql)
app.add_typer(traces.app, name="traces", rich_help_panel=ASK)
app.add_typer(reports.app, name="reports", rich_help_panel=ASK)
app.add_typer(collect.app, name="collect", rich_help_panel=KEEP)
app.command("import", rich_help_panel=KEEP)(files.import_)
app.command(rich_help_panel=KEEP)(files.export)
app.add_typer(maintain.app, name="maintain", rich_help_panel=KEEP)
