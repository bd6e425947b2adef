"""DuckDB over the files of one window: a view per table, and nothing else that it could reach.

A window answers questions, it changes nothing: only statements that read are taken, one at a time. The engine may open
the window's own files and no others, loads no extension and looks at no variable of the program that asks, so a query
text from elsewhere (a report's parameter, a page) can do no harm. Who wants to join a file of their own hands it over
as a frame: `polars.SQLContext` or a DuckDB connection takes the answer of `window.sql`.
"""

import re
import tempfile
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from workbench.lake.delta import DAY
from workbench.lake.errors import BadParameter, LakeError
from workbench.lake.schema import TABLES, Table

if TYPE_CHECKING:
    from workbench.lake.window import Window

# Called with every statement and its parameters before it is sent (tests, logging, "show me the SQL").
on_statement: Callable[[str, dict[str, Any]], None] | None = None

READS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI)  # MULTI: PIVOT
CATALOGUE = ("information_schema", "duckdb_", "pg_", "sqlite_", "query", "show")  # words of queries about all tables
FEW_TRACES = 200  # so many ids are written into the view, where bloom filters and row group bounds can use them


class Engine:
    """A private in-memory database whose views hold only the window. Threads may share it; they take turns."""

    def __init__(self, window: "Window") -> None:
        from workbench.lake.window import MARGIN_NS

        self._uri = window.lake.uri
        self._one_at_a_time = threading.Lock()  # a connection carries one result
        self._spill = tempfile.TemporaryDirectory(prefix="workbench-")  # DuckDB's default is the working directory
        self._connection = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "python_enable_replacements": "false",
                "temp_directory": self._spill.name,
            }
        )
        self._connection.execute("set enable_progress_bar = false")
        self._connection.execute("set timezone = 'UTC'")
        if window.trace_ids is not None and len(window.trace_ids) > FEW_TRACES:
            self._connection.register("chosen_traces", pa.table({"trace_id": pa.array(window.trace_ids, pa.string())}))
        self._window = weakref.ref(window)  # the window holds its engine: a circle would delay the clean-up
        self._views = {name: (table, 0) for name, table in TABLES.items()}
        self._views["spans_around"] = (TABLES["spans"], MARGIN_NS)
        self._waiting = dict(self._views)  # a view costs milliseconds, a query needs one or two
        opened: set[str] = set()
        if "://" not in self._uri:
            for table, margin_ns in self._views.values():
                opened |= set(window.files(table.name, margin_ns=margin_ns))
        self._connection.execute(f"set allowed_paths = [{', '.join(map(literal, sorted(opened)))}]")
        self._connection.execute("set enable_external_access = false")
        self._connection.execute("set lock_configuration = true")

    def _make_views(self, query: str) -> None:
        """Create the views that a query names; where it names none, or looks at the catalogue, all."""
        words = set(re.findall(r"\w+", query.lower()))
        named = words & self._views.keys()
        if not named or any(word.startswith(CATALOGUE) for word in words):
            named = set(self._views)
        window = self._window()
        if window is None:
            raise LakeError("the window is gone", self._uri, "keep it for as long as you ask it")
        for name in [name for name in self._waiting if name in named]:
            table, margin_ns = self._waiting[name]
            self._view(window, table, name, margin_ns)
            del self._waiting[name]

    def _view(self, window: "Window", table: Table, view: str, margin_ns: int) -> None:
        """Create one view."""
        files = window.files(table.name, margin_ns=margin_ns)
        columns = ", ".join(f'"{name}"' for name in [*table.schema.names, DAY.name])
        self._connection.register(f"empty_{view}", table.schema.append(DAY).empty_table())
        stored_elsewhere = "://" in self._uri
        if not files:
            source = f'"empty_{view}"'
        elif stored_elsewhere:
            source = f'"files_{view}"'
            self._connection.register(f"files_{view}", window.dataset(table.name))
        else:
            mixed = window.mixed(table.name)
            listed = ", ".join(map(literal, files))
            source = (
                f"read_parquet([{listed}], hive_partitioning=true, hive_types={{'day': DATE}}, union_by_name={mixed})"
            )
            if mixed:  # the empty table has every column; what a file lacks is NULL
                source = f'(select * from "empty_{view}" union all by name select * from {source})'  # noqa: S608
        where = " and ".join(["true", *_conditions(window, table, margin_ns)])
        self._connection.execute(f'create view "{view}" as select {columns} from {source} where {where}')  # noqa: S608

    def arrow(self, query: str, parameters: dict[str, Any]) -> pa.Table:
        """One query's result as Arrow."""
        if on_statement is not None:
            on_statement(query, parameters)
        try:
            with self._one_at_a_time:
                statements = self._connection.extract_statements(query)
                if len(statements) != 1 or statements[0].type not in READS:
                    remedy = "give one select; a window changes nothing, `workbench export` writes files"
                    raise BadParameter("the query is not one statement that reads", self._uri, remedy)
                self._make_views(query)
                return self._connection.sql(query, params=parameters or None).to_arrow_table()
        except duckdb.OutOfMemoryException as error:
            remedy = "ask for fewer columns, a shorter window, or aggregate in the query"
            raise LakeError(f"the query needs more memory: {error}", self._uri, remedy) from error
        except duckdb.Error as error:
            if self._uri in str(error) and self._uri not in query:  # not the query's fault: a file of the window's own
                raise _gone(error, self._uri) from error
            remedy = "`describe spans` lists the columns"
            if isinstance(error, duckdb.PermissionException):
                remedy = "a window reads its own tables; read other files with Polars and join the frames"
            raise BadParameter(f"the query is refused: {error}", self._uri, remedy) from error


def _conditions(window: "Window", table: Table, margin_ns: int) -> list[str]:
    low, high = window.limits(table.name, margin_ns=margin_ns)
    conditions = []
    if low is not None:
        conditions.append(f"{table.time} >= {low}")
    if high is not None:
        conditions.append(f"{table.time} < {high}")
    if window.trace_ids is not None and "trace_id" in table.schema.names:
        if len(window.trace_ids) > FEW_TRACES:
            conditions.append("trace_id in (select trace_id from chosen_traces)")
        else:
            conditions.append(f"trace_id in ({', '.join(map(literal, window.trace_ids)) or 'null'})")
    return conditions


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def _gone(error: duckdb.Error, uri: str) -> LakeError:
    first = str(error).splitlines()[0]
    return LakeError(
        f"files of the pinned versions cannot be read: {first}",
        uri,
        "open the window again, or workbench maintain verify",
    )
