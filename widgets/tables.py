"""What did the notebook hand in? Rows as dictionaries for drawing, and the same rows back as they came."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa


class Table:
    """A table of any library that speaks Arrow (Polars, pandas, pyarrow, DuckDB), or a list of dictionaries.

    Args:
        given: the table.
        columns: name -> what stands for it where the column or a value is missing; all others are left out of `rows`.
        required: columns that must be there.
        what: the table's name in messages.

    Raises:
        ValueError: this is no table, or a required column is missing.
    """

    def __init__(self, given: Any, columns: Mapping[str, Any], *, required: Sequence[str], what: str) -> None:
        arrow = _arrow(given, what)
        missing = [name for name in required if name not in arrow.column_names]
        if missing and arrow.num_columns:
            there = ", ".join(arrow.column_names)
            raise ValueError(
                f"{what}: no column {', '.join(missing)} (there are: {there}); rename it or hand in the other table"
            )
        # A DuckDB relation would ask its question again: the answer is kept instead.
        self.given = given if type(given).__module__.partition(".")[0] in ("polars", "pandas") else arrow
        known = {name: arrow[name].to_pylist() for name in columns if name in arrow.column_names}
        self.rows = [
            {name: _plain(known[name][row] if name in known else None, default) for name, default in columns.items()}
            for row in range(arrow.num_rows)
        ]

    def take(self, rows: Sequence[int]) -> Any:
        """These rows, with all their columns, as the library that the table came from has them."""
        if isinstance(self.given, pa.Table):
            return self.given.take(pa.array(rows, pa.int64()))
        if hasattr(self.given, "iloc"):
            return self.given.iloc[list(rows)]
        frame = self.given.collect() if hasattr(self.given, "collect") else self.given
        return frame[list(rows)] if rows else frame.head(0)


def _arrow(given: Any, what: str) -> pa.Table:
    if isinstance(given, Sequence) and all(isinstance(row, Mapping) for row in given):
        return pa.Table.from_pylist([dict(row) for row in given])
    if hasattr(given, "collect") and not hasattr(given, "__arrow_c_stream__"):
        given = given.collect()  # Polars' lazy frame
    try:
        return pa.table(given)
    except (TypeError, ValueError, pa.ArrowInvalid) as error:
        kind = type(given).__name__
        raise ValueError(
            f"{what}: a {kind} is not a table; hand in what speaks Arrow (Polars, pandas, pyarrow)"
        ) from error


def _plain(value: Any, default: Any) -> Any:
    """What JSON can carry: NaN would stop the page's parser."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return default
    if isinstance(default, str):
        return str(value)
    return value if isinstance(value, bool | int | float | str) else float(value)
