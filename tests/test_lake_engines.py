"""The same lake, read by DuckDB, Polars and ClickHouse's engine: the same rows, maps and nested columns included."""

import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.literals import T0, spans
from workbench.lake import Lake, Writer, conform
from workbench.lake.compact import compact
from workbench.lake.delta import StoredTable
from workbench.lake.schema import SPANS, TABLES

TREE = """
    web       GET /cart    0..90ms   server http_route=/cart http.route=/cart user.id=7
      cart    load         5..85ms
        db    select      10..20ms   client error db_system_name=postgresql
        db    select      30..40ms   client ok
"""


def nested() -> pa.Table:
    """One span that uses every nested column, with odd keys and values."""
    row = {
        "start_time_unix_nano": T0 + 5,
        "start_time": T0 // 1000,
        "trace_id": "f" * 32,
        "span_id": "f" * 16,
        "name": "ünïcode 'quoted' \\ \n line",
        "attributes": [("b", "1"), ("a", "x"), ("", "empty key"), ("ä", "é")],
        "attribute_types": "isss",
        "resource_attributes": [],
        "events": [
            {"time_unix_nano": T0, "name": "exception", "attributes": [("k", "v")], "attribute_types": "s"},
            {"time_unix_nano": T0 + 1, "name": "", "attributes": [], "attribute_types": ""},
        ],
        "links": [{"trace_id": "a" * 32, "span_id": "b" * 16, "flags": 1, "attributes": [("n", "2")]}],
    }
    return pa.Table.from_pylist([row], schema=SPANS.schema)


@pytest.fixture
def ask_clickhouse(lake, monkeypatch) -> Callable[[str], list[dict[str, Any]]]:
    """Rows of a query to ClickHouse's engine; `{spans}` stands for the table."""
    chdb = pytest.importorskip("chdb", reason="ClickHouse's engine is not installed: pip install chdb")
    monkeypatch.chdir(lake)  # the engine opens nothing outside the working directory

    def ask(query: str) -> list[dict[str, Any]]:
        answer = chdb.query(query.replace("{spans}", f"deltaLakeLocal('{lake}/spans')"), "JSONEachRow")
        return [json.loads(line) for line in answer.bytes().decode().splitlines()]

    return ask


@pytest.fixture
def lake(lake_of) -> Path:
    lake = lake_of(spans(TREE), nested(), spans(TREE, first_trace=3))
    metric = {
        "time_unix_nano": T0, "name": "latency", "bounds": [1.0, 2.5], "bucket_counts": [1, 2, 3], "value": None,
        "quantiles": [{"quantile": 0.5, "value": 1.0}], "attributes": [("route", "/")],
    }  # fmt: skip
    points = pa.Table.from_pylist([metric], schema=TABLES["metric_points"].schema)
    Writer(lake).append({"metric_points": points}, app_id="points", sequence=1)
    return lake


def plain(value: Any) -> Any:
    """Maps as sorted pairs, times as text: one form for what each engine calls by its own types."""
    if isinstance(value, dict):
        if set(value) == {"key", "value"}:
            return (value["key"], plain(value["value"]))
        return {key: plain(each) for key, each in sorted(value.items()) if each not in (None, [], {})}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat()
    return value


def duckdb_rows(lake: Path, table: str, columns: list[str], order: str) -> list[Any]:
    quoted = ", ".join(f'"{name}"' for name in columns)
    found = Lake(lake).whole().arrow(f"select {quoted} from {table} order by {order}")
    return [[plain(row[name]) for name in columns] for row in found.to_pylist()]


@pytest.mark.parametrize("compacted", [False, True])
def test_polars_reads_the_rows_that_duckdb_reads(lake, compacted):
    if compacted:
        compact(lake)
    for table, order in (("spans", "trace_id, span_id"), ("metric_points", "name")):
        columns = TABLES[table].schema.names
        by_window = Lake(lake).whole().scan(table).sort(order.split(", ")).collect()
        by_delta = pl.scan_delta(str(lake / table)).select(columns).sort(order.split(", ")).collect()
        expected = duckdb_rows(lake, table, columns, order)
        for frame in (by_window, by_delta):
            found = [[plain(row[name]) for name in columns] for row in frame.to_arrow().to_pylist()]
            assert found == expected


