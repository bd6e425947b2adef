"""Files of OTLP/JSON: one document, or one a line as the OpenTelemetry Collector's file exporter writes them."""

import json
from collections.abc import Callable, Iterator

from workbench.formats.otlp.decoded import Decoded
from workbench.formats.otlp.json_text import document_to_protobuf
from workbench.formats.otlp.messages import Message, batches
from workbench.formats.otlp.requests import validate
from workbench.formats.source import Source
from workbench.lake.errors import BadInput

KEYS = {
    "resourceSpans": "traces",
    "resourceLogs": "logs",
    "resourceMetrics": "metrics",
    "resourceProfiles": "profiles",
}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
Progress = Callable[[int], None] | None


def recognises(head: bytes) -> bool:
    """A JSON object in whose beginning one of the four keys stands, or an empty one."""
    start = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    return start.startswith(b"{") and (any(f'"{key}"'.encode() in start for key in KEYS) or start.startswith(b"{}"))


def check(source: Source, progress: Progress = None) -> None:
    """Every line is a request."""
    for message in _messages(source, progress):
        if message.signal == "profiles":  # JSON of the right names may still be of no use: no dictionary
            try:
                validate(message.signal, message.payload)
            except BadInput as error:
                raise source.damaged(error.what, message.offset) from error


def read(source: Source, received_unix_nano: int, service: str | None, progress: Progress = None) -> Iterator[Decoded]:
    """The file as batches of rows."""
    return batches(_messages(source, progress), received_unix_nano, service)


def signal_and_payload(text: bytes) -> tuple[str | None, bytes]:
    """The signal of a JSON request, by its key, and the request in protobuf; None when it is empty.

    Raises:
        BadInput: not JSON, or of no signal.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}", f"{len(text)} bytes", "give OTLP/JSON") from error
    if document == {}:
        return None, b""
    found = [signal for key, signal in KEYS.items() if isinstance(document, dict) and key in document]
    if not found:
        raise BadInput("JSON, but no OTLP request", f"{len(text)} bytes", f"one of {', '.join(KEYS)} is needed")
    return found[0], document_to_protobuf(found[0], document, f"{len(text)} bytes")


def _messages(source: Source, progress: Progress) -> Iterator[Message]:
    with source.opened(progress) as reader:
        offset, number = 0, 0
        while line := reader.line():
            number += 1
            text = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).strip()
            if text and number == 1 and not _is_json(text):  # a document over many lines
                text, number = text + line[len(line.rstrip()) :] + reader.rest(), 0
            if text:
                try:
                    signal, payload = signal_and_payload(text)
                except BadInput as error:
                    place = f"line {number}: " if number else ""
                    raise source.damaged(f"{place}{error.what}", offset) from error
                if signal is not None:
                    yield Message(signal, payload, offset)
            offset = reader.offset


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
