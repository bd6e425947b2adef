"""Protobuf on the wire, without a descriptor: which fields are there, and of which wire type."""

from collections.abc import Iterable, Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


def fields(data: memoryview) -> Iterator[tuple[int, int, memoryview | None]]:
    """(number, wire type, content of a length-delimited field). Ends where the bytes are no message."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        wire, content = tag & 7, None
        if wire == VARINT:
            _, at = varint(data, at)
        elif wire == LENGTH:
            size, at = varint(data, at)
            content = data[at : at + size]
            at += size
        elif wire == FIXED64:
            at += 8
        elif wire == FIXED32:
            at += 4
        else:  # a group: no protocol here has one, and nothing behind it is looked at
            return
        yield tag >> 3, wire, content


def within(messages: Iterable[memoryview], number: int) -> Iterator[memoryview]:
    """The contents of one length-delimited field of many messages."""
    for message in messages:
        for found, _, content in fields(message):
            if found == number and content is not None:
                yield content


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """A varint and the place behind it."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, at


def varints(data: memoryview) -> Iterator[int]:
    """The numbers of a packed field."""
    at = 0
    while at < len(data):
        value, at = varint(data, at)
        yield value
