"""Attributes as they are on the wire to keys and values: each distinct one is decoded once."""

import functools
from typing import Any

import numpy as np
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from workbench.formats.otlp.arrow import handler_of


class BadPair(ValueError):
    """Bytes that are no KeyValue. Whose they were is not known here."""


@functools.cache
def _handler() -> Any:
    return handler_of(KeyValue.DESCRIPTOR)


def pairs_of(items: pa.Array) -> tuple[np.ndarray, pa.Array, pa.Array]:
    """For each item the number of its pair; for each pair its key (text) and its value (AnyValue).

    Args:
        items: attributes as bytes, or already decoded (then each is a pair of its own).

    Raises:
        BadPair: one of them is no KeyValue.
    """
    if pa.types.is_struct(items.type):
        return np.arange(len(items)), items.field("key"), items.field("value")
    encoded = items.dictionary_encode()
    try:
        found = _handler().array_to_record_batch(encoded.dictionary)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of native code is no Exception
        raise BadPair(str(error)[:200] or type(error).__name__) from error
    return encoded.indices.to_numpy(zero_copy_only=False), found.column("key"), found.column("value")
