"""Data that breaks the rules is repaired and counted, or refused; good data beside it is not touched."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from workbench.formats.otlp import decode, encode, json_to_protobuf, validate
from workbench.formats.otlp.decoding import TABLE_OF
from workbench.formats.otlp.requests import REQUESTS
from workbench.lake import BadInput

NOW = 1_790_000_000_000_000_000
MOST = 2**64 - 1


def pair(key, text="x"):
    return KeyValue(key=key, value=AnyValue(string_value=text))


def span_request():
    """A request with one span that has everything once."""
    made = REQUESTS["traces"]()
    group = made.resource_spans.add()
    group.resource.SetInParent()
    span = group.scope_spans.add().spans.add(start_time_unix_nano=NOW, end_time_unix_nano=NOW + 1)
    span.events.add(time_unix_nano=NOW)
    span.links.add()
    return made, group, span


def row_of(made, signal="traces"):
    decoded = decode(signal, [made.SerializeToString()], NOW)
    assert decoded.refused == []
    (row,) = decoded.tables[TABLE_OF[signal]].to_pylist()
    return row, decoded.repaired


@pytest.mark.parametrize("level", ["resource", "scope", "span", "event", "link", "nested"])
def test_the_last_of_repeated_keys_wins_at_every_level_and_is_counted(level):
    made, group, span = span_request()
    if level == "nested":
        inner = span.attributes.add(key="map").value.kvlist_value.values
        inner.extend([pair("k", "first"), pair("k", "last")])
    else:
        scope = group.scope_spans[0].scope
        owner = {
            "resource": group.resource,
            "scope": scope,
            "span": span,
            "event": span.events[0],
            "link": span.links[0],
        }[level]
        owner.attributes.extend([pair("k", "first"), pair("other"), pair("k", "last")])
    row, repaired = row_of(made)
    found = {
        "resource": row["resource_attributes"],
        "scope": row["scope_attributes"],
        "span": row["attributes"],
        "event": row["events"][0]["attributes"],
        "link": row["links"][0]["attributes"],
        "nested": row["attributes"],
    }[level]
    expected = [("map", '{"k":"last"}')] if level == "nested" else [("other", "x"), ("k", "last")]
    assert found == expected
    assert (row["repairs"], repaired) == ("repeated_keys", {"repeated_keys": 1})


@pytest.mark.parametrize("place", ["start", "end", "event"])
def test_times_beyond_what_a_table_holds_become_zero_and_are_counted(place):
    made, _, span = span_request()
    if place == "event":
        span.events[0].time_unix_nano = MOST
    else:
        setattr(span, f"{place}_time_unix_nano", MOST)
    row, repaired = row_of(made)
    values = {
        "start": row["start_time_unix_nano"],
        "end": row["end_time_unix_nano"],
        "event": row["events"][0]["time_unix_nano"],
    }
    assert values[place] == 0
    assert (row["repairs"], repaired) == ("time_overflow", {"time_overflow": 1})


def test_counts_beyond_what_a_table_holds_become_the_largest_and_are_counted():
    made = REQUESTS["metrics"]()
    points = made.resource_metrics.add().scope_metrics.add().metrics.add(name="m").histogram.data_points
    points.add(time_unix_nano=NOW, count=MOST, bucket_counts=[1, MOST])
    row, repaired = row_of(made, "metrics")
    assert (row["count"], row["bucket_counts"]) == (2**63 - 1, [1, 2**63 - 1])
    assert repaired == {"count_overflow": 1}


def test_unknown_enumeration_numbers_stay_readable_and_go_back():
    made, _, span = span_request()
    span.kind, span.status.code = 77, -3
    decoded = decode("traces", [made.SerializeToString()], NOW)
    (row,) = decoded.tables["spans"].to_pylist()
    assert (row["kind"], row["status_code"]) == ("kind_77", "status_-3")
    (payload,) = encode("traces", decoded.tables["spans"])
    back = REQUESTS["traces"].FromString(payload).resource_spans[0].scope_spans[0].spans[0]
    assert (back.kind, back.status.code) == (77, -3)


@pytest.mark.parametrize("length", [0, 1, 7, 15, 16, 17])
def test_ids_of_any_length_stay_what_they_are(length):
    made, _, span = span_request()
    span.trace_id = bytes(range(length))
    row, repaired = row_of(made)
    assert row["trace_id"] == bytes(range(length)).hex()
    assert repaired == {}


def test_a_span_that_ends_before_it_starts_keeps_both_times():
    made, _, span = span_request()
    span.end_time_unix_nano = NOW - 5
    row, _ = row_of(made)
    assert row["duration_ns"] == -5


def test_a_log_without_a_time_has_the_time_it_was_observed_or_arrived():
    made = REQUESTS["logs"]()
    records = made.resource_logs.add().scope_logs.add().log_records
    records.add(observed_time_unix_nano=NOW - 9)
    records.add()
    decoded = decode("logs", [made.SerializeToString()], NOW)
    rows = decoded.tables["logs"].to_pylist()
    assert [(row["time_unix_nano"], row["repairs"]) for row in rows] == [
        (NOW - 9, "time_from_observed"),
        (NOW, "time_from_receipt"),
    ]


@pytest.mark.parametrize("depth", [60, 200])
def test_values_nested_too_deep_are_kept_as_the_bytes_that_came(depth):
    deep = b"\x0a\x01x"  # AnyValue with a text
    for _ in range(depth):
        array = b"\x0a" + size(deep) + deep
        deep = b"\x2a" + size(array) + array
    attribute = b"\x0a\x01k\x12" + size(deep) + deep
    payload = b"\x4a" + size(attribute) + attribute
    for tag in (b"\x12", b"\x12", b"\x0a"):
        payload = tag + size(payload) + payload
    with pytest.raises(BadInput):
        validate("traces", payload)
    decoded = decode("traces", [payload], NOW)
    (row,) = decoded.tables["spans"].to_pylist()
    assert (row["attribute_types"], row["repairs"]) == ("y", "undecodable_value")
    assert decoded.repaired["undecodable_value"] == 1


def size(data):
    head, left = bytearray(), len(data)
    while left > 0x7F:
        head.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*head, left])


@pytest.mark.parametrize("bad", [b"\xff", b"\x0a\x05\x12", b"\x0a\x04\x12\x02\x1a\x01", b"\x0a\x03\x1a\x01\xff"])
def test_one_bad_payload_among_good_ones_costs_only_itself(bad):
    good = span_request()[0].SerializeToString()
    decoded = decode("traces", [good, bad, good], NOW)
    assert [position for position, _ in decoded.refused] == [1]
    assert len(decoded.tables["spans"]) == 2


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=40), st.sampled_from(["traces", "logs", "metrics", "profiles"]))
def test_random_bytes_are_refused_or_decoded_and_never_raise(payload, signal):
    decoded = decode(signal, [payload], NOW)
    assert len(decoded.refused) <= 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1]", "not a JSON object"),
        ("{", "Expecting"),
        ('{"resourceSpans": 1}', "in resourceSpans: 1 is no array"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}', "'xyz' is no hexadecimal text"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "1.5"}]}]}]}', "1.5 is no integer"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": -1}]}]}]}', "in startTimeUnixNano"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": 5}]}]}]}', "in name: 5 is no text"),
    ],
)
def test_json_that_is_no_request_is_refused_with_the_place(text, reason):
    with pytest.raises(BadInput) as refused:
        json_to_protobuf("traces", text.encode())
    assert reason in refused.value.what


def test_json_takes_numbers_and_texts_names_and_nulls_and_ignores_what_it_does_not_know():
    text = """{"future": 1, "resourceSpans": [{"scopeSpans": [{"spans": [
      {"traceId": "AB", "kind": "SPAN_KIND_SERVER", "startTimeUnixNano": "12", "endTimeUnixNano": 13, "name": null,
       "attributes": [{"key": "n", "value": {"intValue": "-5"}},
                      {"key": "d", "value": {"doubleValue": "NaN"}}]}]}]}]}"""
    made = REQUESTS["traces"].FromString(json_to_protobuf("traces", text.encode()))
    span = made.resource_spans[0].scope_spans[0].spans[0]
    assert (span.trace_id, span.kind, span.start_time_unix_nano, span.end_time_unix_nano) == (b"\xab", 2, 12, 13)
    assert span.attributes[0].value.int_value == -5
    assert span.attributes[1].value.double_value != span.attributes[1].value.double_value
