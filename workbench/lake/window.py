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
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from workbench.lake.delta import StoredTable
from workbench.lake.errors import BadParameter, LakeError, UnknownName
from workbench.lake.parquet import DAY_NS, EARLIEST_NS
from workbench.lake.schema import TABLES
from workbench.lake.times import duration_ns, instant_ns, instant_text

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    import polars as pl

    from workbench.lake.engine import Engine

FOREVER_NS = 2**63 - 1
LATEST_NS = 4_102_444_800 * 10**9  # the year 2100: clocks that say more are broken
PROVENANCE_MIME = "application/vnd.workbench.provenance+json"
MARGIN_NS = 15 * 60 * 10**9  # how far a parent may start before its child, or a trace reach over the window's edge


Instant: TypeAlias = "str | int | datetime.date"  # RFC 3339, Unix nanoseconds, or a datetime


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

    def _pinned(self, name: str) -> "_Pinned | None":
        """The table as it is now; None where the lake does not have it."""
        from deltalake import DeltaTable

        with self._lock:  # a handle that another thread refreshes meanwhile would give files of one version, and the
            stored = self._tables.get(name)  # number of another
            if stored is None:
                if not DeltaTable.is_deltatable(f"{self.uri}/{name}"):
                    return None
                stored = self._tables[name] = StoredTable(self.uri, TABLES[name], create=False)
            else:
                stored.refresh()
            return _Pinned(int(stored.delta.version()), stored.files(), stored.mixed)

    def window(
        self,
        start: "Instant | None" = None,
        end: "Instant | None" = None,
    ) -> "Window":
        """What starts in [start, end). RFC 3339 text, datetime, or Unix nanoseconds; None: no limit on that side.

        Raises:
            BadParameter: a time that cannot be read, or an end that is not after the start.
            LakeError: this is no lake, or one of a newer workbench.
        """
        return self._window(start, end)

    def _window(self, start: "Instant | None", end: "Instant | None") -> "Window":
        low = 0 if start is None else max(0, instant_ns(start, "start"))  # before 1970 there is nothing
        high = FOREVER_NS if end is None else min(FOREVER_NS, instant_ns(end, "end"))
        if high <= low:
            raise BadParameter(f"the window ends ({end}) before it starts ({start})", "window", "swap them")
        pinned = {}
        for name in reversed(TABLES):  # samples before the nodes and frames they refer to
            if (table := self._pinned(name)) is not None:
                pinned[name] = table
        if not pinned:
            raise LakeError("no tables of a lake are here", self.uri, "give the directory that a collector wrote to")
        window = Window(self, low, high, {name: each.version for name, each in pinned.items()}, _tables=pinned)
        if any(len(each.files) for each in pinned.values()) and not any(window.files(name) for name in pinned):
            known = [found for name in ("spans", "logs", "metric_points") if (found := window.extent(name))]
            where = "at other times"
            if known:
                first, last = min(each[0] for each in known), max(each[1] for each in known)
                where = f"from {instant_text(first)} to {instant_text(last)}"
            warnings.warn(f"nothing in this window; the lake has data {where}", EmptyWindow, stacklevel=3)
        return window

    def last(self, duration: "str | int | datetime.timedelta", *, until: "Instant | None" = None) -> "Window":
        """The last `1h`, `30m`, `2d` before `until` (default: now)."""
        end = time.time_ns() if until is None else instant_ns(until, "until")
        return self._window(end - duration_ns(duration, "last"), end)

    def whole(self) -> "Window":
        """Everything there is."""
        return self._window(None, None)


