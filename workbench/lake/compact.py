"""Merge the small files that collectors write every second or two into large ones, sorted so that reading skips most.

Files of one day are taken in the order of their arrival, in groups of at most half a million rows and 256 MiB, so
memory is bounded by the group and what overflows goes to disk. Rows are ordered by (5 minutes, trace id, time): a trace
then lies in one or two row groups and an absent id is refused by minimum and maximum alone. Appends and readers go on
meanwhile: a group is swapped in one commit, and the old files stay until `expire` finds that nobody can be reading
them. A run that is killed leaves the groups it has finished, and at most one file that no commit names.
"""

import itertools
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from workbench.lake import parquet
from workbench.lake.delta import StoredTable
from workbench.lake.disk import locked
from workbench.lake.engine import literal
from workbench.lake.errors import LakeError
from workbench.lake.local import LOCK, PLAN, local_lake, present
from workbench.lake.schema import Table

SMALL_BYTES = 64 << 20
GROUP_ROWS = 500_000
GROUP_BYTES = 256 << 20
MEMORY_LIMIT = "640MB"  # of the sort; the process has 900 MiB then. With 540MB a full group spills: twice the CPU time
UNEVEN = 4  # a file that has so many times the rows of all that would join it waits for more of them
BUCKET_NS = 300 * 10**9

ORDER = {
    "metric_points": "{time} // {bucket}, name, service_name, {time}",
    "profile_samples": "service_name, profile_type, stack_id, {time}",
}
TRACE_ORDER = "{time} // {bucket}, trace_id, {time}"

Group = list[dict[str, Any]]


