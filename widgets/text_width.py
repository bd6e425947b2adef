"""How wide will a text be, and what of it fits? An estimate: the reader's font is not known here.

Letters fall into a few classes of width, measured on common sans-serif fonts and rounded up, because a box that is a
little too wide looks better than a text that is cut.
"""

import unicodedata

_CLASSES = {"ijl|!'.,:;I ": 0.30, 'frt()[]{}-/\\"`*': 0.40, "mMW@%w&": 0.93, "ABCDEFGHJKLNOPQRSTUVXYZ+<>=~#": 0.73}
_WIDTHS = {letter: width for letters, width in _CLASSES.items() for letter in letters}
ELLIPSIS = "…"
BOLDER = 1.18


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width in px of one line of `text` in a sans-serif font of `size` px."""
    return (BOLDER if bold else 1.0) * size * sum(_letter(letter) for letter in text)


def fitted(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """`text`, shortened in its middle to `width` px: names differ at their beginning and at their end."""
    if text_width(text, size, bold=bold) <= width:
        return text
    low, high = 0, len(text)
    while low < high:  # the largest number of letters that fits
        kept = (low + high + 1) // 2
        low, high = (kept, high) if text_width(_cut(text, kept), size, bold=bold) <= width else (low, kept - 1)
    return _cut(text, low)


def _cut(text: str, kept: int) -> str:
    tail = kept * 2 // 5
    return text[: kept - tail] + ELLIPSIS + text[len(text) - tail :]


def _letter(letter: str) -> float:
    if letter in _WIDTHS:
        return _WIDTHS[letter]
    if letter < "\x7f":
        return 0.60
    if unicodedata.combining(letter):
        return 0.0
    return 1.05 if unicodedata.east_asian_width(letter) in "WF" else 0.75
