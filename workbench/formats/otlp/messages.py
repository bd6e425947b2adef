"""Requests of a file to batches of rows: what both encodings share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workbench.formats.otlp.decoded import Decoded
from workbench.formats.otlp.decoding import decode
from workbench.formats.otlp.requests import parsed

BATCH_BYTES = 16 << 20
GROUPS = {
    "traces": "resource_spans",
    "logs": "resource_logs",
    "metrics": "resource_metrics",
    "profiles": "resource_profiles",
}


@dataclass(frozen=True)
class Message:
    """One request in protobuf, and the place in the file where it begins."""

    signal: str
    payload: bytes
    offset: int


def batches(messages: Iterable[Message], received_unix_nano: int, service: str | None) -> Iterator[Decoded]:
    """Neighbouring messages of one signal together, up to `BATCH_BYTES`."""
    waiting: list[Message] = []
    size = 0
    for message in messages:
        if waiting and (message.signal != waiting[0].signal or size + len(message.payload) > BATCH_BYTES):
            yield _decoded(waiting, received_unix_nano, service)
            waiting, size = [], 0
        waiting.append(message)
        size += len(message.payload)
    if waiting:
        yield _decoded(waiting, received_unix_nano, service)


def _decoded(messages: list[Message], received_unix_nano: int, service: str | None) -> Decoded:
    signal = messages[0].signal
    payloads = [each.payload if service is None else with_service(signal, each.payload, service) for each in messages]
    found = decode(signal, payloads, received_unix_nano)
    found.refused = [(messages[position].offset, reason) for position, reason in found.refused]
    return found


def with_service(signal: str, payload: bytes, service: str) -> bytes:
    """The request, with `service` as `service.name` of every resource that has none."""
    request = parsed(signal, payload)
    for group in getattr(request, GROUPS[signal]):
        if not any(pair.key == "service.name" for pair in group.resource.attributes):
            group.resource.attributes.add(key="service.name").value.string_value = service
    encoded: bytes = request.SerializeToString()
    return encoded
