"""Every way an OTLP request may come: four signals, gRPC and HTTP, protobuf and JSON, each compression."""

import itertools
import zlib

import grpc
import pytest

import workbench as wb
from tests.otlp_clients import COMPRESSIONS, JSON, PROTOBUF, TABLES, export, payload, post, request
from tests.receiver_process import receiver
from workbench.formats.otlp import protobuf_to_json

HTTP = [*itertools.product(TABLES, [PROTOBUF, JSON], COMPRESSIONS)]
GRPC = [*itertools.product(TABLES, ["NoCompression", "Gzip", "Deflate"])]


def service(*case):
    return " ".join(case)


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """All cases sent to one receiver: the answers, and the window of what is in its lake when it has ended."""
    answers = {}
    with receiver(tmp_path_factory.mktemp("protocols") / "lake", "--metrics-every", "never") as running:
        for signal, content_type, encoding in HTTP:
            case = (signal, content_type, encoding)
            body = COMPRESSIONS[encoding](payload(signal, service(*case), json=content_type == JSON))
            answers[case] = post(running.http, signal, body, content_type=content_type, encoding=encoding)
        for signal, name in GRPC:
            case, compression = (signal, name), getattr(grpc.Compression, name)
            answers[case] = export(running.grpc, signal, payload(signal, service(*case)), compression=compression)
        # RFC 9110's deflate has the header of zlib; some clients send it bare.
        bare = zlib.compressobj(wbits=-15)
        body = bare.compress(payload("traces", "bare deflate")) + bare.flush()
        answers["bare deflate"] = post(running.http, "traces", body, encoding="deflate")
        members = payload("traces", "two members")
        two = COMPRESSIONS["gzip"](members[:10]) + COMPRESSIONS["gzip"](members[10:])
        answers["two members"] = post(running.http, "traces", two, encoding="gzip")
        answers["charset"] = post(
            running.http, "traces", payload("traces", "charset", json=True), content_type=f"{JSON}; charset=utf-8"
        )
        # Large ones are parsed in another process.
        large = request("traces", "large")
        large.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="k").value.string_value = "x" * (3 << 20)
        answers["large"] = post(running.http, "traces", large.SerializeToString())
        large.resource_spans[0].resource.attributes[0].value.string_value = "large JSON"
        text = protobuf_to_json("traces", large.SerializeToString()).encode()
        answers["large JSON"] = post(running.http, "traces", text, content_type=JSON)
        for signal in TABLES:
            answers[f"empty {signal}"] = post(running.http, signal, b"")
            answers[f"empty {signal} in JSON"] = post(running.http, signal, b"{}", content_type=JSON)
            answers[f"empty {signal} in gRPC"] = export(running.grpc, signal, b"")
        running.stop()
    return answers, wb.open(running.lake).whole()


@pytest.fixture(scope="module")
def rows(sent):
    """How many rows of each table each service has."""
    _, window = sent
    return {
        (table, name): count
        for table in TABLES.values()
        for name, count in window.sql(f"select service_name, count(*) from {table} group by 1").rows()
    }


@pytest.mark.parametrize(("signal", "content_type", "encoding"), HTTP)
def test_http_takes_it_once_and_answers_in_the_same_encoding(sent, rows, signal, content_type, encoding):
    answer = sent[0][signal, content_type, encoding]
    assert (answer.status, answer.body) == (200, b"{}" if content_type == JSON else b"")
    assert answer.headers["content-type"].split(";")[0] == content_type
    assert rows[TABLES[signal], service(signal, content_type, encoding)] == 1


@pytest.mark.parametrize(("signal", "compression"), GRPC)
def test_grpc_takes_it_once_and_answers_with_an_empty_response(sent, rows, signal, compression):
    assert sent[0][signal, compression] == b""
    assert rows[TABLES[signal], service(signal, compression)] == 1


@pytest.mark.parametrize("case", ["bare deflate", "two members", "charset", "large", "large JSON"])
def test_unusual_requests_are_taken_as_well(sent, rows, case):
    assert sent[0][case].status == 200
    assert rows["spans", case] == 1


@pytest.mark.parametrize("signal", TABLES)
def test_an_empty_request_is_valid_and_leaves_nothing(sent, rows, signal):
    answers, _ = sent
    assert (answers[f"empty {signal}"].status, answers[f"empty {signal} in JSON"].status) == (200, 200)
    assert answers[f"empty {signal} in gRPC"] == b""
    assert (TABLES[signal], None) not in rows


def test_the_same_request_gives_the_same_row_however_it_came(sent):
    _, window = sent
    columns = "name, kind, duration_ns, status_code, trace_id, span_id"
    assert window.sql(f"select distinct {columns} from spans").rows() == [
        ("GET", "server", 10**6, "unset", b"0123456789abcdef".hex(), b"01234567".hex())
    ]
