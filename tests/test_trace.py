"""`wb.trace`: one trace, whole, in the order of the call tree."""

import shutil
import tempfile

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.literals import spans
from workbench.lake import BadParameter, Lake, Writer

ONE = f"{1:032x}"
MS = 10**6
CART = spans("""
    web       GET /cart    0..90ms   server
      cart    load         5..85ms
        db    update      70..80ms   client
        db    select      10..30ms   client
        db    select      20..40ms   client error db.query.summary=select
""")


def shape(rows) -> list[tuple[int, str, str]]:
    return list(rows.select("depth", "service_name", "name").rows())


def test_spans_come_in_the_order_of_the_call_tree(window_of):
    found = wb.trace(window_of(CART), ONE)
    assert shape(found) == [
        (0, "web", "GET /cart"),
        (1, "cart", "load"),
        (2, "db", "select"),
        (2, "db", "select"),
        (2, "db", "update"),
    ]
    assert found["position"].to_list() == [0, 1, 2, 3, 4]
    assert found["parent_position"].to_list() == [None, 0, 1, 1, 1]
    assert found["offset_ns"].to_list() == [0, 5 * MS, 10 * MS, 20 * MS, 70 * MS]


def test_self_time_leaves_out_the_union_of_the_children(window_of):
    found = wb.trace(window_of(CART), ONE)
    # load runs 80 ms; its children cover 10..40 (two overlap) and 70..80
    assert found["self_ns"].to_list() == [10 * MS, 40 * MS, 20 * MS, 20 * MS, 10 * MS]


def test_a_child_counts_only_where_its_parent_runs(window_of):
    rows = spans("""
        web     GET /      10..50ms  server
          web   early       0..20ms
          web   late       45..99ms
          web   after      60..70ms
          web   covering   12..14ms
    """)
    found = wb.trace(window_of(rows), ONE).filter(name="GET /")
    assert found["self_ns"].item() == 25 * MS  # 20..45


def test_every_column_of_the_lake_is_there(window_of):
    window = window_of(CART)
    found = wb.trace(window, ONE)
    stored = [name for name in window.sql("select * from spans limit 0").columns if name != "day"]
    assert set(stored) <= set(found.columns)
    assert found["attributes"].to_list()[3] == {"db.query.summary": "select"}


def test_an_unknown_id_gives_no_rows_and_the_same_columns(window_of):
    window = window_of(CART)
    found = wb.trace(window, "f" * 32)
    assert found.is_empty()
    assert found.schema == wb.trace(window, ONE).schema
    assert wb.trace(window_of(), ONE).schema == found.schema


def test_the_first_digits_are_enough_where_they_tell_the_trace(window_of):
    window = window_of(
        spans("a  x  0..1ms trace=ab01"), spans("a  y  0..1ms trace=ab02"), spans("a  z  0..1ms trace=cd")
    )
    assert wb.trace(window, "AB02")["name"].to_list() == ["y"]
    assert wb.trace(window, "c")["name"].to_list() == ["z"]
    with pytest.raises(BadParameter, match="several traces begin with ab") as error:
        wb.trace(window, "ab")
    assert error.value.remedy == "give more digits: ab01, ab02"


@pytest.mark.parametrize("text", ["", "GET /cart", "xyz", "0" * 33, "%"])
def test_what_is_no_id_is_refused(window_of, text):
    with pytest.raises(BadParameter, match="is no trace id"):
        wb.trace(window_of(CART), text)


def test_the_trace_is_whole_also_beyond_the_edge_of_the_window(window_of):
    rows = spans("""
        web      GET /     -10s..20s  server
          cart   load        0..1s
            db   select     15..16s   client
    """)
    window = window_of(rows, start=0, end=10 * 10**9)
    assert window.sql("select count(*) as n from spans")["n"].item() == 1
    assert wb.trace(window, ONE)["name"].to_list() == ["GET /", "load", "select"]


def test_orphans_are_roots_that_say_so(window_of):
    rows = spans("""
        web      GET /     0..9ms
        cart     load      2..8ms  parent=dead
          db     select    3..4ms
        web      POST /    1..2ms  parent=self id=self
    """)
    found = wb.trace(window_of(rows), ONE)
    assert shape(found) == [(0, "web", "GET /"), (0, "web", "POST /"), (0, "cart", "load"), (1, "db", "select")]
    assert found.filter("orphan")["name"].to_list() == ["load"]
    assert not found["unreachable"].any()


