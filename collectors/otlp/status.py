"""google.rpc.Status, the body of every OTLP error, and how our reasons are said in both protocols."""

from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2, duration_pb2, json_format
from google.rpc import error_details_pb2, status_pb2

RETRY_SECONDS = 5


@dataclass(frozen=True)
class Answer:
    """HTTP status and gRPC code of one reason; `retry`: the client shall try again."""

    http: int
    grpc: grpc.StatusCode
    retry: bool = False


ANSWERS = {
    "malformed": Answer(400, grpc.StatusCode.INVALID_ARGUMENT),
    "unauthorized": Answer(401, grpc.StatusCode.UNAUTHENTICATED),
    "too_large": Answer(413, grpc.StatusCode.RESOURCE_EXHAUSTED),
    "unsupported": Answer(415, grpc.StatusCode.UNIMPLEMENTED),
    "timeout": Answer(503, grpc.StatusCode.UNAVAILABLE, retry=True),  # OTLP clients give up at a 408
    "busy": Answer(503, grpc.StatusCode.UNAVAILABLE, retry=True),
}


def status(reason: str, message: str) -> status_pb2.Status:
    """The Status message of a refusal; a retryable one says when."""
    answer = ANSWERS[reason]
    found = status_pb2.Status(code=answer.grpc.value[0], message=message)
    if answer.retry:
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=RETRY_SECONDS)))
        found.details.append(detail)
    return found


def body(reason: str, message: str, *, json: bool) -> bytes:
    """The Status as the body of an HTTP answer."""
    found = status(reason, message)
    if json:
        return str(json_format.MessageToJson(found, indent=None)).encode()
    data: bytes = found.SerializeToString()
    return data
