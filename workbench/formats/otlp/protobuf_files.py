"""Files of OTLP in protobuf: one message, or many with their length in front.

Framed as the OpenTelemetry Collector's file exporter writes them: four bytes of length, the most significant first,
then the message, which may be compressed with zstd by itself, and then may be JSON too. The first byte tells: a
message begins with the tag of field 1 or 2; a length that began so would be 160 MB.
"""

import io
from collections.abc import Callable, Iterator

from backports import zstd

from workbench.formats.otlp.decoded import Decoded
from workbench.formats.otlp.json_files import signal_and_payload
from workbench.formats.otlp.messages import Message, batches
from workbench.formats.otlp.requests import validate
from workbench.formats.otlp.signals import signal_of
from workbench.formats.source import ZSTD, Reader, Source
from workbench.lake.errors import BadInput

TAGS = (0x0A, 0x12)
LONGEST = 160 << 20
Progress = Callable[[int], None] | None


def recognises(head: bytes) -> bool:
    """A message that begins with a group or a dictionary, or a length and such a message."""
    if not head:
        return False
    if head[0] in TAGS:
        return True
    start = head[4:8]
    return head[0] < TAGS[0] and len(head) > 4 and (start[0] in (*TAGS, 0x7B) or start == ZSTD)


def check(source: Source, progress: Progress = None) -> None:
    """Every frame is whole and parses."""
    for message in _messages(source, progress):
        try:
            validate(message.signal, message.payload)
        except BadInput as error:
            raise source.damaged(error.what, message.offset) from error


def read(source: Source, received_unix_nano: int, service: str | None, progress: Progress = None) -> Iterator[Decoded]:
    """The file as batches of rows."""
    return batches(_messages(source, progress), received_unix_nano, service)


def _messages(source: Source, progress: Progress) -> Iterator[Message]:
    """All messages with their signal: that of the first one that tells, since a file is of one exporter."""
    signal, undecided = None, []
    with source.opened(progress) as reader:
        for offset, payload in _payloads(reader):
            found = None
            try:
                if payload.startswith(b"{"):
                    found, payload = signal_and_payload(payload)  # noqa: PLW2901 - the same message in protobuf
                elif signal is None:
                    found = signal_of(payload, source.path.name)
            except BadInput as error:
                raise source.damaged(error.what, offset) from error
            if found is None and signal is None:
                undecided.append((offset, payload))
                continue
            signal = found or signal
            assert signal is not None  # noqa: S101 - for the type checker
            for earlier, before in undecided:
                yield Message(signal, before, earlier)
            undecided = []
            yield Message(signal, payload, offset)


def _payloads(reader: Reader) -> Iterator[tuple[int, bytes]]:
    start = reader.read_up_to(4)
    if start and start[0] in TAGS:
        yield 0, start + reader.rest()
        return
    offset = 0
    while start:
        start += reader.exactly(4 - len(start), "the length of a message")
        size = int.from_bytes(start, "big")
        if size > LONGEST:
            raise reader.source.damaged(f"no length of a message: {size}", offset)
        payload = reader.exactly(size, "a message")
        if payload.startswith(ZSTD):
            try:
                with zstd.open(io.BytesIO(payload)) as inside:
                    payload = inside.read(LONGEST + 1)
            except (zstd.ZstdError, EOFError) as error:
                raise reader.source.damaged(f"a message is damaged: {error}", offset) from error
            if len(payload) > LONGEST:
                raise reader.source.damaged(f"a message of more than {LONGEST:,} bytes", offset)
        yield offset, payload
        offset = reader.offset
        start = reader.read_up_to(4)
