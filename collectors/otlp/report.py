"""What the decoding process tells the receiving one: a file beside the segments that is replaced whole."""

import json
from pathlib import Path
from typing import TypedDict, cast

NAME = "worker.json"


class Report(TypedDict):
    """State and counts. Counts are those of all workers of one receiver (`parent`) together."""

    pid: int
    parent: int
    error: list[str]  # what, where, remedy of why the lake takes nothing; empty when it does
    rows: dict[str, int]  # by table
    repaired: dict[str, int]  # by word
    quarantined: int
    lag_seconds: float  # receipt to commit, oldest row of the latest segment


def empty(parent: int) -> Report:
    """The report before there is one."""
    return Report(pid=0, parent=parent, error=[], rows={}, repaired={}, quarantined=0, lag_seconds=0.0)


def read(directory: Path, parent: int) -> Report:
    """The latest report of a worker that `parent` started here; that of another receiver's does not count."""
    try:
        found = json.loads((directory / NAME).read_text())
    except (OSError, ValueError):
        return empty(parent)
    if not isinstance(found, dict) or found.get("parent") != parent or found.keys() != empty(parent).keys():
        return empty(parent)
    return cast("Report", found)


def write(directory: Path, report: Report) -> None:
    """Replace the report.

    Raises:
        OSError: it could not be written.
    """
    temporary = directory / f"{NAME}.new"
    temporary.write_text(json.dumps(report))
    temporary.rename(directory / NAME)
