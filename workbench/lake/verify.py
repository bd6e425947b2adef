"""Is the lake whole? Counts in the log against counts in the files, files that are missing, damaged or left over."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.lake.compact import _local, _present
from workbench.lake.delta import StoredTable
from workbench.lake.errors import LakeError
from workbench.lake.expire import known_paths
from workbench.lake.parquet import statistics

RESULT = {
    "table": pl.String,
    "version": pl.Int64,
    "files": pl.Int64,
    "rows": pl.Int64,
    "rows_in_files": pl.Int64,
    "bytes": pl.Int64,
    "missing_files": pl.Int64,
    "damaged_files": pl.Int64,
    "wrong_statistics": pl.Int64,
    "orphan_files": pl.Int64,
    "ok": pl.Boolean,
    "detail": pl.String,
}


def verify(lake: str | Path, *, progress: Callable[[int, int], None] | None = None) -> pl.DataFrame:
    """Compare every table's log with the files on disk. Reads footers only, changes nothing.

    Returns:
        One row per table: version, files, rows (by the log), rows_in_files, bytes, missing_files (named by the log,
        not there), damaged_files (no Parquet footer, or another size than the log says), wrong_statistics (counts or
        bounds in the log that differ from the footer's: windows would miss rows), orphan_files (on disk, named by no
        version: harmless, `maintain expire` deletes them after a day), ok (no orphan counts against it), detail (up to
        five findings in words).

    Raises:
        LakeError: there is no lake.
    """
    root = _local(lake)
    rows = []
    present = _present(root)
    for done, table in enumerate(present, 1):
        try:
            rows.append(_table(StoredTable(str(root), table, create=False)))
        except LakeError as error:
            rows.append((table.name, -1, 0, 0, 0, 0, 0, 0, 0, 0, False, error.what))
        if progress:
            progress(done, len(present))
    return pl.DataFrame(rows, schema=RESULT, orient="row")


def _table(stored: StoredTable) -> tuple[object, ...]:
    directory = Path(stored.uri)
    live = stored.files().to_pylist()
    in_files = missing = damaged = wrong = 0
    detail = []
    for row in live:
        file = directory / row["path"]
        if not file.exists():
            missing += 1
            detail.append(f"missing {row['path']}")
            continue
        try:
            count = pq.read_metadata(file).num_rows
        except (pa.ArrowException, OSError) as error:
            damaged += 1
            detail.append(f"damaged {row['path']}: {error}")
            continue
        in_files += count
        if file.stat().st_size != row["size_bytes"]:
            damaged += 1
            detail.append(f"{row['path']} has {file.stat().st_size} bytes, the log says {row['size_bytes']}")
        if count != row["num_records"] or not _agrees(file, stored, row):
            wrong += 1
            detail.append(f"{row['path']}: the log's statistics are not the file's")
    on_disk = {str(file.relative_to(directory)) for file in directory.glob("day=*/*.parquet")}
    orphans = on_disk - known_paths(directory)
    return (
        stored.table.name,
        stored.delta.version(),
        len(live),
        sum(row["num_records"] for row in live),
        in_files,
        sum(row["size_bytes"] for row in live),
        missing,
        damaged,
        wrong,
        len(orphans),
        missing == damaged == wrong == 0,
        "; ".join(detail[:5]),
    )


def _agrees(file: Path, stored: StoredTable, row: dict[str, object]) -> bool:
    """Do the log's bounds of the time column hold what the file holds?"""
    time = stored.table.time
    found = json.loads(json.dumps(statistics(file, stored.table)))
    low, high = found["minValues"].get(time), found["maxValues"].get(time)
    return bool(low == row.get(f"min.{time}") and high == row.get(f"max.{time}"))
