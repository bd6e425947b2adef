"""One batch of rows as Parquet files, one per UTC day, on the disk before anything names them."""

import json
import time
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from workbench.lake.disk import fsync_path
from workbench.lake.schema import Table
from workbench.lake.times import day_text

ROW_GROUP_ROWS = 122_880
DAY_NS = 86_400_000_000_000
EARLIEST_NS = 946_684_800 * 10**9  # the year 2000: clocks that say less are broken


def by_day(rows: pa.Table, table: Table, now_ns: int) -> list[tuple[str, pa.Table]]:
    """The rows by UTC day; absurd times (before 2000, more than a day ahead) go to the day of their arrival.

    The day is only a place for the file: what a window holds is decided by the time column's own statistics.
    """
    times = rows[table.time].to_numpy(zero_copy_only=False)
    absurd = (times < EARLIEST_NS) | (times > now_ns + DAY_NS)
    if absurd.any():
        times = np.where(absurd, now_ns, times)
    days = times // DAY_NS
    found = np.unique(days)
    if len(found) == 1:  # the usual batch: not copied
        return [(day_text(int(found[0]) * DAY_NS), rows)]
    return [(day_text(int(day) * DAY_NS), rows.filter(pa.array(days == day))) for day in found]


def write_batch(root: Path, table: Table, rows: pa.Table) -> list[AddAction]:
    """Parquet files under `root`/day=..., fsynced with their directories; the actions that will name them."""
    actions = []
    for day, part in by_day(rows, table, time.time_ns()):
        directory = root / f"day={day}"
        fresh = not directory.exists()
        directory.mkdir(exist_ok=True)
        file = directory / f"{uuid.uuid4().hex}.parquet"
        bloom = {name: {"ndv": max(1, part.num_rows // 8), "fpp": 0.01} for name in table.bloom}
        pq.write_table(
            part,
            file,
            compression="zstd",
            compression_level=3,
            row_group_size=ROW_GROUP_ROWS,
            write_statistics=list(table.statistics),
            bloom_filter_options=bloom or None,
        )
        actions.append(added(root, file, table, data_change=True))
        if fresh:
            fsync_path(root)
    return actions


def added(root: Path, file: Path, table: Table, *, data_change: bool) -> AddAction:
    """The log entry for a finished file; fsyncs the file and its directory first."""
    fsync_path(file)
    fsync_path(file.parent)
    relative = str(file.relative_to(root))
    partition = {"day": file.parent.name.removeprefix("day=")}
    return AddAction(
        relative,
        file.stat().st_size,
        partition,
        time.time_ns() // 10**6,
        data_change,
        json.dumps(statistics(file, table)),
    )


def statistics(file: Path, table: Table) -> dict[str, object]:
    """Delta statistics from the Parquet footer, of the table's pruning columns only."""
    footer = pq.read_metadata(file)
    low: dict[str, object] = {}
    high: dict[str, object] = {}
    nulls: dict[str, int] = {}
    for index in range(footer.num_columns):
        name = footer.schema.column(index).path
        if name not in table.statistics:
            continue
        groups = [footer.row_group(group).column(index).statistics for group in range(footer.num_row_groups)]
        groups = [each for each in groups if each is not None]
        bounded = [each for each in groups if each.has_min_max]
        nulls[name] = sum(each.null_count for each in groups)
        if bounded and len(bounded) == footer.num_row_groups:
            low[name] = min(each.min for each in bounded)
            high[name] = max(each.max for each in bounded)
    return {"numRecords": footer.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls}
