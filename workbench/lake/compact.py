"""Merge the small files that collectors write every second or two into large ones, sorted so that reading skips most.

Files of one day are taken in the order of their arrival, in groups of at most a million rows, so memory is bounded by
the group and what overflows goes to disk. Rows are ordered by (5 minutes, trace id, time): a trace then lies in one or
two row groups and an absent id is refused by minimum and maximum alone. Appends and readers go on meanwhile: a group is
swapped in one commit, and the old files stay until `expire` finds that nobody can be reading them.
"""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from workbench.lake import parquet
from workbench.lake.delta import StoredTable
from workbench.lake.disk import locked
from workbench.lake.errors import LakeError
from workbench.lake.locations import lake_uri
from workbench.lake.schema import TABLES, Table

SMALL_BYTES = 64 << 20
GROUP_ROWS = 1_000_000
BUCKET_NS = 300 * 10**9
LOCK = "_maintenance.lock"

PLAN = {"table": pl.String, "day": pl.String, "files": pl.Int64, "rows": pl.Int64, "bytes": pl.Int64}
# Content-addressed rows may be written many times; one per id is enough.
ONE_PER = {"profile_nodes": "node_id", "profile_frames": "frame_id"}
ORDER = {
    "metric_points": "{time} // {bucket}, name, service_name, {time}",
    "profile_samples": "service_name, profile_type, stack_id, {time}",
    "profile_nodes": "node_id",
    "profile_frames": "frame_id",
}
TRACE_ORDER = "{time} // {bucket}, trace_id, {time}"

Group = list[dict[str, Any]]


def _groups(stored: StoredTable, fewest: int) -> list[Group]:
    """Small files of one day that belong together, oldest arrivals first."""
    rows = stored.files().to_pylist()
    small = [row for row in rows if row["size_bytes"] < SMALL_BYTES and row["num_records"] < GROUP_ROWS]
    small.sort(key=lambda row: (str(row["partition.day"]), row["modification_time"], row["path"]))
    groups: list[Group] = []
    for row in small:
        last = groups[-1] if groups else []
        same_day = bool(last) and last[0]["partition.day"] == row["partition.day"]
        if same_day and sum(each["num_records"] for each in last) + row["num_records"] <= GROUP_ROWS:
            last.append(row)
        else:
            groups.append([row])
    return [group for group in groups if len(group) >= fewest]


def _as_rows(table: Table, groups: list[Group]) -> list[tuple[str, str, int, int, int]]:
    return [
        (
            table.name,
            str(group[0]["partition.day"]),
            len(group),
            sum(each["num_records"] for each in group),
            sum(each["size_bytes"] for each in group),
        )
        for group in groups
    ]


def compact(
    lake: str | Path,
    *,
    dry_run: bool = False,
    fewest: int = 2,
    memory_limit: str = "1GB",
    progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Merge small files, at least `fewest` at a time; with `dry_run` only tell.

    Args:
        memory_limit: what the sort may hold in memory, the rest goes to `<lake>/_tmp`.
        progress: called with (rows done, rows in all) after each group.

    Returns:
        One row per group merged (or to be merged): table, day, files, rows, bytes (before).

    Raises:
        LakeBusy: another maintenance run holds the lake's lock.
        LakeError: the lake cannot be written.
    """
    root = _local(lake)
    with locked(root / LOCK, wait=False):
        stored = [StoredTable(str(root), table, create=False) for table in _present(root)]
        work = [(each, group) for each in stored for group in _groups(each, fewest)]
        plan = [row for each, group in work for row in _as_rows(each.table, [group])]
        if not dry_run:
            total, done = sum(row[3] for row in plan), 0
            for (each, group), row in zip(work, plan, strict=True):
                _merge(root, each, group, memory_limit)
                done += row[3]
                if progress:
                    progress(done, total)
    return pl.DataFrame(plan, schema=PLAN, orient="row")


def _local(lake: str | Path) -> Path:
    uri = lake_uri(lake)
    if "://" in uri:
        raise LakeError(
            "this act needs a local lake", uri, "use the store's own tools, or deltalake's optimize and vacuum"
        )
    if not Path(uri).is_dir():
        raise LakeError("no lake here", uri, "give the directory of a lake")
    return Path(uri)


def _present(root: Path) -> list[Table]:
    return [table for table in TABLES.values() if (root / table.name / "_delta_log").is_dir()]


def _merge(root: Path, stored: StoredTable, group: Group, memory_limit: str) -> None:
    """Sort one group into one file and swap it in."""
    table, directory = stored.table, Path(stored.uri)
    stored.refresh()  # inside the lock: two merges of the same files would both commit and double the rows
    file = directory / f"day={group[0]['partition.day']}" / f"{uuid.uuid4().hex}.parquet"
    order = ORDER.get(table.name, TRACE_ORDER if "trace_id" in table.schema.names else "{time}")
    order = order.format(time=table.time, bucket=BUCKET_NS)
    distinct = f"distinct on ({ONE_PER[table.name]})" if table.name in ONE_PER else ""
    temporary = root / "_tmp"
    temporary.mkdir(exist_ok=True)
    connection = duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "temp_directory": str(temporary),
            "autoinstall_known_extensions": "false",
            "threads": "2",
        }
    )
    try:
        connection.execute(
            f"copy (select {distinct} * from read_parquet($files, hive_partitioning=false) order by {order}) "  # noqa: S608
            f"to '{str(file).replace(chr(39), chr(39) * 2)}' "
            f"(format parquet, compression zstd, compression_level 3, row_group_size {parquet.ROW_GROUP_ROWS})",
            {"files": [str(directory / each["path"]) for each in group]},
        )
        stored.replace(group, [parquet.added(directory, file, table, data_change=False)], data_change=False)
    except (duckdb.Error, OSError) as error:
        file.unlink(missing_ok=True)
        raise LakeError(f"cannot merge files: {error}", stored.uri, "make room, or raise --memory-limit") from error
    finally:
        connection.close()
