"""Attributes are decoded once per distinct pair: the rows are the same, and a broken one costs its payload only."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import workbench as wb
from workbench.formats.otlp import decode
from workbench.lake import Writer
from workbench.lake.schema import SPANS


def request(*names: str, **attributes: str) -> bytes:
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for name in names:
        span = scope.spans.add(name=name, trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=10)
        for key, value in attributes.items():
            span.attributes.add(key=key).value.string_value = value
    return message.SerializeToString()


def test_packed_rows_are_the_same_rows():
    payloads = [request("a", "b", x="1", http_route="1"), request("c", x="1"), request("d")]
    plain = decode("traces", payloads, 7).tables["spans"]
    packed = decode("traces", payloads, 7, packed=True).tables["spans"]
    assert plain.schema == SPANS.schema
    assert packed.to_pylist() == plain.to_pylist()
    assert packed.cast(SPANS.schema).equals(plain)
    assert [row["attributes"] for row in packed.to_pylist()] == [
        [("x", "1"), ("http_route", "1")],
        [("x", "1"), ("http_route", "1")],
        [("x", "1")],
        [],
    ]


def test_an_attribute_that_is_none_costs_its_own_payload_only():
    whole = request("bad", key="value")
    broken = whole.replace(b"\x0a\x03key", b"\x0a\x7fkey")  # the key claims to be longer than the attribute
    assert broken != whole
    found = decode("traces", [request("a", key="value"), broken, request("b")], 7)
    assert found.tables["spans"]["name"].to_pylist() == ["a", "b"]
    assert [position for position, _ in found.refused] == [1]


def test_a_text_that_is_no_text_costs_its_own_payload_only():
    broken = request("bad", key="value").replace(b"value", b"val\xff\xff")
    found = decode("traces", [broken, request("a")], 7)
    assert found.tables["spans"]["name"].to_pylist() == ["a"]
    assert [position for position, _ in found.refused] == [0]


def test_packed_rows_of_two_days_lie_in_the_lake_as_they_came(tmp_path):
    day = 86_400 * 10**9
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for name, start in (("a", 20_000 * day), ("b", 20_001 * day), ("c", 20_000 * day + 1)):
        span = scope.spans.add(name=name, trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=start)
        span.attributes.add(key="http.route").value.string_value = f"/{name}"
        span.attributes.add(key="empty")
    rows = decode("traces", [message.SerializeToString()], 7, packed=True).tables
    assert Writer(tmp_path).append(rows, app_id="test", sequence=1) == {"spans": 3}
    window = wb.open(tmp_path).window(20_000 * day, 20_002 * day)
    found = window.sql("select name, http_route, attributes, attribute_types from spans order by name").to_arrow()
    assert found.to_pylist() == [
        {
            "name": name,
            "http_route": f"/{name}",
            "attributes": [("http.route", f"/{name}"), ("empty", None)],
            "attribute_types": "sn",
        }
        for name in "abc"
    ]
    assert len(list(tmp_path.glob("spans/day=*"))) == 2
