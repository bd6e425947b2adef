"""AnyValue as text plus a letter for its type, and back. Exact for every kind, nested ones included.

Letters: `s` string, `b` bool, `i` int, `d` double, `y` bytes (base64), `a` array and `m` key-value list (JSON), `n`
empty (NULL). In JSON an integer has no point, a double always has one (or an exponent); what JSON cannot say is an
object with one key: {"$bytes": base64}, {"$double": "NaN"}; a real key that starts with `$` gets another `$` in front.
"""

import base64
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1 import common_pb2

AnyValue = common_pb2.AnyValue


def any_text(values: pa.Array) -> tuple[pa.Array, np.ndarray, dict[str, np.ndarray]]:
    """A column of AnyValue as ptars gives it.

    Returns:
        Texts, one letter each (uint8), and the positions of values that had to be repaired, by word:
        `undecodable_value` (nested too deep: kept as the bytes that came), `repeated_keys` (in a nested list).
    """
    size = len(values)
    letters = np.full(size, ord("n"), np.uint8)
    text = values.field("string_value")
    if text.null_count == 0:
        letters[:] = ord("s")
        return text, letters, {}
    letters[_valid(text)] = ord("s")
    for field, letter in (("int_value", "i"), ("double_value", "d"), ("bool_value", "b"), ("bytes_value", "y")):
        column = values.field(field)
        if column.null_count == size:
            continue
        letters[_valid(column)] = ord(letter)
        if letter == "d":
            column = _double_texts(column)
        elif letter == "y":
            column = pa.array([None if b is None else base64.b64encode(b).decode() for b in column.to_pylist()])
        text = pc.coalesce(text, column.cast(pa.string()))
    repaired: dict[str, list[int]] = {}
    for field, letter in (("array_value", "a"), ("kvlist_value", "m")):
        column = values.field(field)
        if column.null_count == size:
            continue
        mask = _valid(column)
        letters[mask] = ord(letter)
        texts = []
        rows = np.flatnonzero(mask)
        for row, items in zip(rows.tolist(), column.field("values").take(pa.array(rows)).to_pylist(), strict=True):
            whole = b"".join(_framed(0x0A, _item(each)) for each in items or [])
            found, word = _nested_text(letter, whole)
            texts.append(found)
            if word:
                repaired.setdefault(word, []).append(row)
            if word == "undecodable_value":
                letters[row] = ord("y")
        text = pc.replace_with_mask(text, pa.array(mask), pa.array(texts, pa.string()))
    reference = values.field("string_value_strindex")
    if reference.null_count < size:  # only a profile has the table that it points into
        repaired.setdefault("undecodable_value", []).extend(np.flatnonzero(_valid(reference)).tolist())
    return text, letters, {word: np.array(rows) for word, rows in repaired.items()}


def _item(item: bytes | dict[str, Any]) -> bytes:
    """An item of a nested list: ptars leaves it as bytes, or takes apart the first level of a KeyValue."""
    if isinstance(item, bytes):
        return item
    value = item["value"]
    return _framed(0x0A, item["key"].encode()) + (b"" if value is None else _framed(0x12, value))


def _framed(tag: int, data: bytes) -> bytes:
    """A length-delimited field on the wire."""
    head, size = bytearray([tag]), len(data)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + data


def _valid(column: pa.Array) -> np.ndarray:
    valid: np.ndarray = column.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _double_texts(column: pa.Array) -> pa.Array:
    """Shortest text that reads back equal. Arrow writes 1e10 as `1e+10`; OTLP tools write `10000000000` up to 1e21."""
    text = column.cast(pa.string())
    values = column.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        odd = (~np.isfinite(values) | (np.abs(values) >= 1e10)) & _valid(column)
    if not odd.any():
        return text
    return pc.replace_with_mask(text, pa.array(odd), pa.array([double_text(x) for x in values[odd]], pa.string()))


def double_text(value: float) -> str:
    """A double as attribute text."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if value.is_integer() and 1e10 <= abs(value) < 1e21 else repr(float(value))


def _nested_text(letter: str, whole: bytes) -> tuple[str, str]:
    """JSON of an ArrayValue or KeyValueList, and the word of its repair; base64 where it is nested too deep."""
    repeated: list[str] = []
    try:
        if letter == "a":
            values = common_pb2.ArrayValue.FromString(whole).values
            found: Any = [_to_json(each, repeated) for each in values]
        else:
            found = _object(common_pb2.KeyValueList.FromString(whole).values, repeated)
        text = json.dumps(found, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (DecodeError, RecursionError):
        return base64.b64encode(whole).decode(), "undecodable_value"
    return text, "repeated_keys" if repeated else ""


def _object(pairs: Any, repeated: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        key = f"${pair.key}" if pair.key.startswith("$") else pair.key
        if key in found:
            repeated.append(key)
            del found[key]  # the last of repeated keys wins, in its own place
        found[key] = _to_json(pair.value, repeated)
    return found


def _to_json(value: Any, repeated: list[str]) -> Any:
    kind = value.WhichOneof("value")
    if kind in (None, "string_value_strindex"):
        return None
    if kind == "array_value":
        return [_to_json(each, repeated) for each in value.array_value.values]
    if kind == "kvlist_value":
        return _object(value.kvlist_value.values, repeated)
    if kind == "bytes_value":
        return {"$bytes": base64.b64encode(value.bytes_value).decode()}
    if kind == "double_value" and not math.isfinite(value.double_value):
        return {"$double": double_text(value.double_value)}
    return getattr(value, kind)


def any_value(text: str | None, letter: str) -> Any:
    """Text and letter back to an AnyValue message."""
    value = AnyValue()
    if letter == "n" or text is None:
        return value
    if letter == "s":
        value.string_value = text
    elif letter == "b":
        value.bool_value = text == "true"
    elif letter == "i":
        value.int_value = int(text)
    elif letter == "d":
        value.double_value = float(text)
    elif letter == "y":
        value.bytes_value = base64.b64decode(text)
    else:
        _from_json(json.loads(text), value)
    return value


def _from_json(found: Any, value: Any) -> None:
    if found is None:
        return
    if isinstance(found, bool):
        value.bool_value = found
    elif isinstance(found, int):
        value.int_value = found
    elif isinstance(found, float):
        value.double_value = found
    elif isinstance(found, str):
        value.string_value = found
    elif isinstance(found, list):
        value.array_value.SetInParent()
        for each in found:
            _from_json(each, value.array_value.values.add())
    elif set(found) == {"$bytes"}:
        value.bytes_value = base64.b64decode(found["$bytes"])
    elif set(found) == {"$double"}:
        value.double_value = float(found["$double"])
    else:
        value.kvlist_value.SetInParent()
        for key, inner in found.items():
            pair = value.kvlist_value.values.add()
            pair.key = key.removeprefix("$")
            _from_json(inner, pair.value)
            pair.value.SetInParent()
