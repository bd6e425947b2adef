"""What an analysis says in sentences: a list of texts for people, and the table they were made of."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

FIXED_SPACE = "\u00a0"  # a figure and its unit stay on one line
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


@dataclass(frozen=True)
class Findings:
    """Sentences in plain English, most important first, and the `table` with the figures behind them.

    In the sentences `**name**` marks what they speak of. Shown in a notebook they become Markdown, in a report a
    paragraph beside the picture.
    """

    sentences: list[str]
    table: "pl.DataFrame"

    def __str__(self) -> str:
        return "\n".join(_plain(sentence) for sentence in self.sentences)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        text = self.sentences[0] if len(self.sentences) == 1 else "\n".join(f"* {each}" for each in self.sentences)
        return {"text/plain": str(self), "text/markdown": text}


def marked(name: str) -> str:
    """A name from telemetry in bold. It is made harmless: it may hold anything, Markdown and HTML included."""
    one_line = " ".join(name.split()) or "(no name)"
    escaped = _PUNCTUATION.sub(r"\\\1", one_line)
    return f"**{escaped}**"


def share(ratio: float) -> str:
    """`31 %`, `0.4 %`, `0 %`; a small share is not rounded to nothing."""
    percent = 100 * ratio
    if 0 < percent < 0.1:
        return f"under 0.1{FIXED_SPACE}%"
    digits = 0 if percent >= 10 or percent == 0 else 1
    return f"{percent:.{digits}f}{FIXED_SPACE}%"


def milliseconds(value: float) -> str:
    """`0.42 ms`, `145 ms`, `3.2 s`."""
    if value >= 1000:
        return f"{value / 1000:.3g}{FIXED_SPACE}s"
    return f"{value:.2g}{FIXED_SPACE}ms" if value < 10 else f"{value:.0f}{FIXED_SPACE}ms"


def times(factor: float) -> str:
    """`1.6 times`, `12 times`."""
    return f"{factor:.1f} times" if factor < 10 else f"{factor:,.0f} times"


def _plain(sentence: str) -> str:
    without_marks = re.sub(r"(?<!\\)\*\*", "", sentence).replace(FIXED_SPACE, " ")
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", without_marks)
