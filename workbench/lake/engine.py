"""DuckDB over the files of one window: a view per table, nothing loaded from outside."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from workbench.lake.errors import BadParameter, LakeError
from workbench.lake.schema import TABLES, Table

if TYPE_CHECKING:
    from workbench.lake.window import Window

# Called with every statement and its parameters before it is sent (tests, logging, "show me the SQL").
on_statement: Callable[[str, dict[str, Any]], None] | None = None
_one_at_a_time = threading.Lock()


def connect(window: "Window") -> duckdb.DuckDBPyConnection:
    """A private in-memory database whose views hold only the window."""
    from workbench.lake.window import MARGIN_NS

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    connection.execute("set enable_progress_bar = false")
    connection.execute("set timezone = 'UTC'")
    if window.trace_ids is not None:
        connection.register("chosen_traces", pa.table({"trace_id": pa.array(window.trace_ids, pa.string())}))
    for name, table in TABLES.items():
        _view(connection, window, table, name, 0)
    _view(connection, window, TABLES["spans"], "spans_around", MARGIN_NS)
    return connection


def _view(connection: duckdb.DuckDBPyConnection, window: "Window", table: Table, view: str, margin_ns: int) -> None:
    low, high = window.from_unix_nano - margin_ns, min(2**63 - 1, window.to_unix_nano + margin_ns)
    files = window.files(table.name, margin_ns=margin_ns)
    if not files:
        empty = table.schema.append(pa.field("day", pa.date32())).empty_table()
        connection.register(f"empty_{view}", empty)
        connection.execute(f'create view "{view}" as select * from "empty_{view}"')
        return
    if "://" in window.lake.uri:
        source = f'"files_{view}"'
        connection.register(f"files_{view}", _dataset(window, table))
    else:
        quoted = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        source = f"read_parquet([{quoted}], hive_partitioning=true, union_by_name=false)"
    conditions = [f"{table.time} >= {low}", f"{table.time} < {high}"]
    if window.trace_ids is not None and "trace_id" in table.schema.names:
        conditions.append("trace_id in (select trace_id from chosen_traces)")
    where = " and ".join(conditions)
    statement = f'create view "{view}" as select * from {source} where {where}'  # noqa: S608 - all of it is ours
    try:
        connection.execute(statement)
    except duckdb.Error as error:
        raise _gone(error, window.lake.uri) from error


def _dataset(window: "Window", table: Table) -> Any:
    """The pinned table on an object store, read through `deltalake` (DuckDB would need an extension for it)."""
    from deltalake import DeltaTable

    return DeltaTable(f"{window.lake.uri}/{table.name}", version=window.versions[table.name]).to_pyarrow_dataset()


def _gone(error: duckdb.Error, uri: str) -> LakeError:
    first = str(error).splitlines()[0]
    return LakeError(f"files of the pinned versions cannot be read: {first}", uri, "open the window again")


def answer(connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any], uri: str) -> pa.Table:
    """One query's result as Arrow."""
    if on_statement is not None:
        on_statement(query, parameters)
    try:
        with _one_at_a_time:  # a connection carries one result; cursors would not see the registered tables
            relation = connection.sql(query, params=parameters or None)
            return pa.table({}) if relation is None else relation.to_arrow_table()
    except duckdb.IOException as error:
        raise _gone(error, uri) from error
    except duckdb.Error as error:
        raise BadParameter(f"the query is refused: {error}", uri, "`describe spans` lists the columns") from error
