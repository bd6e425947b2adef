"""`wb.operations`: what does a service do, and what does it cost?"""

import pytest

import workbench as wb
from tests.literals import spans
from workbench.lake import EmptyWindow

SHOP = spans("""
    web     GET /cart   0..40ms  server http_route=/cart
      web   GET        10..30ms  client

    web     GET /cart   0..20ms  server http_route=/cart error

    web     GET /        0..5ms  server

    mail    send        0..9ms   consumer
""")


def test_one_row_per_name_kind_and_route_dearest_first(window_of):
    found = wb.operations(window_of(SHOP))
    columns = ["service_name", "operation", "kind", "http_route", "calls", "errors", "error_ratio"]
    assert found.select(columns).rows() == [
        ("mail", "send", "consumer", None, 1, 0, 0.0),
        ("web", "GET /cart", "server", "/cart", 2, 1, 0.5),
        ("web", "GET", "client", None, 1, 0, 0.0),
        ("web", "GET /", "server", None, 1, 0, 0.0),
    ]


def test_times_are_sums_shares_and_nearest_rank_percentiles(window_of):
    found = wb.operations(window_of(SHOP), service="web")
    assert found["total_ms"].to_list() == [60.0, 20.0, 5.0]
    assert found["total_ratio"].to_list() == [60 / 85, 20 / 85, 5 / 85]
    assert found.select("p50_ms", "p95_ms", "p99_ms").row(0) == (20.0, 40.0, 40.0)


def test_the_shares_of_a_service_add_up_to_one_and_to_nothing_where_nothing_lasts(window_of):
    assert wb.operations(window_of(SHOP), service="web")["total_ratio"].sum() == pytest.approx(1)
    assert wb.operations(window_of(spans("a  b  0..0ms")))["total_ratio"].to_list() == [0.0]


def test_an_unknown_service_gives_no_rows_and_the_near_names(window_of):
    window = window_of(SHOP)
    with pytest.warns(EmptyWindow, match="no spans of service 'wed' in this window; did you mean web"):
        found = wb.operations(window, service="wed")
    assert found.is_empty()
    with pytest.warns(EmptyWindow, match="there are: mail, web"):
        assert wb.operations(window, service="zzzz").schema == found.schema


def test_in_an_empty_window_nobody_is_unknown(window_of):
    empty = wb.operations(window_of(), service="web")
    assert empty.is_empty()
    assert empty.schema == wb.operations(window_of(SHOP)).schema


def test_a_span_without_a_name_stands_under_a_name_that_says_so(window_of):
    rows = SHOP.slice(0, 1)
    rows = rows.set_column(rows.schema.get_field_index("name"), rows.schema.field("name"), [[""]])
    assert wb.operations(window_of(rows))["operation"].to_list() == ["empty-span-name"]
