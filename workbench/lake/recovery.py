"""After a power cut: what a table's log may hold that was never finished, and what is done about it."""

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.lake.disk import fsync_path, listed

log = logging.getLogger(__name__)


def recover(root: Path) -> list[str]:
    """Drop log entries and checkpoints that are torn; names of what was dropped.

    A torn newest entry was never acknowledged: its rows are still in the collector's write-ahead log. Entries appear
    by link() and so are never half there while the machine is up: this does not disturb other writers. A torn
    checkpoint is not needed, since the log is cleaned up only behind one that is on the disk.
    """
    entries = root / "_delta_log"
    if not entries.is_dir():
        return []
    dropped = []
    for entry in reversed(listed(entries, "*.json")):
        if _is_whole(entry):
            break
        entry.unlink()
        dropped.append(entry.name)
    for file in listed(entries, "*.checkpoint*.parquet"):
        try:
            pq.read_metadata(file)
        except FileNotFoundError:  # cleaned up by another process since it was listed
            continue
        except (pa.ArrowException, OSError):
            file.unlink()
            (entries / "_last_checkpoint").unlink(missing_ok=True)
            dropped.append(file.name)
    if dropped:
        fsync_path(entries)
        log.warning("recovered %s: dropped torn %s", root, ", ".join(dropped))
    return dropped


def actions(entry: Path) -> list[Any]:
    """What a log entry says, an action per line.

    Not `splitlines`, and not the locale's encoding: a name may hold any character, line separators of Unicode too.

    Raises:
        ValueError: it is not whole.
    """
    return [json.loads(line) for line in entry.read_bytes().decode().split("\n") if line]


def _is_whole(entry: Path) -> bool:
    """Does every line parse? A torn file is empty, cut in a line, or has zero bytes where a block was lost."""
    try:
        return len(actions(entry)) > 0
    except ValueError:
        return False