@pytest.mark.parametrize("compacted", [False, True])
def test_clickhouse_reads_the_rows_that_duckdb_reads(lake, ask_clickhouse, compacted):
    if compacted:
        compact(lake)
    simple = [field.name for field in SPANS.schema if pa.types.is_string(field.type) or pa.types.is_integer(field.type)]
    columns = [*simple, "attributes", "resource_attributes", "events", "links"]
    answer = ask_clickhouse(f"select {', '.join(columns)} from {{spans}} order by trace_id, span_id")
    numbers = {field.name for field in SPANS.schema if pa.types.is_integer(field.type)}
    expected = duckdb_rows(lake, "spans", columns, "trace_id, span_id")
    found = []
    for row in answer:
        values = []
        for name in columns:
            value = row[name]
            if name in numbers and value is not None:
                value = int(value)
            values.append(clickhouse(value) if name not in simple else value)
        found.append(values)
    assert [row[: len(simple)] for row in found] == [row[: len(simple)] for row in expected]
    assert [row[len(simple) :] for row in found] == [[clickhouse(v) for v in row[len(simple) :]] for row in expected]


def clickhouse(value: Any) -> Any:
    """ClickHouse's map is an object in JSON, its BIGINT a text there, and it knows no absent list or map."""
    if isinstance(value, list) and value and all(isinstance(each, list | tuple) and len(each) == 2 for each in value):
        return {key: clickhouse(each) for key, each in value}
    if isinstance(value, dict):
        kept = {key: clickhouse(each) for key, each in value.items()}
        return {key: each for key, each in sorted(kept.items()) if each not in (None, "")} or None
    if isinstance(value, list):
        return [clickhouse(each) for each in value] or None
    return None if value in (None, {}) else str(value)


def test_one_question_has_one_answer_in_all_engines(lake, ask_clickhouse):
    query = (
        "select service_name, count(*) as spans, sum(duration_ns) as ns from {spans} "
        "where attributes['http.route'] = '/cart' or status_code <> 'unset' group by service_name order by service_name"
    )
    duck = Lake(lake).whole().sql(query.format(spans="spans"))
    rows = [(row["service_name"], int(row["spans"]), int(row["ns"])) for row in duck.to_dicts()]
    assert rows == [("db", 4, 40_000_000), ("web", 2, 180_000_000)]
    asked = ask_clickhouse(query)
    assert [(row["service_name"], int(row["spans"]), int(row["ns"])) for row in asked] == rows
    has_route = pl.col("attributes").map.get("http.route") == "/cart"
    frame = Lake(lake).whole().scan("spans").filter(has_route | (pl.col("status_code") != "unset"))
    grouped = frame.group_by("service_name").agg(pl.len(), pl.col("duration_ns").sum()).sort("service_name").collect()
    assert grouped.rows() == rows


TEXTS = st.text(max_size=8)
MAPS = st.none() | st.lists(st.tuples(TEXTS, st.none() | TEXTS), max_size=3, unique_by=lambda pair: pair[0])
BIGINTS = st.integers(-(2**63), 2**63 - 1)
ROWS = st.fixed_dictionaries(
    {
        "start_time_unix_nano": st.integers(0, 2**63 - 1),
        "duration_ns": st.none() | BIGINTS,
        "thread_id": st.none() | BIGINTS,
        "name": st.none() | TEXTS,
        "attributes": MAPS,
        "attribute_types": st.none() | TEXTS,
        "events": st.none()
        | st.lists(
            st.fixed_dictionaries(
                {"time_unix_nano": BIGINTS, "name": TEXTS, "attributes": MAPS, "attribute_types": TEXTS}
            ),
            max_size=2,
        ),
    }
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, min_size=1, max_size=5))
def test_any_rows_come_back_as_they_were_written_also_after_compaction(tmp_path_factory, empty_lake, rows):
    lake = Path(shutil.copytree(empty_lake / "spans", tmp_path_factory.mktemp("any") / "lake/spans")).parent
    table = conform(pa.Table.from_pylist(rows, schema=pa.schema([SPANS.schema.field(name) for name in rows[0]])), SPANS)
    stored = StoredTable(str(lake), SPANS, create=False)
    assert stored.append(table, "x", 1) == len(rows)
    assert stored.append(table, "x", 2) == len(rows)
    expected = sorted(map(repr, table.to_pylist() * 2))
    for _ in range(2):
        window = Lake(lake).whole()
        assert sorted(map(repr, window.arrow("select * exclude day from spans").to_pylist())) == expected
        compact(lake)


def test_the_files_say_their_bounds_to_every_engine(lake):
    files = [pq.read_metadata(file) for file in Lake(lake).whole().files("spans")]
    for footer in files:
        columns = {footer.row_group(0).column(index).path_in_schema: index for index in range(footer.num_columns)}
        bounds = footer.row_group(0).column(columns["start_time_unix_nano"]).statistics
        assert bounds.has_min_max
