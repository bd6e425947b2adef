"""What no client should send: refused with the reason, or kept and marked; the good ones around it are never harmed."""

import gzip
import json
import random
import socket

import grpc
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

import workbench as wb
from tests.otlp_clients import COMPRESSIONS, JSON, TABLES, Refusal, export, payload, post, request
from tests.receiver_process import receiver, services_in, wait_until

LIMIT = 64 << 20
HONEST_BYTES = 400 << 20  # of the receiving process, which holds requests of 64 MiB compressed and not, and no rows

GOOD = payload("traces", "good")
INVALID_UTF8 = GOOD.replace(b"GET", b"\xff\xfe\xfd")
BIG = "x" * 50_000_000
RANDOM = random.Random(7).randbytes(1000)


def length_delimited(number, content):
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def spans(content):
    """A traces request around the encoded fields of ScopeSpans."""
    return length_delimited(1, length_delimited(2, content))


REFUSED = {
    "truncated": GOOD[:-1],
    "random": RANDOM,
    "a number where a message belongs": b"\x0a\x02\x12\x7f",
    "invalid UTF-8": INVALID_UTF8,
}
REFUSED_JSON = {
    "no JSON": b"{",
    "an array": b"[]",
    "a number for a list": b'{"resourceSpans": 7}',
    "invalid UTF-8": b'{"resourceSpans": [{"schemaUrl": "\xff"}]}',
    "a bad id": b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}',
    "nested": b'{"resourceSpans":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bad")
    with receiver(directory / "lake", "--metrics-every", "never", "--body-seconds", "1") as it:
        yield it


@pytest.mark.parametrize("case", REFUSED)
def test_protobuf_that_does_not_parse_is_refused_with_400_and_invalid_argument(running, case):
    answer = post(running.http, "traces", REFUSED[case])
    assert (answer.status, answer.error[0]) == (400, 3)
    assert "not an OTLP traces request" in answer.error[1]
    assert "retry-after" not in answer.headers
    with pytest.raises(Refusal, match="not an OTLP traces request") as refusal:
        export(running.grpc, "traces", REFUSED[case])
    assert (refusal.value.code, refusal.value.status.code) == (grpc.StatusCode.INVALID_ARGUMENT, 3)


@pytest.mark.parametrize("signal", TABLES)
def test_a_request_of_another_signal_is_not_taken_for_this_one(running, signal):
    other = {"traces": "metrics", "logs": "traces", "metrics": "traces", "profiles": "traces"}[signal]
    assert post(running.http, signal, payload(other, "other")).status == 400