@dataclass(frozen=True)
class _Pinned:
    """What a window knows of one table: nothing of it changes when the table does."""

    version: int
    files: pa.Table  # one row per live file, with bounds
    mixed: bool  # may its files differ in their columns?


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
    _tables: dict[str, _Pinned] = field(repr=False, compare=False, default_factory=dict)
    _lock: threading.Lock = field(repr=False, compare=False, default_factory=threading.Lock)

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
        if not len(actions) or f"min.{column}" not in actions.column_names:
            return None
        low, high = actions[f"min.{column}"], actions[f"max.{column}"]
        # Broken clocks (1970, a far future) do not stretch the extent, unless there is nothing else.
        sane_low = low.filter(pc.greater_equal(low, EARLIEST_NS))
        sane_high = high.filter(pc.less(high, LATEST_NS))
        first, last = pc.min(sane_low if len(sane_low) else low).as_py(), pc.max(sane_high).as_py()
        return None if first is None else (first, max(first, last if last is not None else first))

    def _actions(self, table_name: str) -> pa.Table:
        if table_name not in TABLES:
            raise UnknownName.of("table", table_name, list(TABLES), self.lake.uri)
        found = self._tables.get(table_name)
        return pa.table({"path": pa.array([], pa.string())}) if found is None else found.files

    def mixed(self, table_name: str) -> bool:
        """May files of this table differ in their columns, because it is older than some column?"""
        return table_name in self._tables and self._tables[table_name].mixed

    def limits(self, table_name: str, *, margin_ns: int = 0) -> tuple[int | None, int | None]:
        """What a table's time column is cut by: at least, and less than; None on an open side.

        Rows that are found by a content id (frames, nodes of stacks) count for their whole day: compaction keeps one
        a day of those that are alike, and samples at any time of that day may refer to it.
        """
        low = None if self.from_unix_nano == 0 else self.from_unix_nano - margin_ns
        high = None if self.to_unix_nano == FOREVER_NS else min(FOREVER_NS, self.to_unix_nano + margin_ns)
        if TABLES[table_name].content_id:
            low = None if low is None else low // DAY_NS * DAY_NS
            high = None if high is None else min(FOREVER_NS, -(-high // DAY_NS) * DAY_NS)
        return low, high

    def files(self, table_name: str, *, margin_ns: int = 0) -> list[str]:
        """The Parquet files that may hold rows of this window."""
        actions = self._actions(table_name)
        column = TABLES[table_name].time
        low, high = self.limits(table_name, margin_ns=margin_ns)
        if low is not None and f"max.{column}" in actions.column_names:
            actions = actions.filter(pc.fill_null(pc.greater_equal(actions[f"max.{column}"], low), True))
        if high is not None and f"min.{column}" in actions.column_names:
            actions = actions.filter(pc.fill_null(pc.less(actions[f"min.{column}"], high), True))
        if self.trace_ids is not None and "min.trace_id" in actions.column_names:
            first, last = min(self.trace_ids, default=""), max(self.trace_ids, default="")
            keep = pc.and_(
                pc.less_equal(actions["min.trace_id"], last), pc.greater_equal(actions["max.trace_id"], first)
            )
            actions = actions.filter(pc.fill_null(keep, True))
        return [f"{self.lake.uri}/{table_name}/{path}" for path in actions["path"].to_pylist()]

    def dataset(self, table_name: str) -> Any:
        """The pinned table as an Arrow dataset of `deltalake`, whole: how an object store is read."""
        from deltalake import DeltaTable

        return DeltaTable(f"{self.lake.uri}/{table_name}", version=self.versions[table_name]).to_pyarrow_dataset()

    def traces(self, trace_ids: Sequence[str]) -> "Window":
        """These traces whole: every span, log line and sample of theirs, up to 15 minutes beyond the window's edge."""
        if isinstance(trace_ids, str):
            trace_ids = [trace_ids]
        low = 0 if self.from_unix_nano == 0 else max(0, self.from_unix_nano - MARGIN_NS)
        high = min(FOREVER_NS, self.to_unix_nano + MARGIN_NS)
        chosen = tuple(sorted({each.lower() for each in trace_ids}))
        return Window(self.lake, low, high, self.versions, chosen, self._tables)

    @functools.cached_property
    def _opened(self) -> "Engine":
        from workbench.lake.engine import Engine

        return Engine(self)

    def _engine(self) -> "Engine":
        with self._lock:  # threads that share the window share its engine
            return self._opened

    def arrow(self, query: str, **parameters: Any) -> pa.Table:
        """The answer to one SQL query (DuckDB's dialect) as Arrow. `$name` in the text takes the value of `name=`.

        Raises:
            BadParameter: the engine refuses the text (its own words, with the place, are in the message), it does more
                than read, or it reaches for files that are not the window's.
            LakeError: files of the pinned versions are gone.
        """
        return self._engine().arrow(query, parameters)

    def sql(self, query: str, **parameters: Any) -> "pl.DataFrame":
        """The answer to one SQL query as a Polars frame; see `arrow`."""
        import polars as pl

        try:
            frame = pl.from_arrow(self.arrow(query, **parameters))
        except pl.exceptions.PolarsError as error:  # two columns of one name, a type that it has not
            raise BadParameter(f"no frame can hold the answer: {error}", "sql", "name or cast the columns") from error
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - for the type checker; a table never gives a Series
        return frame

    def scan(self, table_name: str) -> "pl.LazyFrame":
        """A table of this window as a Polars LazyFrame: the second engine on the same files."""
        import polars as pl

        files = self.files(table_name)
        table = TABLES[table_name]
        empty = pl.from_arrow(table.schema.empty_table())
        assert isinstance(empty, pl.DataFrame)  # noqa: S101 - for the type checker; a table never gives a Series
        if not files:
            return empty.lazy()
        if "://" in self.lake.uri:
            uri = f"{self.lake.uri}/{table_name}"
            frame = pl.scan_delta(uri, version=self.versions[table_name]).select(table.schema.names)
        else:
            frame = pl.scan_parquet(
                files,
                schema=empty.schema,
                missing_columns="insert",
                extra_columns="ignore",
                hive_partitioning=False,
                glob=False,  # a bracket in the lake's name is no pattern
            )
        low, high = self.limits(table_name)
        if low is not None:
            frame = frame.filter(pl.col(table.time) >= low)
        if high is not None:
            frame = frame.filter(pl.col(table.time) < high)
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
