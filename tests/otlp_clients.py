"""Plain OTLP clients for tests: small requests of each signal, sent byte by byte as a test wants them."""

import gzip
import http.client
import json
import ssl
import time
import zlib
from dataclasses import dataclass
from typing import Any

import grpc
from backports import zstd
from google.protobuf import text_format
from google.rpc import status_pb2

from collectors.otlp.grpc_server import METHODS
from collectors.otlp.http import PATHS
from workbench.formats.otlp import protobuf_to_json
from workbench.formats.otlp.requests import REQUESTS

PROTOBUF, JSON = "application/x-protobuf", "application/json"
PATH_OF = {signal: path for path, signal in PATHS.items()}
METHOD_OF = {signal: method for method, signal in METHODS.items()}
TABLES = {"traces": "spans", "logs": "logs", "metrics": "metric_points", "profiles": "profiles"}

RESOURCE = 'resource { attributes { key: "service.name" value { string_value: "%(service)s" } } }'
REQUEST_TEXTS = {
    "traces": 'resource_spans { %(resource)s scope_spans { spans { trace_id: "0123456789abcdef" span_id: "01234567" '
    'name: "GET" kind: SPAN_KIND_SERVER start_time_unix_nano: %(now)d end_time_unix_nano: %(later)d } } }',
    "logs": "resource_logs { %(resource)s scope_logs { log_records { time_unix_nano: %(now)d "
    'body { string_value: "hello" } } } }',
    "metrics": 'resource_metrics { %(resource)s scope_metrics { metrics { name: "load" gauge { data_points { '
    "time_unix_nano: %(now)d as_double: 0.5 } } } } }",
    "profiles": "resource_profiles { %(resource)s scope_profiles { profiles { time_unix_nano: %(now)d "
    "sample_type { type_strindex: 1 unit_strindex: 2 } samples { stack_index: 0 values: 5 } } } } "
    'dictionary { string_table: "" string_table: "cpu" string_table: "nanoseconds" mapping_table {} location_table {} '
    "function_table {} link_table {} attribute_table {} stack_table {} }",
}
COMPRESSIONS = {
    "": lambda body: body,
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


def request(signal: str, service: str) -> Any:
    """One span, record, point or profile of a service, now."""
    now = time.time_ns()
    text = REQUEST_TEXTS[signal] % {"resource": RESOURCE % {"service": service}, "now": now, "later": now + 10**6}
    return text_format.Parse(text, REQUESTS[signal]())


def payload(signal: str, service: str, *, json: bool = False) -> bytes:
    protobuf: bytes = request(signal, service).SerializeToString()
    return protobuf_to_json(signal, protobuf).encode() if json else protobuf


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def error(self) -> tuple[int, str]:
        """Code and message of the google.rpc.Status in the body."""
        if self.headers["content-type"].startswith(JSON):
            found = json.loads(self.body)
            return found["code"], found["message"]
        status = status_pb2.Status.FromString(self.body)
        return status.code, status.message


def post(
    address: str,
    signal: str,
    body: bytes,
    *,
    content_type: str = PROTOBUF,
    encoding: str = "",
    token: str = "",
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One export over HTTP; `body` goes out as it is."""
    host, _, port = address.rpartition(":")
    kind = http.client.HTTPSConnection(host, int(port), timeout=60, context=tls) if tls else None
    connection = kind or http.client.HTTPConnection(host, int(port), timeout=60)
    headers = {"Content-Type": content_type}
    headers |= {"Content-Encoding": encoding} if encoding else {}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request("POST", PATH_OF[signal], body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class Refusal(Exception):
    """What gRPC answered instead of a response."""

    def __init__(self, error: Any) -> None:
        super().__init__(error.details())
        self.code: grpc.StatusCode = error.code()
        trailing = dict(error.trailing_metadata() or ())
        self.status = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))


def export(
    address: str,
    signal: str,
    body: bytes,
    *,
    compression: grpc.Compression = grpc.Compression.NoCompression,
    token: str = "",
    certificate: bytes = b"",
) -> bytes:
    """One export over gRPC: the bytes of the response.

    Raises:
        Refusal: the receiver did not take it.
    """
    options = [("grpc.max_send_message_length", -1)]
    if certificate:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(certificate), options)
    else:
        channel = grpc.insecure_channel(address, options)
    metadata = (("authorization", f"Bearer {token}"),) if token else None
    with channel:
        call = channel.unary_unary(METHOD_OF[signal])
        try:
            return bytes(call(body, timeout=60, metadata=metadata, compression=compression, wait_for_ready=True))
        except grpc.RpcError as error:
            raise Refusal(error) from None
