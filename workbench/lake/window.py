"""A lake to ask, and a window of it: what starts in [from, to), on pinned versions, as SQL, Arrow or Polars.

The Delta log knows the smallest and largest time of every file, so a window names its files before an engine opens
one. Time is compared in integer nanoseconds: the log cuts timestamps to milliseconds and would lose rows.
"""

import functools
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from workbench.lake.delta import StoredTable
from workbench.lake.errors import BadParameter, LakeError, UnknownName
from workbench.lake.schema import TABLES, Table
from workbench.lake.times import duration_ns, instant_ns, instant_text

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    import duckdb
    import polars as pl

FOREVER_NS = 2**63 - 1
PROVENANCE_MIME = "application/vnd.workbench.provenance+json"
MARGIN_NS = 15 * 60 * 10**9  # how far a parent may start before its child, or a trace reach over the window's edge


class EmptyWindow(UserWarning):
    """The window holds no rows, but the lake has some elsewhere; the text says where."""


class Lake:
    """A lake opened for reading. `last`, `window` and `whole` give windows; each pins the versions it saw."""

    def __init__(self, lake: "str | Path") -> None:
        from pathlib import Path

        from workbench.lake.locations import lake_uri

        self.uri = lake_uri(lake)
        if "://" not in self.uri and not Path(self.uri).is_dir():
            raise LakeError("no lake here", self.uri, "workbench collect otlp --lake DIR makes one, or `make demo`")
        self._lock = threading.Lock()
        self._tables: dict[str, StoredTable] = {}

    def __repr__(self) -> str:
        return f"Lake({self.uri!r})"

    def _stored(self, name: str) -> StoredTable | None:
        """The table's handle, fresh; None where the lake does not have it."""
        from deltalake import DeltaTable

        with self._lock:
            stored = self._tables.get(name)
            if stored is None:
                if not DeltaTable.is_deltatable(f"{self.uri}/{name}"):
                    return None
                stored = self._tables[name] = StoredTable(self.uri, TABLES[name], create=False)
            else:
                stored.refresh()
            return stored

    def window(
        self,
        start: "str | int | datetime.datetime | None" = None,
        end: "str | int | datetime.datetime | None" = None,
    ) -> "Window":
        """What starts in [start, end). RFC 3339 text, datetime, or Unix nanoseconds; None: no limit on that side.

        Raises:
            BadParameter: a time that cannot be read, or an end that is not after the start.
            LakeError: this is no lake, or one of a newer workbench.
        """
        low = 0 if start is None else instant_ns(start, "start")
        high = FOREVER_NS if end is None else instant_ns(end, "end")
        if high <= low:
            raise BadParameter(f"the window ends ({end}) before it starts ({start})", "window", "swap them")
        files, versions = {}, {}
        for name in reversed(TABLES):  # samples before the nodes and frames they refer to
            stored = self._stored(name)
            if stored is not None:
                files[name] = stored.files()
                versions[name] = stored.delta.version()
        if not files:
            raise LakeError("no tables of a lake are here", self.uri, "give the directory that a collector wrote to")
        found = Window(lake=self, from_unix_nano=low, to_unix_nano=high, versions=versions, _files=files)
        if any(len(each) for each in files.values()) and not any(found.files(name) for name in files):
            known = found.extent("spans") or found.extent("logs") or found.extent("metric_points")
            where = f"{instant_text(known[0])} .. {instant_text(known[1])}" if known else "other times"
            warnings.warn(f"nothing in this window; the lake has data from {where}", EmptyWindow, stacklevel=2)
        return found

    def last(self, duration: "str | int", *, until: "str | int | datetime.datetime | None" = None) -> "Window":
        """The last `1h`, `30m`, `2d` before `until` (default: now)."""
        end = time.time_ns() if until is None else instant_ns(until, "until")
        return self.window(end - duration_ns(duration, "last"), end)

    def whole(self) -> "Window":
        """Everything there is."""
        return self.window()


