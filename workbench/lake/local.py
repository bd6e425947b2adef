"""A lake in a directory, as maintenance works on it: which tables, and whose turn it is."""

from pathlib import Path

import polars as pl

from workbench.lake.errors import LakeError
from workbench.lake.locations import lake_uri
from workbench.lake.schema import TABLES, Table

LOCK = "_maintenance.lock"  # in the lake: one maintenance run at a time
# What a run of `compact` or `expire` does, or would do.
PLAN = {"table": pl.String, "day": pl.String, "files": pl.Int64, "rows": pl.Int64, "bytes": pl.Int64}


def local_lake(lake: str | Path) -> Path:
    """The directory of a lake that maintenance can work on.

    Raises:
        LakeError: it is on an object store, or there is none.
    """
    uri = lake_uri(lake)
    if "://" in uri:
        remedy = "use the store's own tools, or deltalake's optimize and vacuum from one place"
        raise LakeError("maintenance needs a lake in a directory", uri, remedy)
    if not Path(uri).is_dir():
        raise LakeError("no lake here", uri, "give the directory of a lake")
    return Path(uri)


def present(root: Path) -> list[Table]:
    """The tables that a lake has; an older one may lack some."""
    return [table for table in TABLES.values() if (root / table.name / "_delta_log").is_dir()]
