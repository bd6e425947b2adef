"""Drop what is older than the retention, by event time and by time of arrival, and delete files nobody can need.

Both clocks must agree that a row is old: history imported today has old events and stays until it has been here as
long as everything else. The unit is a file, whose newest event and newest arrival stand in the Delta log. A broken
clock keeps nothing for ever: an event later than a day after its arrival counts as that.

Then four kinds of files go: data that the log dropped long enough ago, data and temporary files that no log entry
names, log entries behind a checkpoint, and pins whose time is over. What a pin or a running reader may need stays.
"""

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from workbench.lake.delta import LOG_DAYS, NO_HOOKS, StoredTable
from workbench.lake.disk import listed, locked
from workbench.lake.errors import LakeError, UnknownName
from workbench.lake.local import LOCK, PLAN, local_lake, present
from workbench.lake.parquet import DAY_NS
from workbench.lake.pins import forget_past, pins
from workbench.lake.recovery import actions
from workbench.lake.schema import TABLES, Table
from workbench.lake.times import duration_ns

log = logging.getLogger(__name__)

RETENTION = "15d"
READERS_HOURS = 24  # the longest a reader may hold a file that the log no longer names
ORPHAN_HOURS = 24  # a file that no log entry names may be one that a writer is about to commit


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
        BadParameter: a retention that is no duration.
        UnknownName: `by_table` names a table that no lake has.
        LakeBusy: another maintenance run holds the lake's lock.
        LakeError: the lake cannot be written, or a pin cannot be read.
    """
    root = local_lake(lake)
    now_ns = time.time_ns() if now_ns is None else now_ns
    for name in by_table or {}:
        if name not in TABLES:
            raise UnknownName.of("table", name, list(TABLES), str(root))
    kept_ns = {name: duration_ns((by_table or {}).get(name, retention), "retention") for name in TABLES}
    plan = []
    with locked(root / LOCK, wait=False):
        held = pins(root, now_ns)
        for table in present(root):
            stored = StoredTable(str(root), table, create=False)
            old = [row for row in stored.files().to_pylist() if _newest_ns(row, table) < now_ns - kept_ns[table.name]]
            for day in sorted({str(row["partition.day"]) for row in old}):
                rows = [row for row in old if str(row["partition.day"]) == day]
                numbers = [sum(row[key] for row in rows) for key in ("num_records", "size_bytes")]
                plan.append((table.name, day, len(rows), *numbers))
            if not dry_run:
                if old:
                    stored.replace(old, [], data_change=True)
                _clean(stored, held.get(table.name, []), readers_hours)
        if not dry_run:
            forget_past(root, now_ns)
    return pl.DataFrame(plan, schema=PLAN, orient="row")


def _newest_ns(row: dict[str, Any], table: Table) -> int:
    """The later of newest event and newest arrival in a file; without statistics, when the file was written."""
    arrived = row.get("max.received_time_unix_nano")
    arrived = row["modification_time"] * 10**6 if arrived is None else arrived
    event = row.get(f"max.{table.time}")
    return int(arrived if event is None else max(arrived, min(event, arrived + DAY_NS)))


def _clean(stored: StoredTable, held: list[int], readers_hours: int) -> None:
    try:
        stored.refresh()
        kept = [version for version in sorted(set(held)) if _opens(stored, version)]
        stored.delta.vacuum(
            retention_hours=readers_hours,
            enforce_retention_duration=False,
            dry_run=False,
            full=False,
            keep_versions=kept or None,
            post_commithook_properties=NO_HOOKS,
        )
        stored.refresh()
        _delete_orphans(stored)
        if not any(_entry_is_old(stored, version) for version in kept):
            stored.delta.cleanup_metadata()
    except (DeltaError, OSError) as error:
        raise LakeError(f"cannot delete old files: {error}", stored.uri, "workbench maintain verify") from error


def _opens(stored: StoredTable, version: int) -> bool:
    """Can a pinned version still be read? `vacuum` deletes nothing when it is told to keep one that cannot."""
    try:
        DeltaTable(stored.uri, version=version)
    except DeltaError as error:
        log.warning("pinned version %d of %s is gone: %s", version, stored.uri, error)
        return False
    return True


def _entry_is_old(stored: StoredTable, version: int) -> bool:
    """Would cleaning the log take the entries that a version is read from?"""
    entry = Path(stored.uri) / "_delta_log" / f"{version:020d}.json"
    return not entry.exists() or entry.stat().st_mtime < time.time() - (LOG_DAYS * 86_400 - 3600)


def _delete_orphans(stored: StoredTable) -> None:
    """Files that a killed writer left before its commit, and temporary log entries, once they are a day old."""
    root, limit = Path(stored.uri), time.time() - ORPHAN_HOURS * 3600
    live = set(stored.files()["path"].to_pylist())
    old = []
    for file in [*(root / "_delta_log").glob("*#*"), *root.glob("day=*/*")]:
        with contextlib.suppress(FileNotFoundError):
            if str(file.relative_to(root)) not in live and file.stat().st_mtime < limit:
                old.append(file)
    if not old:  # the usual case: not every entry of a day's log is read for it
        return
    known = known_paths(root)
    for file in old:
        if str(file.relative_to(root)) not in known:
            file.unlink(missing_ok=True)


def known_paths(root: Path) -> set[str]:
    """Every file that the table's log names, in any version that can still be opened."""
    named = set(DeltaTable(str(root)).get_add_actions(flatten=True).column("path").to_pylist())
    for entry in listed(root / "_delta_log", "*.json"):
        try:
            found = actions(entry)
        except FileNotFoundError:  # cleaned up since it was listed
            continue
        named |= {action[kind]["path"] for action in found for kind in ("add", "remove") if kind in action}
    return named
