"""`workbench lab`: JupyterLab on the notebooks."""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import DEFAULT_LAKE, LakeOption


def lab(
    lake: LakeOption = DEFAULT_LAKE,
    folder: Annotated[Path, typer.Option(help="Where your copies of the notebooks lie.")] = Path("notebooks"),
    port: Annotated[int, typer.Option(help="Port on the loopback address.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
) -> None:
    """JupyterLab on the notebooks, with this lake as their default. Your own changes stay."""
    from workbench.installed import folder as installed

    source = installed("notebooks")
    if folder.resolve() != source.resolve():
        folder.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(source.glob("*.ipynb")):
            if not (folder / notebook.name).exists():
                shutil.copy(notebook, folder / notebook.name)
    typer.echo(f"notebooks in {folder.absolute()} (your changes stay), lake {lake}", err=True)
    environment = os.environ | {"WORKBENCH_LAKE": lake if "://" in lake else str(Path(lake).absolute())}
    arguments = ["-m", "jupyterlab", f"--port={port}", "--ip=127.0.0.1", f"--ServerApp.root_dir={folder.absolute()}"]
    if not browser:
        arguments.append("--no-browser")
    if os.geteuid() == 0:
        arguments.append("--allow-root")
    os.execve(sys.executable, [sys.executable, *arguments], environment)  # noqa: S606 - Ctrl-C goes straight to it
