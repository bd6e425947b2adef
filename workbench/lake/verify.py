"""Is the lake whole? Counts in the log against counts in the files, files that are missing, damaged or left over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from workbench.lake.delta import StoredTable
from workbench.lake.errors import LakeError
from workbench.lake.expire import known_paths
from workbench.lake.local import local_lake
from workbench.lake.parquet import statistics
from workbench.lake.schema import TABLES

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
        not there), damaged_files (no Parquet footer, or another size than the log says), wrong_statistics (files whose
        counts or bounds differ from the log's: windows would miss rows), orphan_files (on disk, named by no
        version: harmless, `maintain expire` deletes them after a day), ok (no orphan counts against it), detail (up to
        five findings in words).

    Raises:
        LakeError: there is no lake.
    """
    root = local_lake(lake)
    rows: list[tuple[object, ...]] = []
    there = [table for table in TABLES.values() if (root / table.name).is_dir()]
    if not there:
        raise LakeError("no tables of a lake are here", str(root), "give the directory that a collector wrote to")
    for done, table in enumerate(there, 1):
        try:
            rows.append(_table(StoredTable(str(root), table, create=False)))
        except (LakeError, DeltaError, OSError, ValueError) as error:
            rows.append((table.name, -1, 0, 0, 0, 0, 0, 0, 0, 0, False, str(error).splitlines()[0]))
        if progress:
            progress(done, len(there))
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
            footer = pq.read_metadata(file)
        except (pa.ArrowException, OSError) as error:
            damaged += 1
            detail.append(f"damaged {row['path']}: {error}")
            continue
        in_files += footer.num_rows
        if file.stat().st_size != row["size_bytes"]:
            damaged += 1
            detail.append(f"{row['path']} has {file.stat().st_size} bytes, the log says {row['size_bytes']}")
        if _disagrees(statistics(footer, stored.table), row):
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


def _disagrees(found: dict[str, Any], row: dict[str, Any]) -> bool:
    """Does the log say more than the file's footer, or something else? (Less is slow, and safe.)"""
    return found["numRecords"] != row["num_records"] or any(
        (logged := row.get(f"{word}.{name}")) is not None and logged != value
        for word, values in (("min", found["minValues"]), ("max", found["maxValues"]))
        for name, value in values.items()
    )
