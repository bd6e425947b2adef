"""The service map in sentences: expected words from topologies written by hand."""

import polars as pl
import pytest

import workbench as wb
from workbench.topology.service_map import EDGES, NODES


def topology(edges: str, nodes: str = "") -> wb.Topology:
    """Edges as `source target protocol calls errors p50 p95`, one a line; `~` before a protocol: asynchronous.

    Nodes not named are services; others as `id kind root_calls orphan_calls unanswered_calls errors`.
    """
    rows = []
    for source, target, protocol, *figures in map(str.split, filter(str.strip, edges.splitlines())):
        calls, errors, p50, p95 = map(float, figures)
        rows.append(
            {"source": source, "target": target, "protocol": protocol.strip("~"), "asynchronous": protocol[0] == "~"}
            | {"calls": int(calls), "errors": int(errors), "error_ratio": errors / calls, "p50_ms": p50, "p95_ms": p95}
        )
    told = {line.split()[0]: line.split()[1:] for line in filter(str.strip, nodes.splitlines())}
    ids = sorted({each[end] for each in rows for end in ("source", "target")} | told.keys())
    known = []
    for name in ids:
        kind, *counts = told.get(name, ["service"])
        root, orphan, unanswered, errors = [*map(int, counts), *[0, 0, 0, None][len(counts) :]]
        known.append(
            {"id": name, "kind": kind, "name": name, "errors": errors}
            | {"root_calls": root, "orphan_calls": orphan, "unanswered_calls": unanswered}
        )
    missing = dict.fromkeys(NODES)
    return wb.Topology(
        pl.DataFrame([missing | row for row in known], schema=NODES),
        pl.DataFrame([dict.fromkeys(EDGES) | row for row in rows], schema=EDGES),
    )


SHOP = topology(
    """
    web      shop     http   1000  50  40  90
    web      search   http    500   0   9  20
    shop     stock    http    900   2   5   8
    shop     pay      http    400  50  30  70
    pay      pg       sql     400  49  20  60
    shop     orders   ~redis  300  48   1   1
    """,
    "pg database\norders queue",
)


def said(topology: wb.Topology) -> list[str]:
    return str(wb.map_findings(topology)).splitlines()


def test_what_is_on_the_map_is_counted():
    expected = "5 services, 1 database and 1 queue, joined by 6 connections that carried 3,500 calls."
    assert said(SHOP)[0] == expected


def test_the_busiest_connection_is_named_with_its_share():
    assert said(SHOP)[1] == "Busiest: web to shop, 1,000 calls, 29 % of all."


def test_errors_are_followed_from_the_first_caller_to_where_they_begin():
    sentence = said(SHOP)[2]
    assert sentence.startswith("Most errors: web to shop, 50 of 1,000 calls failed (5.0 %).")
    assert sentence.endswith("begin at database pg (called by pay; 49 of 400 calls failed).")


def test_what_the_most_errors_do_not_explain_is_told_unless_it_is_a_trifle():
    assert said(SHOP)[3].startswith("Also failing: shop to queue orders, 48 of 300 calls failed (16 %).")
    assert "stock" not in str(wb.map_findings(SHOP))
    assert len(said(SHOP)) == 5


def test_two_ways_to_one_origin_are_told_once():
    both = topology("web shop http 100 50 1 2\nweb shop grpc 100 20 1 2\nshop pay http 100 60 1 2")
    assert [sentence for sentence in said(both) if "fail" in sentence] == [said(both)[2]]


def test_a_queue_is_no_origin_of_its_senders_errors():
    only_queue = topology("web shop http 100 10 1 2\nshop orders ~redis 100 10 1 1", "orders queue")
    assert "They seem to begin in shop itself" in said(only_queue)[2]


def test_errors_that_only_the_caller_saw_are_told_from_errors_of_the_service():
    timeouts = topology("web similar http 100 10 900 1000", "similar service 0 0 0 1")
    assert said(timeouts)[2].endswith(
        "similar itself reports few of these: its callers stopped waiting (timeouts), "
        "or count an answer like 404 as failed."
    )
    own = topology("web similar http 100 10 900 1000", "similar service 0 0 0 10")
    assert said(own)[2].endswith("They seem to begin in similar itself: nothing it calls fails as often.")


def test_errors_in_a_circle_end():
    circle = topology("a b http 10 5 1 2\nb c http 10 5 1 2\nc a http 10 5 1 2")
    assert said(circle)[2].startswith("Most errors: ")


def test_no_errors_are_told_as_such():
    assert "No call failed." in said(topology("a b http 10 0 1 2"))


def test_the_slowest_is_told_with_what_it_may_wait_for():
    sentence = said(SHOP)[4]
    assert sentence.startswith("Slowest to answer: shop, called by web: half of the answers took 40 ms or more")
    assert sentence.endswith("Most of the wait may be for database pg, called by pay (5 % took 60 ms or more).")


def test_what_the_map_cannot_know_is_told():
    found = said(topology("a b http 10 0 1 2", "a service 7 3 0\nb service 0 0 2"))
    assert "The caller of 3 requests is not in the lake: not instrumented, or not sampled." in found
    assert "2 calls to services left no trace there: down, or not sampled." in found


def test_an_empty_map_names_the_remedy_and_the_table_keeps_its_columns():
    empty = wb.map_findings(topology(""))
    assert "The map is empty" in str(empty)
    assert "`last`" in str(empty)
    assert empty.table.schema == wb.map_findings(SHOP).table.schema


def test_services_without_calls_are_told_from_an_empty_map():
    assert "1 service, and no calls between them" in said(topology("", "a service 5 0 0"))[0]


def test_the_table_has_the_connections_spoken_of():
    rows = wb.map_findings(SHOP).table.select("role", "source", "target").rows()
    assert rows == [
        ("busiest", "web", "shop"),
        ("failing", "web", "shop"),
        ("origin", "pay", "pg"),
        ("failing", "shop", "orders"),
        ("slowest", "web", "shop"),
    ]


@pytest.mark.parametrize("name", ["<img/src=x>", "[a](javascript:x)", "**bold**", "`tick`", "a_b_c"])
def test_a_hostile_name_is_text_in_the_markdown(name):
    from markdown_it import MarkdownIt

    shown = wb.map_findings(topology(f"{name} b http 10 1 1 2"))._repr_mimebundle_()
    html = MarkdownIt("commonmark", {"html": True}).render(shown["text/markdown"])
    assert "<img" not in html
    assert "<a" not in html
    assert "<em>" not in html
    assert "<code>tick" not in html
    assert f"Busiest: {name} to b" in shown["text/plain"]
