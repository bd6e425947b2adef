"""`wb.services`: which services are there, how busy, how slow, how faulty?"""

import datetime

import workbench as wb
from tests.literals import spans

NOON = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SHOP = spans("""
    web     GET /     0..40ms   server service_version=1.0 service_instance_id=w1
      web   GET      10..30ms   client error service_version=1.0 service_instance_id=w1
        cart  GET    12..28ms   server error service_namespace=shop host_name=h1 process_pid=7

    web     GET /    1s..1.02s  server error service_version=1.1 service_instance_id=w2

    cart    job      2s..2.5s   service_namespace=shop host_name=h1 process_pid=8
      cart  step     2s..2.1s
""")


def test_requests_are_server_spans_consumer_spans_and_roots(window_of):
    found = wb.services(window_of(SHOP))
    assert found.select("service_name", "spans", "error_spans", "requests", "errors", "error_ratio").rows() == [
        ("cart", 3, 1, 2, 1, 0.5),
        ("web", 3, 2, 2, 1, 0.5),
    ]


def test_latencies_are_those_of_the_requests(window_of):
    found = wb.services(window_of(SHOP))
    assert found.select("p50_ms", "p95_ms", "p99_ms").rows() == [(16.0, 500.0, 500.0), (20.0, 40.0, 40.0)]


def test_versions_namespaces_and_instances_are_told(window_of):
    found = wb.services(window_of(SHOP))
    assert found.select("namespaces", "versions", "instances").rows() == [("shop", None, 2), (None, "1.0, 1.1", 2)]


def test_first_and_last_seen_are_starts_of_spans(window_of):
    found = wb.services(window_of(SHOP)).filter(service_name="web")
    assert found["first_seen"].item() == NOON
    assert found["last_seen"].item() == NOON + datetime.timedelta(seconds=1)


def test_a_service_without_requests_has_no_error_ratio_and_no_latency(window_of):
    found = wb.services(window_of(spans("cart  step  0..9ms parent=dead")))
    assert found.select("requests", "errors", "error_ratio", "p50_ms").row(0) == (0, 0, None, None)


def test_only_what_starts_in_the_window_counts(window_of):
    found = wb.services(window_of(SHOP, start=10**9, end=2 * 10**9))
    assert found.select("service_name", "spans").rows() == [("web", 1)]


def test_spans_without_a_service_stand_under_a_name_that_says_so(window_of):
    rows = SHOP.slice(0, 2)
    names = rows.schema.get_field_index("service_name")
    rows = rows.set_column(names, rows.schema.field("service_name"), [[None, ""]])
    assert wb.services(window_of(rows))["service_name"].to_list() == ["empty-service-name", "missing-service-name"]


def test_an_empty_window_has_the_same_columns(window_of):
    empty = wb.services(window_of())
    assert empty.height == 0
    assert empty.schema == wb.services(window_of(SHOP)).schema
