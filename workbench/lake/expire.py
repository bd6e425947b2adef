"""Drop what is older than the retention, by event time and by time of arrival, and delete files nobody can need.

Both clocks must agree that a row is old: history imported today has old events and stays until it has been here as
long as everything else. The unit is a file, whose newest event and newest arrival stand in the Delta log.
"""

import json
import time
from collections.abc import Iterable
from pathlib import Path

import polars as pl
from deltalake.exceptions import DeltaError

from workbench.lake.compact import LOCK, _local, _present
from workbench.lake.delta import StoredTable
from workbench.lake.disk import locked, write_durably
from workbench.lake.errors import LakeError
from workbench.lake.times import duration_ns

RETENTION = "15d"
READERS_HOURS = 24  # the longest a reader may hold a file that the log no longer names
ORPHAN_HOURS = 24  # a file that no log entry names may be one that a writer is about to commit
PLAN = {"table": pl.String, "day": pl.String, "files": pl.Int64, "rows": pl.Int64, "bytes": pl.Int64}


def expire(
    lake: str | Path,
    *,
    retention: str = RETENTION,
    by_table: dict[str, str] | None = None,
    dry_run: bool = False,
    now_ns: int | None = None,
    readers_hours: int = READERS_HOURS,
) -> pl.DataFrame:
    """Drop old files from the tables, then delete what no pinned version and no running reader needs.

    Args:
        retention: how long rows stay, for example `15d`; `by_table` says otherwise for single tables.
        dry_run: only tell what would be dropped.
        readers_hours: files dropped from the log stay this long on disk.

    Returns:
        One row per (table, day) with something to drop: table, day, files, rows, bytes.

    Raises:
        LakeBusy: another maintenance run holds the lake's lock.
    """
    root = _local(lake)
    now_ns = time.time_ns() if now_ns is None else now_ns
    plan = []
    with locked(root / LOCK, wait=False):
        for table in _present(root):
            stored = StoredTable(str(root), table, create=False)
            limit = now_ns - duration_ns((by_table or {}).get(table.name, retention), "retention")
            old = [
                row
                for row in stored.files().to_pylist()
                if (newest := row.get(f"max.{table.time}")) is not None and newest < limit and _arrived(row) < limit
            ]
            for day in sorted({str(row["partition.day"]) for row in old}):
                rows = [row for row in old if str(row["partition.day"]) == day]
                numbers = [sum(row[key] for row in rows) for key in ("num_records", "size_bytes")]
                plan.append((table.name, day, len(rows), *numbers))
            if not dry_run:
                if old:
                    stored.replace(old, [], data_change=True)
                _clean(stored, pins(root, now_ns).get(table.name, []), readers_hours)
    return pl.DataFrame(plan, schema=PLAN, orient="row")


def _arrived(row: dict[str, object]) -> int:
    """Newest arrival in a file; without statistics, when the file was written."""
    arrived = row.get("max.received_time_unix_nano")
    if isinstance(arrived, int):
        return arrived
    modified = row["modification_time"]
    assert isinstance(modified, int)  # noqa: S101 - the log always has it, in milliseconds
    return modified * 10**6


def _clean(stored: StoredTable, kept_versions: Iterable[int], readers_hours: int) -> None:
    try:
        stored.refresh()
        stored.delta.vacuum(
            retention_hours=readers_hours,
            enforce_retention_duration=False,
            dry_run=False,
            full=False,
            keep_versions=sorted(set(kept_versions)) or None,
        )
        stored.refresh()
        _delete_orphans(stored)
    except (DeltaError, OSError) as error:
        raise LakeError(f"cannot delete old files: {error}", stored.uri, "workbench maintain verify") from error


def _delete_orphans(stored: StoredTable) -> None:
    """Files that a killed writer left before its commit, and temporary log entries, once they are a day old."""
    root, limit = Path(stored.uri), time.time() - ORPHAN_HOURS * 3600
    for file in (root / "_delta_log").glob("*#*"):
        if file.stat().st_mtime < limit:
            file.unlink(missing_ok=True)
    known = known_paths(root)
    for file in root.glob("day=*/*"):
        if str(file.relative_to(root)) not in known and file.stat().st_mtime < limit:
            file.unlink(missing_ok=True)


def known_paths(root: Path) -> set[str]:
    """Every file that the table's log names, in any version that can still be opened."""
    from deltalake import DeltaTable

    named = set(DeltaTable(str(root)).get_add_actions(flatten=True).column("path").to_pylist())
    for entry in (root / "_delta_log").glob("*.json"):
        for line in entry.read_text().splitlines():
            action = json.loads(line)
            named |= {action[kind]["path"] for kind in ("add", "remove") if kind in action}
    return named


def pin(lake: str | Path, holder: str, versions: dict[str, int], *, until_ns: int) -> None:
    """Keep the files of these versions for a report (`holder`) until a point in time."""
    folder = _local(lake) / "_pins"
    folder.mkdir(exist_ok=True)
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in holder)
    text = json.dumps({"holder": holder, "versions": versions, "until_unix_nano": until_ns})
    write_durably(folder / f"{name}.json", text.encode())


def pins(root: Path, now_ns: int) -> dict[str, list[int]]:
    """Versions that reports still hold, by table; forgets the pins whose time is over."""
    held: dict[str, list[int]] = {}
    for file in (root / "_pins").glob("*.json"):
        found = json.loads(file.read_text())
        if found["until_unix_nano"] <= now_ns:
            file.unlink(missing_ok=True)
            continue
        for table, version in found["versions"].items():
            held.setdefault(table, []).append(version)
    return held