def compact(
    lake: str | Path,
    *,
    dry_run: bool = False,
    fewest: int = 2,
    most_groups: int | None = None,
    memory_limit: str = MEMORY_LIMIT,
    progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Merge small files, at least `fewest` at a time; with `dry_run` only tell.

    Args:
        most_groups: end after so many groups, the rest waits for another run; None: no end before the last.
        memory_limit: what the sort may hold in memory, the rest goes to `<lake>/_tmp`.
        progress: called with (rows done, rows in all) after each group.

    Returns:
        One row per group merged (or to be merged): table, day, files, rows, bytes (before).

    Raises:
        LakeBusy: another maintenance run holds the lake's lock.
        LakeError: the first group that could not be merged; all others are.
    """
    root = local_lake(lake)
    with locked(root / LOCK, wait=False):
        stored = [StoredTable(str(root), table, create=False) for table in present(root)]
        work = [(each, group) for each in stored for group in groups(each.files().to_pylist(), fewest)]
        plan = [
            (
                each.table.name,
                str(group[0]["partition.day"]),
                len(group),
                _total(group, "num_records"),
                _total(group, "size_bytes"),
            )
            for each, group in work[:most_groups]
        ]
        if not dry_run:
            _merge_all(root / "_tmp", work, len(plan), memory_limit, progress)
    return pl.DataFrame(plan, schema=PLAN, orient="row")


def _merge_all(
    temporary: Path,
    work: list[tuple[StoredTable, Group]],
    most: int,
    memory_limit: str,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Merge groups until so many are; one that cannot be does not count, or a few of them would stop all others."""
    total, done, merged = sum(_total(group, "num_records") for _, group in work[:most]), 0, 0
    shutil.rmtree(temporary, ignore_errors=True)  # ours alone while we hold the lock: what is there, a killed run left
    first_error: LakeError | None = None
    try:
        for stored, group in work:
            if merged == most:
                break
            try:
                _merge(stored, group, temporary, memory_limit)
                merged += 1
            except LakeError as error:
                first_error = first_error or error
            done += _total(group, "num_records")
            if progress:
                progress(done, max(done, total))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if first_error is not None:
        raise first_error


def groups(files: Group, fewest: int) -> list[Group]:
    """Small files of one day that belong together, oldest arrivals first.

    A large file is not rewritten for the sake of a few rows: else a lake that is compacted every few minutes would
    write each row again and again.
    """
    small = [row for row in files if row["size_bytes"] < SMALL_BYTES and row["num_records"] < GROUP_ROWS]
    small.sort(key=lambda row: (str(row["partition.day"]), row["modification_time"], row["path"]))
    found: list[Group] = []
    for _, of_day in itertools.groupby(small, key=lambda row: row["partition.day"]):
        day_groups: list[Group] = []
        for row in of_day:
            last = day_groups[-1] if day_groups else []
            rows_fit = _total(last, "num_records") + row["num_records"] <= GROUP_ROWS
            if last and rows_fit and _total(last, "size_bytes") + row["size_bytes"] <= GROUP_BYTES:
                last.append(row)
            else:
                day_groups.append([row])
        # All but the last group of a day are full: nothing will join them, so they need not wait for more files.
        found += [even for group in day_groups[:-1] if len(even := _even(group)) >= 2]
        found += [even for group in day_groups[-1:] if len(even := _even(group)) >= max(2, fewest)]
    return found


def _even(group: Group) -> Group:
    """Without the files at its start that are much larger than all that follow."""
    while len(group) > 1 and group[0]["num_records"] > UNEVEN * _total(group[1:], "num_records"):
        group = group[1:]
    return group


def _total(group: Group, key: str) -> int:
    return sum(each[key] for each in group)


def _merge(stored: StoredTable, group: Group, temporary: Path, memory_limit: str) -> None:
    """Sort one group into one file and swap it in."""
    table, directory = stored.table, Path(stored.uri)
    file = directory / f"day={group[0]['partition.day']}" / f"{uuid.uuid4().hex}.parquet"
    connection = duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "temp_directory": str(temporary),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "threads": "1",  # two are not faster, and each holds buffers of its own
        }
    )
    try:
        connection.execute("set enable_progress_bar = false")  # it would go to standard output, among an answer's JSON
        connection.register("declared", table.schema.empty_table())
        connection.execute(
            f"copy ({_sorted_rows(table, mixed=stored.mixed)}) to {literal(str(file))} "
            f"(format parquet, compression zstd, compression_level {parquet.ZSTD_LEVEL}, "
            f"row_group_size {parquet.ROW_GROUP_ROWS}, parquet_version v2)",  # v2: numbers as differences, -13 % bytes
            {"files": [str(directory / each["path"]) for each in group]},
        )
        merged = parquet.added(directory, file, table, data_change=False)
    except (duckdb.Error, OSError) as error:
        file.unlink(missing_ok=True)
        remedy = "make room, raise --memory-limit, or look for damage: workbench maintain verify"
        raise LakeError(f"cannot merge files: {error}", stored.uri, remedy) from error
    finally:
        connection.close()
    stored.refresh()  # inside the lock: two merges of the same files would both commit and double the rows
    stored.replace(group, [merged], data_change=False)


def _sorted_rows(table: Table, *, mixed: bool) -> str:
    """The rows of `$files` in the table's order. All of its text is ours."""
    columns = ", ".join(f'"{name}"' for name in table.schema.names)
    source = f"select * from read_parquet($files, hive_partitioning=false, union_by_name={mixed})"  # noqa: S608
    if mixed:  # files from before a column was declared: it is NULL there
        source = f"select * from declared union all by name {source}"  # noqa: S608
    if table.content_id:  # one a day of what is alike, the newest arrival: retention then drops it last
        newest = f"{table.content_id}, {table.time} // {parquet.DAY_NS}"
        last = "received_time_unix_nano desc nulls last"
        return f"select distinct on ({newest}) {columns} from ({source}) order by {newest}, {last}, {table.time}"  # noqa: S608
    order = ORDER.get(table.name, TRACE_ORDER if "trace_id" in table.schema.names else "{time}")
    return f"select {columns} from ({source}) order by {order.format(time=table.time, bucket=BUCKET_NS)}"  # noqa: S608