@dataclass(frozen=True)
class Window:
    """Rows that start in [from_unix_nano, to_unix_nano), on pinned versions of the tables.

    `sql` sees one view per table (`spans`, `logs`, `metric_points`, ...) that holds only the window, and
    `spans_around`: the same spans and those that start up to 15 minutes before or after, where a question needs the
    parents or children of what lies at the edge.
    """

    lake: Lake
    from_unix_nano: int
    to_unix_nano: int
    versions: dict[str, int]
    trace_ids: tuple[str, ...] | None = None
    _files: dict[str, pa.Table] = field(repr=False, default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length in seconds; of an open window, the span of time that its data covers."""
        low, high = self.bounds()
        return max(0, high - low) / 1e9

    def bounds(self) -> tuple[int, int]:
        """First and last nanosecond to speak of: the window's own limits, or its data's where a side is open."""
        if self.from_unix_nano > 0 and self.to_unix_nano < FOREVER_NS:
            return self.from_unix_nano, self.to_unix_nano
        known = [extent for name in ("spans", "logs", "metric_points") if (extent := self.extent(name))]
        if not known:
            return self.from_unix_nano, min(self.to_unix_nano, self.from_unix_nano)
        low = self.from_unix_nano or min(each[0] for each in known)
        high = self.to_unix_nano if self.to_unix_nano < FOREVER_NS else max(each[1] for each in known) + 1
        return low, high

    def extent(self, table_name: str) -> tuple[int, int] | None:
        """Smallest and largest time in the whole table, from the log alone; None when it is empty."""
        actions, column = self._actions(table_name), TABLES[table_name].time
        low, high = f"min.{column}", f"max.{column}"
        if not len(actions) or low not in actions.column_names:
            return None
        sane = actions.filter(pc.greater(actions[low], 0))  # a span without a start does not stretch the extent
        chosen = sane if len(sane) else actions
        return pc.min(chosen[low]).as_py(), pc.max(chosen[high]).as_py()

    def _actions(self, table_name: str) -> pa.Table:
        if table_name not in TABLES:
            raise UnknownName.of("table", table_name, list(TABLES), self.lake.uri)
        return self._files.get(table_name, pa.table({"path": pa.array([], pa.string())}))

    def files(self, table_name: str, *, margin_ns: int = 0) -> list[str]:
        """The Parquet files that may hold rows of this window."""
        actions, column = self._actions(table_name), TABLES[table_name].time
        if f"min.{column}" in actions.column_names:
            low, high = actions[f"min.{column}"], actions[f"max.{column}"]
            keep = pc.and_(
                pc.greater_equal(high, max(0, self.from_unix_nano - margin_ns)),
                pc.less(low, min(FOREVER_NS, self.to_unix_nano + margin_ns)),
            )
            actions = actions.filter(pc.fill_null(keep, True))
        if self.trace_ids is not None and "min.trace_id" in actions.column_names:
            low, high = actions["min.trace_id"], actions["max.trace_id"]
            first, last = (min(self.trace_ids, default=""), max(self.trace_ids, default=""))
            keep = pc.and_(pc.less_equal(low, last), pc.greater_equal(high, first))
            actions = actions.filter(pc.fill_null(keep, True))
        return [f"{self.lake.uri}/{table_name}/{path}" for path in actions["path"].to_pylist()]

    def traces(self, trace_ids: Sequence[str]) -> "Window":
        """These traces whole: every span, log line and sample of theirs, also beyond the window's edge."""
        low = 0 if self.from_unix_nano == 0 else max(0, self.from_unix_nano - MARGIN_NS)
        high = min(FOREVER_NS, self.to_unix_nano + MARGIN_NS)
        chosen = tuple(sorted({each.lower() for each in trace_ids}))
        return Window(self.lake, low, high, self.versions, chosen, self._files)

    @functools.cached_property
    def _connection(self) -> "duckdb.DuckDBPyConnection":
        from workbench.lake.engine import connect

        return connect(self)

    def arrow(self, query: str, **parameters: Any) -> pa.Table:
        """The answer to one SQL query (DuckDB's dialect) as Arrow. `$name` in the text takes the value of `name=`.

        Raises:
            BadParameter: the engine refuses the text; its own words, with the place, are in the message.
            LakeError: files of the pinned versions are gone.
        """
        from workbench.lake.engine import answer

        return answer(self._connection, query, parameters, self.lake.uri)

    def sql(self, query: str, **parameters: Any) -> "pl.DataFrame":
        """The answer to one SQL query as a Polars frame; see `arrow`."""
        import polars as pl

        frame = pl.from_arrow(self.arrow(query, **parameters))
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - for the type checker; a table never gives a Series
        return frame

    def scan(self, table_name: str) -> "pl.LazyFrame":
        """A table of this window as a Polars LazyFrame: the second engine on the same files."""
        import polars as pl

        table = TABLES[table_name] if table_name in TABLES else self._actions(table_name)
        assert isinstance(table, Table)  # noqa: S101 - `_actions` raised otherwise
        files = self.files(table_name)
        if not files:
            return pl.from_arrow(table.schema.empty_table()).lazy()  # type: ignore[union-attr]
        time_column = pl.col(table.time)
        frame = pl.scan_parquet(files, hive_partitioning=False)
        frame = frame.filter((time_column >= self.from_unix_nano) & (time_column < self.to_unix_nano))
        if self.trace_ids is not None and "trace_id" in table.schema.names:
            frame = frame.filter(pl.col("trace_id").is_in(list(self.trace_ids)))
        return frame

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """A line for the notebook, and the provenance as data for the report that is made of it."""
        import html

        found = self.provenance()
        line = f"Window of {found['lake']}: {found['from']} to {found['to']}"
        return {
            "text/plain": line,
            "text/html": f"<p>{html.escape(line)}</p>",
            PROVENANCE_MIME: found,
        }

    def provenance(self) -> dict[str, Any]:
        """What an answer was computed on: lake, limits, versions."""
        low, high = self.bounds()
        return {
            "lake": self.lake.uri,
            "from": instant_text(low),
            "to": instant_text(high),
            "versions": dict(sorted(self.versions.items())),
        }
