"""`workbench collect ...`: live sources into the lake."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import DEFAULT_LAKE, LakeOption

app = typer.Typer(no_args_is_help=True, help="Collect from live sources into the lake.")


@app.callback()
def group() -> None:
    """Collect from live sources into the lake."""
