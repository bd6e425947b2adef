"""Protobuf payloads to one nested Arrow batch, in native code; payloads that do not parse are found and left out.

Most of a request is attributes, and most of these are the same few over and over. So traces, logs and metrics are
decoded by descriptors in which an attribute is a byte string; `pairs.py` decodes the distinct ones.
"""

import functools
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from workbench.formats.otlp.requests import REQUESTS

# ptars panics when the texts of one batch pass 2 GiB; and what is decoded at once is what memory must hold.
MOST_BYTES = 256 << 20
PAIR = ".opentelemetry.proto.common.v1.KeyValue"


def handler_of(message: Descriptor) -> Any:
    """The native decoder of a message."""
    from ptars import HandlerPool

    return HandlerPool(_files_of(message)).get_for_message(message)


def _files_of(message: Descriptor) -> list[FileDescriptor]:
    """The files that declare a message and all it contains, dependencies first."""
    needed: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        for dependency in file.dependencies:
            add(dependency)
        needed.setdefault(file.name, file)

    add(message.file)
    return list(needed.values())


def _with_raw_pairs(message: Descriptor) -> Descriptor:
    """The same message on the wire, with attributes left as bytes."""
    pool = DescriptorPool()
    for file in _files_of(message):
        copy = FileDescriptorProto()
        file.CopyToProto(copy)
        for each in copy.message_type:
            _leave_raw(each)
        pool.AddSerializedFile(copy.SerializeToString())
    return pool.FindMessageTypeByName(message.full_name)


def _leave_raw(message: DescriptorProto) -> None:
    for field in message.field:
        if field.type_name == PAIR:
            field.type = FieldDescriptorProto.TYPE_BYTES
            field.ClearField("type_name")
    for inner in message.nested_type:
        _leave_raw(inner)


@functools.cache
def _handler(signal: str) -> Any:
    message = REQUESTS[signal].DESCRIPTOR
    return handler_of(message if signal == "profiles" else _with_raw_pairs(message))


def portions(payloads: Sequence[bytes], limit: int = MOST_BYTES) -> list[range]:
    """Positions of `payloads` in runs of at most `limit` bytes (a larger payload is a run of its own)."""
    runs, start, size = [], 0, 0
    for position, payload in enumerate(payloads):
        if position > start and size + len(payload) > limit:
            runs.append(range(start, position))
            start, size = position, 0
        size += len(payload)
    if start < len(payloads):
        runs.append(range(start, len(payloads)))
    return runs


def nested_batch(signal: str, payloads: Sequence[bytes]) -> tuple[pa.RecordBatch, list[int], list[tuple[int, str]]]:
    """The payloads as one nested batch.

    Returns:
        The batch (one row per good payload), the positions of the good payloads, and (position, reason) of the rest.
    """
    handler = _handler(signal)
    batch, reason = _tried(handler, payloads)
    if batch is not None:
        return batch, list(range(len(payloads))), []
    # One bad payload fails the list, so it is halved until the bad ones are alone.
    good: list[int] = []
    bad: list[tuple[int, str]] = []
    pending = [range(len(payloads))]
    while pending:
        part = pending.pop()
        batch, reason = _tried(handler, [payloads[position] for position in part])
        if batch is not None:
            good.extend(part)
        elif len(part) == 1:
            bad.append((part[0], reason))
        else:
            half = len(part) // 2
            pending += [part[half:], part[:half]]
    good.sort()
    batch, reason = _tried(handler, [payloads[position] for position in good])
    if batch is None:
        raise RuntimeError(f"payloads decode alone and not together: {reason}")
    return batch, good, sorted(bad)


def _tried(handler: Any, payloads: Sequence[bytes]) -> tuple[pa.RecordBatch | None, str]:
    try:
        return handler.list_to_record_batch(list(payloads)), ""
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        return None, str(error)[:200] or type(error).__name__
