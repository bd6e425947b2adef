"""Lists of attributes to maps of text with type letters, with unique keys, and to columns of their own.

All texts come as dictionaries: attributes repeat, and Parquet takes a dictionary as it is.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.formats.otlp.columns import offsets_of
from workbench.formats.otlp.pairs import pairs_of
from workbench.formats.otlp.values import any_text
from workbench.lake.promoted import INTEGERS

NOTHING = pa.dictionary(pa.int32(), pa.string())
MOST_CELLS = 64_000_000  # of the rows x keys matrix that finds repeated keys


@dataclass
class Attributes:
    """The attributes of every row as numbers of pairs, and what each pair is."""

    offsets: np.ndarray  # the entries of row i are codes[offsets[i]:offsets[i + 1]]
    codes: np.ndarray  # the pair of each entry
    keys: pa.Array  # of each pair, as a dictionary of the distinct keys
    texts: pa.Array  # of each pair, as a dictionary of the distinct texts; NULL for an empty value
    letters: np.ndarray  # of each pair
    repaired: dict[str, np.ndarray]  # the rows (positions) that were changed, by word

    def maps(self) -> pa.Array:
        """One map per row."""
        codes = pa.array(self.codes)
        return pa.MapArray.from_arrays(self._short_offsets(), self.keys.take(codes), self.texts.take(codes))

    def types(self) -> pa.Array:
        """One string of letters per row."""
        letters = pa.py_buffer(self.letters[self.codes])
        return pa.StringArray.from_buffers(len(self.offsets) - 1, self._short_offsets().buffers()[1], letters)

    def _short_offsets(self) -> pa.Array:
        return pa.array(self.offsets.astype(np.int32))

    def promoted(self, columns: dict[str, tuple[str, ...]]) -> dict[str, pa.Array]:
        """Columns of single attributes: column -> keys, the first that a row has wins."""
        position = {name: number for number, name in enumerate(self.keys.dictionary.to_pylist())}
        key_of_pair, text_of_pair = self.keys.indices.to_numpy(), self.texts.indices.fill_null(-1).to_numpy()
        rows = len(self.offsets) - 1
        row_of = np.repeat(np.arange(rows, dtype=np.int32), np.diff(self.offsets))
        by_key = _by_key(key_of_pair[self.codes], len(position))
        pairs_of_key = _by_key(key_of_pair, len(position))
        found = {}
        for column, candidates in columns.items():
            there = [position[name] for name in candidates if name in position]
            if not there:
                found[column] = pa.nulls(rows, pa.int64() if column in INTEGERS else NOTHING)
                continue
            # A dictionary of its own: of all texts, those that stand in this column. The last number is for NULL (-1).
            number = np.full(len(self.texts.dictionary) + 1, -1, np.int32)
            for key in there:
                number[text_of_pair[pairs_of_key[key]]] = 0
            number[-1] = -1
            texts = np.flatnonzero(number == 0)
            number[texts] = np.arange(len(texts))
            index = np.full(rows, -1, np.int32)
            for key in reversed(there):  # the first candidate is written last and wins
                entries = by_key[key]
                index[row_of[entries]] = number[text_of_pair[self.codes[entries]]]
            values, indices = self.texts.dictionary.take(pa.array(texts)), pa.array(index, mask=index < 0)
            if column in INTEGERS:
                found[column] = _integers(values).take(indices)
            else:
                found[column] = pa.DictionaryArray.from_arrays(indices, values)
        return found

    def of(self, rows: np.ndarray) -> "Attributes":
        """The attributes of the rows at positions `rows`, which may repeat: a resource has many spans."""
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        entries = np.repeat(self.offsets[:-1][rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Attributes(offsets, self.codes[entries], self.keys, self.texts, self.letters, {})


def attributes(lists: pa.Array) -> Attributes:
    """A column of lists of attributes, as `nested_batch` gives it, in columns.

    A repeated key would make DuckDB refuse the whole file: the last one wins, in its own place.

    Raises:
        BadPair: an attribute cannot be decoded.
    """
    return of_pairs(offsets_of(lists), *pairs_of(lists.flatten()))


def of_pairs(offsets: np.ndarray, codes: np.ndarray, names: pa.Array, values: pa.Array) -> Attributes:
    """The same from numbers of pairs; `names` and `values` (AnyValue) say what each pair is."""
    texts, letters, broken = any_text(values)
    keys = names.dictionary_encode()
    row_of = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    repaired = {word: np.unique(row_of[np.isin(codes, pairs)]) for word, pairs in broken.items()}
    key_of = keys.indices.to_numpy(zero_copy_only=False)[codes]
    keep = _last_of_repeated(row_of, key_of, max(1, len(keys.dictionary)))
    if keep is not None:
        repaired["repeated_keys"] = np.union1d(repaired.get("repeated_keys", []), row_of[~keep]).astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(keep)])[offsets]
        codes = codes[keep]
    return Attributes(offsets, codes, keys, texts.dictionary_encode(), letters, repaired)


def _by_key(key_of: np.ndarray, key_count: int) -> list[np.ndarray]:
    """The entries of every key, in order."""
    narrow = key_of.astype(np.uint16) if key_count <= 1 << 16 else key_of  # numpy sorts these by radix, 5 times faster
    order = np.argsort(narrow, kind="stable")
    return np.split(order, np.cumsum(np.bincount(key_of, minlength=key_count))[:-1])


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