def test_a_cycle_of_parents_ends_and_is_reported(window_of):
    rows = spans("""
        web    GET /     0..9ms
        a      one       1..2ms  id=a1 parent=a2
        b      two       2..3ms  id=a2 parent=a1
          c    below     3..4ms
    """)
    found = wb.trace(window_of(rows), ONE)
    assert found.select("name", "unreachable").rows() == [
        ("GET /", False),
        ("one", True),
        ("two", True),
        ("below", True),
    ]


def test_a_span_sent_twice_is_shown_once(window_of):
    assert shape(wb.trace(window_of(CART, CART), ONE)) == shape(wb.trace(window_of(CART), ONE))


def test_children_stay_with_the_first_of_two_spans_with_one_id(window_of):
    rows = spans("""
        web      first     0..9ms  id=same
        web      second    1..8ms  id=same
        db       child     2..3ms  parent=same
    """)
    found = wb.trace(window_of(rows), ONE)
    assert shape(found) == [(0, "web", "first"), (1, "db", "child"), (0, "web", "second")]
    assert found.filter("repeated_id")["name"].to_list() == ["second"]


def test_a_server_with_its_clients_id_is_below_it_and_has_its_children(window_of):
    rows = spans("""
        web      call      0..9ms  client id=same
        cart     serve     1..8ms  server id=same
        db       select    2..3ms  client parent=same
    """)
    assert shape(wb.trace(window_of(rows), ONE)) == [(0, "web", "call"), (1, "cart", "serve"), (2, "db", "select")]


def test_a_span_without_a_start_is_placed_at_its_parents(window_of):
    rows = spans("""
        web      GET /      5..9ms
          db     select     6..7ms
    """)
    start = pc.if_else(pc.equal(rows["name"], "select"), 0, rows["start_time_unix_nano"])
    rows = rows.set_column(rows.schema.get_field_index("start_time_unix_nano"), "start_time_unix_nano", start)
    found = wb.trace(window_of(rows), ONE)
    assert found.select("name", "offset_ns").rows() == [("GET /", 0), ("select", 0)]


def test_a_chain_deeper_than_pythons_stack_is_walked(window_of):
    count = 5_000
    rows = pa.table(
        {
            "start_time_unix_nano": range(1, count + 1),
            "end_time_unix_nano": range(2 * count, count, -1),
            "duration_ns": [2 * count - 2 * n - 1 for n in range(count)],
            "trace_id": [ONE] * count,
            "span_id": [f"{n:016x}" for n in range(1, count + 1)],
            "parent_span_id": ["", *(f"{n:016x}" for n in range(1, count))],
        }
    )
    found = wb.trace(window_of(rows), ONE)
    assert found["depth"].to_list() == list(range(count))
    assert found["self_ns"].sum() == found["duration_ns"][0]


# (parent, start, duration) of up to twelve spans; a parent may be absent (-1), later, or the span itself
LINKED = st.lists(st.tuples(st.integers(-1, 12), st.integers(1, 20), st.integers(0, 20)), min_size=1, max_size=12)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(traces=st.lists(LINKED, min_size=1, max_size=8))
def test_any_parents_give_every_span_once_and_sound_self_times(empty_lake, traces):
    rows = pa.Table.from_pylist(
        [
            {
                "start_time_unix_nano": start,
                "end_time_unix_nano": start + duration,
                "duration_ns": duration,
                "trace_id": f"{number:032x}",
                "span_id": f"s{n}",
                "parent_span_id": "" if parent < 0 else f"s{parent}",
            }
            for number, trace in enumerate(traces)
            for n, (parent, start, duration) in enumerate(trace)
        ]
    )
    with tempfile.TemporaryDirectory() as directory:
        lake = shutil.copytree(empty_lake, directory, dirs_exist_ok=True)
        Writer(lake).append({"spans": rows}, app_id="test", sequence=0)
        window = Lake(lake).whole()
        for number, trace in enumerate(traces):
            sound(wb.trace(window, f"{number:032x}"), len(trace))


def sound(found, count: int) -> None:
    assert sorted(found["span_id"]) == sorted(f"s{n}" for n in range(count))
    for row in found.iter_rows(named=True):
        assert 0 <= row["self_ns"] <= row["duration_ns"]
        if row["depth"]:
            parent = found.row(row["parent_position"], named=True)
            assert parent["position"] < row["position"]
            assert (parent["depth"], parent["span_id"]) == (row["depth"] - 1, row["parent_span_id"])
