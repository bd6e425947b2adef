"""Lakes of other versions: newer ones are refused, older ones get their columns, wrong ones are named."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from tests.literals import T0
from workbench.lake import Lake, LakeError, Writer
from workbench.lake.compact import compact
from workbench.lake.delta import StoredTable
from workbench.lake.schema import SPANS, TABLES, VERSION, conform
from workbench.lake.verify import verify

LATER = ("http_route", "thread_id", "events")  # columns that the older workbench of these tests does not declare
OLDER = replace(SPANS, schema=pa.schema([field for field in SPANS.schema if field.name not in LATER]))


@pytest.fixture
def lake(tmp_path: Path, empty_lake: Path) -> Path:
    return Path(shutil.copytree(empty_lake, tmp_path / "lake"))


@pytest.fixture
def older_lake(tmp_path: Path) -> Path:
    """A lake whose spans were made, and filled, before some columns were declared."""
    stored = StoredTable(str(tmp_path / "older"), OLDER, create=True)
    for sequence in range(2):
        stored.append(
            conform(pa.table({"start_time_unix_nano": [T0 + sequence], "name": ["old"]}), OLDER), "x", sequence
        )
    return tmp_path / "older"


def describe(lake: Path, text: str) -> None:
    DeltaTable(str(lake / "spans")).alter.set_table_description(text)


@pytest.mark.parametrize("act", [Writer, lambda lake: Lake(lake).whole(), compact])
def test_a_lake_of_a_newer_workbench_is_refused_for_reading_and_writing(lake, act):
    describe(lake, f"telemetry workbench, schema {VERSION + 1}")
    with pytest.raises(
        LakeError, match=f"the lake has schema {VERSION + 1}, this workbench knows {VERSION}"
    ) as refused:
        act(lake)
    assert "upgrade" in refused.value.remedy
    assert refused.value.where == str(lake / "spans")


@pytest.mark.parametrize("act", [Writer, lambda lake: Lake(lake).whole()])
def test_a_table_that_is_not_ours_is_refused(lake, act):
    describe(lake, "somebody's schema 1")
    with pytest.raises(LakeError, match="not a table of the workbench"):
        act(lake)


def test_an_older_lake_can_be_read_as_it_is_and_what_it_lacks_is_null(older_lake):
    before = sorted(older_lake.rglob("*"))
    asked = Lake(older_lake).whole()
    assert asked.mixed("spans")
    found = asked.sql("select name, http_route, thread_id, events, day from spans")
    assert found.drop("day").rows() == [("old", None, None, None)] * 2
    assert asked.scan("spans").collect().select("name", "http_route", "events").rows() == [("old", None, None)] * 2
    assert sorted(older_lake.rglob("*")) == before


def test_a_writer_adds_the_columns_and_old_and_new_files_are_read_together(older_lake):
    rows = pa.table({"start_time_unix_nano": [T0 + 9], "name": ["new"], "http_route": ["/cart"], "thread_id": [7]})
    assert Writer(older_lake).append({"spans": rows}, app_id="y", sequence=1) == {"spans": 1}
    assert not StoredTable(str(older_lake), SPANS, create=False).missing_columns()
    asked = Lake(older_lake).whole()
    query = "select name, http_route, thread_id from spans order by start_time_unix_nano"
    expected = [("old", None, None), ("old", None, None), ("new", "/cart", 7)]
    assert asked.sql(query).rows() == expected
    assert asked.sql("select name from spans where http_route = '/cart'").rows() == [("new",)]
    polars = asked.scan("spans").sort("start_time_unix_nano").select("name", "http_route", "thread_id").collect()
    assert polars.rows() == expected
    assert Writer(older_lake).committed("spans", "x") == 1, "and the sequences are still known"


def test_writers_that_open_an_older_lake_at_once_all_get_its_columns(older_lake):
    half_way, slow = (StoredTable(str(older_lake), SPANS, create=False) for _ in range(2))
    described = half_way.delta.metadata().description + ", columns added later"
    half_way.delta.alter.set_table_description(described)  # and the columns are still to come
    slow._add_columns()
    half_way._add_columns()
    assert (slow.missing_columns(), half_way.missing_columns()) == ([], [])
    assert half_way.delta.version() == slow.delta.version()


def test_compaction_of_mixed_files_fills_the_columns(older_lake):
    rows = pa.table({"start_time_unix_nano": [T0 + 9], "name": ["new"], "http_route": ["/cart"]})
    Writer(older_lake).append({"spans": rows}, app_id="y", sequence=1)
    assert compact(older_lake)["rows"].to_list() == [3]
    (file,) = DeltaTable(str(older_lake / "spans")).file_uris()
    assert pq.ParquetFile(file).schema_arrow.names == SPANS.schema.names
    assert Lake(older_lake).whole().sql("select http_route from spans order by 1").to_series().to_list() == [
        "/cart",
        None,
        None,
    ]
    assert verify(older_lake)["ok"].all()


def test_a_window_pinned_before_the_columns_came_still_answers(older_lake):
    asked = Lake(older_lake).whole()
    Writer(older_lake)
    assert asked.sql("select http_route from spans").height == 2


def test_a_fresh_lake_is_not_mixed_and_opening_it_again_commits_nothing(lake):
    Writer(lake)
    assert {name: DeltaTable(str(lake / name)).version() for name in TABLES} == dict.fromkeys(TABLES, 0)
    assert not Lake(lake).whole().mixed("spans")


def test_files_whose_columns_are_in_another_order_are_read_by_name(lake, monkeypatch):
    turned = replace(SPANS, schema=pa.schema(list(SPANS.schema)[::-1]))
    stored = StoredTable(str(lake), turned, create=False)
    stored.append(conform(pa.table({"start_time_unix_nano": [T0], "name": ["turned"]}), turned), "x", 1)
    Writer(lake).append({"spans": pa.table({"start_time_unix_nano": [T0], "name": ["a"]})}, app_id="y", sequence=1)
    assert sorted(Lake(lake).whole().sql("select name from spans")["name"]) == ["a", "turned"]


def test_columns_of_one_name_have_the_same_type_in_every_table():
    types: dict[str, set[str]] = {}
    for table in TABLES.values():
        for field in table.schema:
            types.setdefault(field.name, set()).add(str(field.type))
    assert {name: found for name, found in types.items() if len(found) > 1} == {
        "value": {"double", "int64"}  # of a metric point (`int_value` beside it), and of a profile sample
    }


def test_every_table_has_its_time_twice_and_says_when_rows_arrived():
    for table in TABLES.values():
        assert str(table.schema.field(table.time).type) == "int64"
        assert str(table.schema.field(table.timestamp).type) == "timestamp[us, tz=UTC]"
        assert "received_time_unix_nano" in table.schema.names
        assert {*table.statistics, *table.bloom, *table.unique} <= set(table.schema.names)
        assert {table.time, "received_time_unix_nano"} <= set(table.statistics)


def test_no_type_is_one_that_some_engine_lacks():
    def types(kind: pa.DataType) -> set[str]:
        if pa.types.is_map(kind):
            return types(kind.key_type) | types(kind.item_type)
        if pa.types.is_list(kind):
            return types(kind.value_type)
        if pa.types.is_struct(kind):
            return {name for field in kind for name in types(field.type)}
        return {str(kind)}

    used = {name for table in TABLES.values() for field in table.schema for name in types(field.type)}
    assert used <= {"string", "int64", "int32", "double", "bool", "binary", "timestamp[us, tz=UTC]"}


def test_conform_orders_columns_casts_them_and_fills_what_is_absent():
    rows = pa.table({"name": pa.array(["a"], pa.large_string()), "start_time_unix_nano": pa.array([5], pa.int32())})
    found = conform(rows, SPANS)
    assert found.schema == SPANS.schema
    assert (found["start_time_unix_nano"].to_pylist(), found["name"].to_pylist()) == ([5], ["a"])
    assert found["attributes"].null_count == 1
    assert conform(found, SPANS).equals(found)
