"""The one way into the lake: every collector appends through a `Writer`."""

import threading
from pathlib import Path

import pyarrow as pa

from workbench.lake.delta import StoredTable
from workbench.lake.errors import LakeError, UnknownName
from workbench.lake.locations import lake_uri
from workbench.lake.schema import TABLES, conform


class Writer:
    """Appends batches to the tables of one lake, which it creates where it is missing.

    Any number of writers may work on one lake at once, in any number of processes; each needs an `app_id` of its own
    (made at random and kept beside the source's own progress), because it says whose sequence a sequence is.
    """

    def __init__(self, lake: str | Path) -> None:
        self.uri = lake_uri(lake)
        self._one_at_a_time = threading.Lock()
        try:
            if "://" not in self.uri:
                Path(self.uri).mkdir(parents=True, exist_ok=True)
            self._tables = {name: StoredTable(self.uri, table, create=True) for name, table in TABLES.items()}
        except OSError as error:
            raise LakeError(f"cannot write: {error}", self.uri, "choose a directory you may write to") from error

    def committed(self, table_name: str, app_id: str) -> int:
        """The last sequence of `app_id` that is in a table, -1 if none."""
        return self._tables[table_name].committed(app_id)

    def append(self, tables: dict[str, pa.Table], *, app_id: str, sequence: int) -> dict[str, int]:
        """Commit one batch, durable when it returns; rows written by table (0: was there already).

        Delta has no transaction over tables. Should this fail half-way, call it again with the same sequence:
        each table takes what it lacks. Tables are committed in the order that keeps references whole.

        Raises:
            LakeError: not all of the batch could be written.
            UnknownName: a table that the lake does not have.
            ValueError: a column that its table does not have, or a row without a time; nothing is written.
        """
        for name in tables:
            if name not in TABLES:
                raise UnknownName.of("table", name, list(TABLES), self.uri)
        packed = "://" not in self.uri
        rows = {name: conform(tables[name], TABLES[name], packed=packed) for name in TABLES if name in tables}
        with self._one_at_a_time:
            return {
                name: self._tables[name].append(each, app_id, sequence) for name, each in rows.items() if each.num_rows
            }