@pytest.mark.parametrize("case", REFUSED_JSON)
def test_json_that_does_not_parse_is_refused_with_a_status_in_json(running, case):
    answer = post(running.http, "traces", REFUSED_JSON[case], content_type=JSON)
    assert (answer.status, answer.headers["content-type"].split(";")[0], answer.error[0]) == (400, JSON, 3)
    assert json.loads(answer.body)["message"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_damaged_or_truncated_body_is_refused(running, encoding):
    compressed = COMPRESSIONS[encoding](GOOD)
    for body in (compressed[:-3], RANDOM, b""):
        assert (encoding, post(running.http, "traces", body, encoding=encoding).status) == (encoding, 400)


@pytest.mark.parametrize(
    "wrong", [{"content_type": "text/plain"}, {"encoding": "br"}, {"encoding": "gzip, gzip"}], ids=["type", "br", "two"]
)
def test_a_content_type_or_encoding_that_is_not_of_otlp_is_415(running, wrong):
    answer = post(running.http, "traces", GOOD, **wrong)
    assert answer.status == 415
    assert "x-protobuf" in answer.error[1] or "gzip" in answer.error[1]


def test_an_unknown_method_of_grpc_is_unimplemented(running):
    with grpc.insecure_channel(running.grpc) as channel, pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Import")(b"", timeout=10)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_body_over_the_limit_is_413_and_resource_exhausted(running):
    answer = post(running.http, "traces", b"\0" * (LIMIT + 1))
    assert (answer.status, answer.error[0]) == (413, 8)
    with pytest.raises(Refusal) as refusal:
        export(running.grpc, "traces", b"\0" * (LIMIT + 1))
    assert refusal.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED


BOMBS = {
    "zeros": b"\0" * (LIMIT * 2),
    "empty spans": spans(b"\x12\x00" * (LIMIT // 2 - 100)),
    "empty resources": b"\x0a\x00" * (LIMIT // 2 - 100),
    "few empty spans": spans(b"\x12\x00" * 900_000),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_gzip_bomb_is_refused_and_memory_stays_bounded(running, case):
    answer = post(running.http, "traces", gzip.compress(BOMBS[case], 1), encoding="gzip")
    assert (answer.status, answer.error[0]) == (413, 8)
    assert running.peak_bytes() < HONEST_BYTES


@pytest.mark.parametrize("case", ["zeros", "few empty spans"])
def test_so_is_one_that_comes_by_grpc(running, case):
    with pytest.raises(Refusal) as refusal:
        export(running.grpc, "traces", BOMBS[case], compression=grpc.Compression.Gzip)
    assert refusal.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert running.peak_bytes() < HONEST_BYTES


def test_a_large_json_bomb_is_refused(running):
    answer = post(running.http, "logs", b'{"resourceLogs":[' + b"{}," * (LIMIT // 4) + b"{}]}", content_type=JSON)
    assert (answer.status, answer.error[0]) == (413, 8)


def test_a_client_that_stops_half_way_is_told_and_forgotten(running):
    host, _, port = running.http.rpartition(":")
    head = f"POST /v1/traces HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-protobuf\r\n"
    head += f"Content-Length: {len(GOOD)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as silent:
        silent.sendall(head.encode() + GOOD[:10])
        answer = silent.recv(1000)
        assert b"503 Service Unavailable" in answer
        assert b"Retry-After" in answer
    with socket.create_connection((host, int(port)), timeout=10) as gone:
        gone.sendall(head.encode() + GOOD[:10])
    assert post(running.http, "traces", payload("traces", "after a client stopped")).status == 200


def test_a_grpc_client_that_gives_up_waiting_does_not_stop_the_others(running):
    large = request("traces", "impatient")
    large.resource_spans[0].scope_spans[0].spans[0].name = "x" * (8 << 20)
    with grpc.insecure_channel(running.grpc, [("grpc.max_send_message_length", -1)]) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        for milliseconds in (1, 5, 20, 50):
            with pytest.raises(grpc.RpcError):
                call(large.SerializeToString(), timeout=milliseconds / 10_000)
    assert export(running.grpc, "traces", payload("traces", "patient")) == b""


def nested(depth):
    """An AnyValue of arrays in arrays, encoded by hand: the library does not write deeper than it reads."""
    value = length_delimited(1, b"bottom")
    for _ in range(depth):
        value = length_delimited(5, length_delimited(1, value))
    return value


def with_attribute(service, value):
    span = length_delimited(9, length_delimited(1, b"deep") + length_delimited(2, value))
    resource = request("traces", service).resource_spans[0].resource.SerializeToString()
    return length_delimited(1, length_delimited(1, resource) + length_delimited(2, length_delimited(2, span)))


def changed(service, change):
    """A request with one span, changed."""
    made = request("traces", service)
    change(made.resource_spans[0].scope_spans[0].spans[0])
    return made.SerializeToString()


def repeat_keys(span):
    span.attributes.add(key="k").value.string_value = "first"
    span.attributes.add(key="k").value.int_value = 2


def set_ids(trace_id):
    def change(span):
        span.trace_id, span.span_id = trace_id, trace_id[:8]

    return change


def end_before_start(span):
    span.end_time_unix_nano = span.start_time_unix_nano - 5


def use_unknown_values(span):
    span.kind, span.status.code = 77, 9


IDS = {"zero ids": bytes(16), "odd ids": b"\x01\x02\x03", "no ids": b""}
FUTURE_FIELD = length_delimited(15, b"a field of the future")
KEPT = {
    "repeated keys": changed("repeated keys", repeat_keys),
    "40 deep": with_attribute("40 deep", nested(40)),
    "50 MB": changed("50 MB", lambda span: span.attributes.add(key="big").value.MergeFrom(AnyValue(string_value=BIG))),
    **{name: changed(name, set_ids(trace_id)) for name, trace_id in IDS.items()},
    "end before start": changed("end before start", end_before_start),
    "unknown": changed("unknown", use_unknown_values) + FUTURE_FIELD,
}
KEPT_JSON = {"unknown in JSON": payload("traces", "unknown in JSON", json=True)[:-1] + b', "future": {"a": [1]}}'}
AMONG = {"good before": 200, "random": 400, "good between": 200, "invalid UTF-8": 400, "good behind": 200}


@pytest.fixture(scope="module")
def kept(running):
    """The rows of what is odd and nevertheless taken, by service."""
    for body in KEPT.values():
        assert post(running.http, "traces", body).status == 200
    for body in KEPT_JSON.values():
        assert post(running.http, "traces", body, content_type=JSON).status == 200
    for name, status in AMONG.items():
        assert post(running.http, "traces", REFUSED.get(name) or payload("traces", name)).status == status
    services = {*KEPT, *KEPT_JSON, *(name for name, status in AMONG.items() if status == 200)}
    wait_until(lambda: services <= services_in(running.lake).keys())
    assert {services_in(running.lake)[service] for service in services} == {1}
    return {row["service_name"]: row for row in wb.open(running.lake).whole().sql("select * from spans").to_dicts()}


def test_one_bad_payload_among_good_ones_costs_only_itself(kept):
    assert {name for name, status in AMONG.items() if status == 200} <= kept.keys()


def test_the_last_of_repeated_keys_wins_and_the_row_says_so(kept):
    row = kept["repeated keys"]
    assert (dict(row["attributes"]), row["repairs"]) == ({"k": "2"}, "repeated_keys")


def test_an_attribute_nested_40_deep_is_kept_and_one_nested_200_deep_is_refused(running, kept):
    assert dict(kept["40 deep"]["attributes"]) == {"deep": "[" * 40 + '"bottom"' + "]" * 40}
    answer = post(running.http, "traces", with_attribute("200 deep", nested(200)))
    assert (answer.status, answer.error[0]) == (400, 3)
    value = '{"arrayValue":{"values":[' * 200 + '{"stringValue":"bottom"}' + "]}}" * 200
    body = '{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"deep","value":' + value + "}]}]}]}]}"
    assert post(running.http, "traces", body.encode(), content_type=JSON).status == 400


def test_an_attribute_of_50_megabytes_is_kept_whole(kept):
    assert dict(kept["50 MB"]["attributes"]) == {"big": BIG}


@pytest.mark.parametrize(("name", "trace_id"), IDS.items(), ids=IDS)
def test_ids_of_any_length_are_kept_as_they_are(kept, name, trace_id):
    assert (kept[name]["trace_id"], kept[name]["span_id"]) == (trace_id.hex(), trace_id[:8].hex())


def test_a_span_that_ends_before_it_starts_is_kept(kept):
    row = kept["end before start"]
    assert row["end_time_unix_nano"] == row["start_time_unix_nano"] - 5


def test_unknown_enumeration_values_and_fields_are_no_error(kept):
    assert (kept["unknown"]["kind"], kept["unknown"]["status_code"]) == ("kind_77", "status_9")
    assert kept["unknown in JSON"]["kind"] == "server"


def test_what_was_refused_is_counted_and_the_receiver_is_well(running):
    assert post(running.http, "traces", REFUSED["random"]).status == 400
    status, facts = running.healthz()
    assert (status, facts["trouble"], facts["quarantined"]) == (200, [], 0)
    counted = {(each["signal"], each["transport"], each["reason"]): each["requests"] for each in facts["refused"]}
    assert counted["traces", "http", "malformed"] >= 1
