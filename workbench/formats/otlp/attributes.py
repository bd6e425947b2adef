"""Lists of KeyValue to maps of text with type letters, with unique keys, and to columns of their own."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.formats.otlp.columns import offsets_of
from workbench.formats.otlp.values import any_text
from workbench.lake.schema import INTEGERS

MOST_CELLS = 64_000_000  # of the rows x keys matrix that finds repeated keys


@dataclass
class Attributes:
    """`maps` and `types` per row, `promoted` columns, and the rows (positions) that were repaired, by word."""

    maps: pa.Array
    types: pa.Array
    promoted: dict[str, pa.Array]
    repaired: dict[str, np.ndarray]


def attributes(lists: pa.Array, promote: dict[str, tuple[str, ...]] | None = None) -> Attributes:
    """A column of list<KeyValue> as maps.

    Args:
        promote: column -> keys, the first that a row has wins.

    A repeated key would make DuckDB refuse the whole file: the last one wins, in its own place.
    """
    rows = len(lists)
    items = lists.flatten()
    offsets = offsets_of(lists)
    text, letters, broken = any_text(items.field("value"))
    keys = items.field("key").dictionary_encode()
    codes = keys.indices.to_numpy(zero_copy_only=False)
    names = keys.dictionary.to_pylist()
    row_of = np.repeat(np.arange(rows), np.diff(offsets))
    repaired = {word: np.unique(row_of[positions]) for word, positions in broken.items()}
    keep = _last_of_repeated(row_of, codes, max(1, len(names)))
    if keep is not None:
        repaired["repeated_keys"] = np.union1d(repaired.get("repeated_keys", []), row_of[~keep]).astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(keep)])[offsets]
        text, keys = text.filter(pa.array(keep)), keys.filter(pa.array(keep))
        letters, codes, row_of = letters[keep], codes[keep], row_of[keep]
    short = pa.array(offsets.astype(np.int32))
    maps = pa.MapArray.from_arrays(short, keys.cast(pa.string()), text)
    types = pa.StringArray.from_buffers(rows, short.buffers()[1], pa.py_buffer(np.ascontiguousarray(letters)))
    position = {name: code for code, name in enumerate(names)}
    columns = {}
    for column, candidates in (promote or {}).items():
        there = [position[name] for name in candidates if name in position]
        columns[column] = _promoted(column, there, codes, row_of, rows, text)
    return Attributes(maps, types, columns, repaired)


def _promoted(
    column: str, candidates: list[int], codes: np.ndarray, row_of: np.ndarray, rows: int, text: pa.Array
) -> pa.Array:
    index = np.full(rows, -1, np.int64)
    for code in reversed(candidates):  # the first candidate is written last and wins
        entries = np.flatnonzero(codes == code)
        index[row_of[entries]] = entries
    absent = index < 0
    kind = pa.int64() if column in INTEGERS else pa.string()
    if absent.all():
        return pa.nulls(rows, kind)
    found = text.take(pa.array(index, mask=absent))
    return _integers(found) if column in INTEGERS else found


def _integers(texts: pa.Array) -> pa.Array:
    """Texts as int64; what is no integer is NULL here and stays as it is in the map."""
    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid:
        fits = pc.match_substring_regex(texts, r"^-?[0-9]{1,18}$")
        return pc.if_else(fits, texts, pa.scalar(None, pa.string())).cast(pa.int64())


def _last_of_repeated(row_of: np.ndarray, codes: np.ndarray, key_count: int) -> np.ndarray | None:
    """Mask of entries to keep so that keys are unique per row; None when they are already.

    A matrix of booleans needs 7 ms for 400,000 entries where `np.unique` needs 190.
    """
    flat = row_of.astype(np.int64) * key_count + codes
    cells = (int(row_of[-1]) + 1) * key_count if len(row_of) else 0
    if cells <= MOST_CELLS:
        seen = np.zeros(cells, bool)
        seen[flat] = True
        if int(seen.sum()) == len(flat):
            return None
    elif len(np.unique(flat)) == len(flat):
        return None
    _, first_from_end = np.unique(flat[::-1], return_index=True)
    keep = np.zeros(len(flat), bool)
    keep[len(flat) - 1 - first_from_end] = True
    return keep
