"""TLS and a bearer token on both protocols; the token is read from a file or the environment and shown nowhere."""

import os
import ssl
import subprocess
import urllib.request
from pathlib import Path

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from collectors.otlp.options import TOKEN_VARIABLE, token_in
from tests.otlp_clients import JSON, METHOD_OF, Refusal, export, payload, post
from tests.receiver_process import failed_start, receiver, services_in, wait_until
from workbench.lake.errors import BadParameter

TOKEN = "s3cret"


def certificate(directory, name):
    """A self-signed certificate for this machine, and its key."""
    files = directory / f"{name}.pem", directory / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    directory = tmp_path_factory.mktemp("security")
    pem, key = certificate(directory, "own")
    (directory / "token").write_text(f"{TOKEN}\n")
    options = ["--tls-certificate", pem, "--tls-key", key, "--token-file", directory / "token"]
    with receiver(directory / "lake", "--metrics-every", "never", *map(str, options)) as it:
        it.certificate = pem
        yield it


@pytest.fixture
def trusted(running):
    return ssl.create_default_context(cafile=running.certificate)


def test_with_the_token_requests_are_taken_over_tls(running, trusted):
    assert post(running.http, "traces", payload("traces", "http"), token=TOKEN, tls=trusted).status == 200
    assert (
        export(
            running.grpc, "traces", payload("traces", "grpc"), token=TOKEN, certificate=running.certificate.read_bytes()
        )
        == b""
    )


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "é"])
def test_without_it_nothing_is_taken(running, trusted, token):
    answer = post(running.http, "traces", payload("traces", "bad"), token=token, tls=trusted)
    assert (answer.status, answer.headers["www-authenticate"], answer.error[0]) == (401, "Bearer", 16)
    assert post(running.http, "traces", b"{}", token=token, tls=trusted, content_type=JSON).status == 401
    if token.isascii():  # gRPC's clients send nothing else
        with pytest.raises(Refusal) as refusal:
            export(
                running.grpc,
                "traces",
                payload("traces", "bad"),
                token=token,
                certificate=running.certificate.read_bytes(),
            )
        assert refusal.value.code == grpc.StatusCode.UNAUTHENTICATED


def test_a_large_message_without_it_is_refused_before_it_is_read(running):
    credentials = grpc.ssl_channel_credentials(running.certificate.read_bytes())
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]  # a connection each
    before, body = running.peak_bytes(), bytes(60 << 20)
    channels = [grpc.secure_channel(running.grpc, credentials, options) for _ in range(6)]
    calls = [channel.unary_unary(METHOD_OF["traces"]).future(body, timeout=60) for channel in channels]
    assert {call.exception().code() for call in calls} == {grpc.StatusCode.UNAUTHENTICATED}
    for channel in channels:
        channel.close()
    assert running.peak_bytes() - before < 60 << 20


def test_without_tls_nothing_is_taken(running):
    with pytest.raises(OSError):
        post(running.http, "traces", payload("traces", "bad"), token=TOKEN)
    with grpc.insecure_channel(running.grpc) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError):
            call(payload("traces", "bad"), timeout=2, metadata=(("authorization", f"Bearer {TOKEN}"),))


def test_health_needs_no_token_and_tells_no_secret(running, trusted):
    with urllib.request.urlopen(f"https://{running.http}/healthz", context=trusted) as answer:
        assert answer.status == 200
        assert TOKEN not in answer.read().decode()


def test_the_official_exporters_get_in(running, monkeypatch):
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # they win over `certificate_file` in `requests`
        monkeypatch.delenv(variable, raising=False)
    headers = {"authorization": f"Bearer {TOKEN}"}
    credentials = grpc.ssl_channel_credentials(running.certificate.read_bytes())
    url = f"https://{running.http}/v1/traces"
    for exporter in (
        HttpExporter(url, headers=headers, certificate_file=str(running.certificate)),
        GrpcExporter(f"https://{running.grpc}", headers=headers, credentials=credentials),
    ):
        span = TracerProvider().get_tracer("t").start_span("official")
        span.end()
        assert exporter.export([span]) is SpanExportResult.SUCCESS
        exporter.shutdown()


def test_the_token_is_on_no_command_line_and_in_no_log(running):
    assert TOKEN not in Path(f"/proc/{running.process.pid}/cmdline").read_text()
    assert TOKEN not in running.log.read_text()


def test_only_what_had_the_token_is_in_the_lake(running, trusted):
    assert post(running.http, "traces", payload("traces", "intruder"), tls=trusted).status == 401
    assert post(running.http, "traces", payload("traces", "invited"), token=TOKEN, tls=trusted).status == 200

    wait_until(lambda: "invited" in services_in(running.lake))
    assert not services_in(running.lake).keys() & {"intruder", "bad"}


def test_a_token_in_the_environment_is_needed_as_well(tmp_path):
    environment = {**os.environ, TOKEN_VARIABLE: TOKEN}
    with receiver(tmp_path / "lake", "--metrics-every", "never", environment=environment) as it:
        assert post(it.http, "traces", payload("traces", "a")).status == 401
        assert post(it.http, "traces", payload("traces", "a"), token=TOKEN).status == 200


def test_the_token_is_one_word_of_a_file_or_of_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text(" one \n")
    assert token_in(file, "other") == "one"
    assert token_in(None, "other") == "other"
    assert token_in(None, None) is None
    for wrong in ("", "two words", "ünï", "\n"):
        with pytest.raises(BadParameter, match="openssl rand"):
            token_in(None, wrong)
    with pytest.raises(BadParameter, match=r"absent"):
        token_in(tmp_path / "absent", None)


def test_a_key_of_another_certificate_is_told_at_the_start(tmp_path):
    pem, _ = certificate(tmp_path, "a")
    _, key = certificate(tmp_path, "b")
    status, said = failed_start(tmp_path / "lake", "--tls-certificate", pem, "--tls-key", key)
    assert status == 2
    assert "TLS cannot be set up" in said
    assert str(key) in said
