"""Single columns: ids as hex, unsigned to signed, enumerations as words, what was repaired."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

INT64_MAX = 2**63 - 1
INT32_MAX = 2**31 - 1
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint16)

# Enumerations of the protocol; a number that is not listed stays readable and reversible as `<word>_<number>`.
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUS_CODES = ("unset", "ok", "error")
TEMPORALITIES = ("unspecified", "delta", "cumulative")


def hex_text(column: pa.Array) -> pa.Array:
    """Bytes as lower-case hex, whatever their length; empty stays empty."""
    column = whole(pc.fill_null(column, b""))
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, len(column) + 1) if len(column) else np.zeros(1, np.int32)
    data = np.frombuffer(data_buffer, np.uint8)[: offsets[-1]] if data_buffer and offsets[-1] else np.empty(0, np.uint8)
    return pa.StringArray.from_buffers(len(column), pa.py_buffer(offsets * np.int32(2)), pa.py_buffer(_HEX[data]))


def whole(column: pa.Array) -> pa.Array:
    """The same values with buffers that begin at the first of them."""
    return pa.concat_arrays([column]) if column.offset else column


def signed(column: pa.Array, broken: np.ndarray, replacement: int = 0) -> pa.Array:
    """uint64 as int64; what does not fit becomes `replacement` and its row is marked in `broken`."""
    if len(column) == 0 or (pc.max(column).as_py() or 0) <= INT64_MAX:
        return column.cast(pa.int64())
    values = column.fill_null(0).to_numpy(zero_copy_only=False)
    over = values > INT64_MAX
    broken |= over
    kept = np.where(over, np.uint64(replacement), values).astype(np.int64)
    return pa.array(kept, mask=column.is_null().to_numpy(zero_copy_only=False))


def small_count(column: pa.Array) -> pa.Array:
    """A uint32 count as int32; what does not fit is the largest int32 (it counts what was dropped elsewhere)."""
    return pc.min_element_wise(column.cast(pa.int64()), INT32_MAX).fill_null(0).cast(pa.int32())


def microseconds(nanoseconds: pa.Array) -> pa.Array:
    """int64 nanoseconds as µs UTC timestamps, rounded down."""
    return pc.divide(nanoseconds, 1000).cast(pa.timestamp("us", tz="UTC"))


def words(codes: pa.Array, known: Sequence[str], prefix: str) -> pa.Array:
    """Enumeration numbers as words."""
    numbers = codes.fill_null(0).to_numpy(zero_copy_only=False)
    if len(numbers) == 0 or (numbers.min() >= 0 and numbers.max() < len(known)):
        return pa.array(known, pa.string()).take(pa.array(numbers))
    distinct, inverse = np.unique(numbers, return_inverse=True)
    names = [known[number] if 0 <= number < len(known) else f"{prefix}_{number}" for number in distinct.tolist()]
    return pa.array(names, pa.string()).take(pa.array(inverse))


def number_of(word: str | None, known: Sequence[str]) -> int:
    """The enumeration number of a word made by `words`."""
    if word in known:
        return known.index(word)
    return int(word.rpartition("_")[2]) if word else 0


def offsets_of(lists: pa.Array) -> np.ndarray:
    """Offsets of a list column, from zero, int64; one more than rows."""
    offsets: np.ndarray = lists.offsets.to_numpy().astype(np.int64)
    return offsets - offsets[0] if len(offsets) else np.zeros(1, np.int64)


def parents_of(lists: pa.Array) -> np.ndarray:
    """For each item of a list column, the row it is in."""
    return np.repeat(np.arange(len(lists)), np.diff(offsets_of(lists)))


def list_column(offsets: np.ndarray, items: pa.Array) -> pa.Array:
    """Lists again, from offsets and items."""
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), items)


def repeated(column: pa.Array, positions: pa.Array) -> pa.Array:
    """The values at `positions`, of which many are equal; texts as a dictionary."""
    if pa.types.is_string(column.type):
        column = column.dictionary_encode()
    return column.take(positions)


class Repairs:
    """Which rows were changed to be storable, by word. Nothing is repaired in silence: the words end in the row."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.masks: dict[str, np.ndarray] = {}

    def mask(self, word: str) -> np.ndarray:
        """The boolean row mask of `word`, to be written into."""
        return self.masks.setdefault(word, np.zeros(self.rows, bool))

    def mark(self, word: str, rows: np.ndarray) -> None:
        """Mark rows by a boolean mask or by positions."""
        if len(rows):
            self.mask(word)[rows] = True

    def counts(self) -> dict[str, int]:
        """Rows per word, without the words that no row has."""
        return {word: int(mask.sum()) for word, mask in self.masks.items() if mask.any()}

    def column(self) -> pa.Array:
        """The column `repairs`: words in alphabetical order, comma-separated; NULL where nothing was done."""
        texts = np.full(self.rows, None, object)
        for word in sorted(self.counts()):
            for row in np.flatnonzero(self.masks[word]).tolist():  # few rows: what is whole is not touched
                texts[row] = word if texts[row] is None else f"{texts[row]},{word}"
        return pa.array(texts, pa.string(), from_pandas=True)
