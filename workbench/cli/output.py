"""One frame on standard output: a table for people, JSON or CSV for programs."""

import codecs
import contextlib
import json
import math
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.cli.options import Format
from workbench.lake.errors import LakeError

if TYPE_CHECKING:
    import polars as pl


def show(frame: "pl.DataFrame", form: Format, *, title: str | None = None) -> None:
    """Print all rows of `frame`."""
    if form is Format.json:
        document(frame.to_dicts())
    elif form is Format.csv:
        _write(_flat(frame).write_csv())
    else:
        _table(frame, title)


def document(answer: Any) -> None:
    """One JSON document; times as RFC 3339, bytes as hex, and null for infinity and what is not a number."""
    plain = codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8"  # else a terminal's escapes would be in it
    try:
        text = json.dumps(answer, default=_text, ensure_ascii=plain, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(answer), default=_text, ensure_ascii=plain, allow_nan=False)
    _write(f"{text}\n")


def _write(text: str) -> None:
    with _written():
        sys.stdout.write(text)


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """What is written within is written now: at the end of the process a full disk would be told too late."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what waits still is not tried again
        if isinstance(error, BrokenPipeError):  # `workbench sql ... | head` has all it wanted
            sys.exit(0)
        what = f"cannot write: {error.strerror}"
        raise LakeError(what, "standard output", "make room, or write elsewhere") from error


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value)


def _flat(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Nested columns as JSON text, bytes as hex: CSV has no other place for them."""
    import polars as pl

    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    frame = frame.with_columns(pl.selectors.binary().bin.encode("hex"))
    return frame.with_columns(
        pl.Series(name, [None if v is None else json.dumps(v, default=_text) for v in frame[name].to_list()], pl.String)
        for name in nested
    )


def _table(frame: "pl.DataFrame", title: str | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    class Plain(Console):
        def on_broken_pipe(self) -> None:  # rich would end the process with status 1
            raise BrokenPipeError

    console = Plain()
    if frame.is_empty():
        console.print(Text(f"{title}: no rows" if title else "no rows"))
        return
    table = Table(
        title=None if title is None else Text(title), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False
    )
    for name, kind in frame.schema.items():
        table.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
    for row in frame.iter_rows():
        table.add_row(*(Text(_printable(_cell(value))) for value in row))  # Text: telemetry is no markup
    if not sys.stdout.isatty():  # a pipe has no width: never fold there
        widest = console.measure(table, options=console.options.update(width=100_000)).maximum
        console = Plain(width=max(80, widest))
    with _written():
        console.print(table)


def _printable(text: str) -> str:
    """Control characters spelled out: what a service calls itself must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 10**12 else f"{value:.4g}"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**12 else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=_text, ensure_ascii=False)
    return str(value)
