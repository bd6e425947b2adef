"""Which reports can be run here?"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.installed import folder
from workbench.lake import BadInput, UnknownName
from workbench.reports.parameter_cell import Parameter, parameters


@dataclass(frozen=True)
class Report:
    """A notebook that can be run: `title` is its first heading, `summary` the paragraph below that."""

    name: str
    title: str
    summary: str
    path: Path
    parameters: dict[str, Parameter]


def catalogue(directory: Path | None = None) -> list[Report]:
    """The notebooks of a directory (default: those shipped), by name.

    Raises:
        BadParameter: a notebook's parameters cell cannot be read.
    """
    directory = directory or folder("notebooks")
    return [_report(path) for path in sorted(directory.glob("*.ipynb"))]


def find_notebook(name: str | Path) -> Path:
    """The file of a report: a path to an .ipynb, or the name of a shipped one.

    Raises:
        UnknownName: neither; with near names.
    """
    path = Path(name)
    if path.suffix == ".ipynb" and path.is_file():
        return path
    shipped = folder("notebooks")
    found = shipped / f"{path.name.removesuffix('.ipynb')}.ipynb"
    if path.name == str(name) and found.is_file():
        return found
    known = [each.stem for each in shipped.glob("*.ipynb")]
    raise UnknownName.of("report or notebook", str(name), known, f"{shipped} and the current directory")


def title_and_summary(notebook: Any) -> tuple[str, str]:
    """The first heading of a notebook and the first paragraph below it; empty where there is none."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            heading = re.match(r"\s*#\s+(.+?)\s*#*\s*(?:\n+(.*))?$", "".join(cell["source"]), re.DOTALL)
            if heading:
                below = (heading[2] or "").split("\n\n")[0].strip()
                return heading[1].split("\n")[0].strip(), "" if below.startswith("#") else " ".join(below.split())
    return "", ""


def _report(path: Path) -> Report:
    try:
        notebook = json.loads(path.read_text())
        title, summary = title_and_summary(notebook)
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"not a notebook: {error}", str(path), "open it in JupyterLab and save it again") from error
    return Report(path.stem, title or path.stem, summary, path, parameters(path))
