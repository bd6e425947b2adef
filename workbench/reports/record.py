"""What is known of one run, and which runs lie in a directory?

The record is what the runner saw. An executed notebook says "completed" for every cell when the kernel was killed,
so its own account of the run is never read.
"""

import datetime
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.lake import BadInput

SUFFIX = ".run.json"
SUCCEEDED, FAILED, TIMED_OUT, KERNEL_DIED = "succeeded", "failed", "timed_out", "kernel_died"
INTERRUPTED, RUNNING, LOST = "interrupted", "running", "lost"


@dataclass(frozen=True)
class Failure:
    """Why a run did not succeed.

    `cell` is the number that the notebook shows in brackets beside the cell (code cells from 1, the one with the given
    parameters included); None: before the first.
    """

    cell: int | None
    source: str
    error: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Run:
    """One run of a notebook.

    `status`: succeeded, failed (a cell raised), timed_out, kernel_died, interrupted; in a listing also running and
    lost (its process is gone and left no end). `started` is UTC. `notebook` and `html` exist once it has ended.
    `provenance` is what the notebook displayed as application/vnd.workbench.provenance+json, one entry per window.
    `versions`: package versions. `notebook_sha256` is that of the source notebook.
    """

    name: str
    status: str
    started: datetime.datetime
    duration_seconds: float
    parameters: dict[str, Any]
    notebook: Path
    html: Path
    failure: Failure | None = None
    provenance: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    notebook_sha256: str = ""
    pid: int = 0

    @property
    def succeeded(self) -> bool:
        """True when every cell ran to its end."""
        return self.status == SUCCEEDED

    def facts(self) -> dict[str, Any]:
        """The record as JSON values; file names without their directory, so that a directory can be moved."""
        return asdict(self) | {
            "started": self.started.isoformat(timespec="seconds"),
            "duration_seconds": round(self.duration_seconds, 3),
            "notebook": self.notebook.name,
            "html": self.html.name,
        }


def runs(directory: Path | str) -> list[Run]:
    """The runs whose records lie in a directory, newest first. No such directory: none.

    Raises:
        BadInput: a record cannot be read.
    """
    found = [_read(path) for path in Path(directory).glob(f"*{SUFFIX}")]
    return sorted(found, key=lambda run: (run.started, run.notebook.name), reverse=True)


def _read(path: Path) -> Run:
    try:
        facts = json.loads(path.read_text())
        facts["started"] = datetime.datetime.fromisoformat(facts["started"])
        facts["notebook"], facts["html"] = path.parent / facts["notebook"], path.parent / facts["html"]
        facts["failure"] = Failure(**facts["failure"]) if facts["failure"] else None
        if facts["status"] == RUNNING and not _alive(facts["pid"]):
            facts["status"] = LOST
        return Run(**facts)
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"not the record of a run: {error}", str(path), "remove the file") from error


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
