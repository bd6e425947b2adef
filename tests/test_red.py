"""`wb.red`: rate, errors and duration over time."""

import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from tests.literals import spans
from workbench.lake import BadParameter, EmptyWindow
from workbench.metrics.red import MINUTE, SECOND, round_step

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SHOP = spans("""
    web     GET /      1s..1.04s  server
      web   GET        1s..1.03s  client error

    web     GET /cart  3s..3.02s  server error

    web     GET /     21s..22s    server

    mail    send      25s..25.5s  consumer
      mail  internal  25s..25.1s
""")


def at(seconds: int) -> datetime.datetime:
    return START + datetime.timedelta(seconds=seconds)


def test_a_request_counts_in_the_bucket_in_which_it_starts(window_of):
    found = wb.red(window_of(SHOP, start=0, end=30 * SECOND), step="10s")
    columns = ["bucket_start", "service_name", "seconds", "calls", "rate_per_second", "errors", "error_ratio"]
    assert found.select(columns).rows() == [
        (at(0), "mail", 10.0, 0, 0.0, 0, None),
        (at(10), "mail", 10.0, 0, 0.0, 0, None),
        (at(20), "mail", 10.0, 1, 0.1, 0, 0.0),
        (at(0), "web", 10.0, 2, 0.2, 1, 0.5),
        (at(10), "web", 10.0, 0, 0.0, 0, None),
        (at(20), "web", 10.0, 1, 0.1, 0, 0.0),
    ]


def test_an_empty_bucket_has_no_latency(window_of):
    found = wb.red(window_of(SHOP, start=0, end=30 * SECOND), step="10s", service="web")
    assert found["p50_ms"].to_list() == [20.0, None, 1000.0]
    assert found["p99_ms"].to_list() == [40.0, None, 1000.0]


def test_the_rate_of_a_bucket_at_the_edge_is_that_of_the_part_inside(window_of):
    found = wb.red(window_of(SHOP, start=1 * SECOND, end=21_500_000_000), step="10s", service="web")
    assert found["bucket_start"].to_list() == [at(0), at(10), at(20)]
    assert found["seconds"].to_list() == [9.0, 10.0, 1.5]
    assert found["rate_per_second"].to_list() == [2 / 9, 0.0, 1 / 1.5]


def test_by_operation_every_name_and_kind_is_a_line(window_of):
    found = wb.red(window_of(SHOP, start=0, end=30 * SECOND), by="operation", step="30s")
    assert found.select("service_name", "operation", "kind", "calls", "errors").rows() == [
        ("mail", "send", "consumer", 1, 0),
        ("web", "GET /", "server", 2, 0),
        ("web", "GET /cart", "server", 1, 1),
    ]


def test_of_an_open_window_the_data_says_where_it_begins_and_ends(window_of):
    found = wb.red(window_of(SHOP), step="1m")
    assert found["bucket_start"].unique().to_list() == [at(0)]
    assert found["seconds"].to_list() == [pytest.approx(24.0), pytest.approx(24.0)]


def test_nothing_asked_of_nothing_is_an_empty_answer_with_the_same_columns(window_of):
    empty = wb.red(window_of())
    assert empty.is_empty()
    assert empty.schema == wb.red(window_of(SHOP)).schema
    assert wb.red(window_of(), by="operation").schema == wb.red(window_of(SHOP), by="operation").schema


def test_an_unknown_service_gives_no_rows_and_the_near_names(window_of):
    with pytest.warns(EmptyWindow, match="did you mean web"):
        assert wb.red(window_of(SHOP), service="wbe").is_empty()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"by": "route"}, "by='route'"),
        ({"step": "0s"}, "too short"),
        ({"step": "1us"}, "too short"),
        ({"step": "soon"}, "not a duration"),
        ({"step": -1}, "too short"),
        ({"buckets": 0}, "buckets=0"),
    ],
)
def test_options_that_cannot_be_used_are_refused(window_of, options, what):
    with pytest.raises(BadParameter, match=what):
        wb.red(window_of(SHOP), **options)


def test_too_many_buckets_are_refused_before_they_are_made(window_of):
    window = window_of(SHOP, start=0, end=86_400 * SECOND)
    with pytest.raises(BadParameter, match="too many"):
        wb.red(window, step="1ms")


@pytest.mark.parametrize(
    ("length", "buckets", "step"),
    [
        (60 * MINUTE, 60, MINUTE),
        (60 * MINUTE + 1, 60, 2 * MINUTE),
        (0, 60, SECOND),
        (24 * 60 * MINUTE, 60, 30 * MINUTE),
        (365 * 24 * 60 * MINUTE, 60, 7 * 24 * 60 * MINUTE),
    ],
)
def test_automatic_steps_are_round(length, buckets, step):
    assert round_step(length, buckets) == step


@given(st.integers(0, 10**19), st.integers(1, 500))
def test_automatic_steps_never_give_more_buckets_than_wanted(length, buckets):
    assert round_step(length, buckets) * buckets >= length


@pytest.mark.parametrize("step", ["1s", "7s", "10s", "1m"])
def test_whatever_the_step_the_sums_are_those_of_the_services(window_of, step):
    window = window_of(SHOP)
    found = wb.red(window, step=step).group_by("service_name").agg(pl.col("calls", "errors").sum()).sort("service_name")
    whole = wb.services(window).select("service_name", pl.col("requests").alias("calls"), "errors")
    assert found.rows() == whole.rows()
    by_operation = wb.red(window, step=step, by="operation")
    assert by_operation["calls"].sum() == whole["calls"].sum()
