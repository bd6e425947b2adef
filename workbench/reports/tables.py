"""Tables of data frames for readers: numbers to the right, no quotes around texts, no row of column types.

Works on HTML that is harmless already, so that a regular expression sees all there is: tags in lower case, every `<`
of the data escaped.
"""

import re

_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
_ROW = re.compile(r"<tr.*?</tr>", re.DOTALL)
_CELL = re.compile(r"<(t[hd])((?:\s[^>]*)?)>(.*?)</t[hd]>", re.DOTALL)
_NUMBER = re.compile(r"\s*[-+\u2212]?\d[\d_,]*(?:\.\d+)?(?:e[-+]?\d+)?\s*|null|None|NaN|\u2026|&hellip;", re.IGNORECASE)
_SHAPE = re.compile(r"<small>shape: \(([\d_]+), [\d_]+\)</small>")


def readable(html: str) -> str:
    """The HTML with its tables made readable; anything else as it was."""
    polars = _SHAPE.search(html)
    if polars:
        html = _SHAPE.sub(_row_count, html)
    return _TABLE.sub(lambda table: _table(table[0], polars=bool(polars)), html)


def _row_count(shape: re.Match[str]) -> str:
    count = int(shape[1].replace("_", ""))
    return f"<small>{count:,} {'row' if count == 1 else 'rows'}</small>"


def _table(table: str, *, polars: bool) -> str:
    if "span=" in table:
        return table
    if polars:
        table = re.sub(r"(</tr>)<tr>(?:(?!</tr>).)*</tr>(?=</thead>)", r"\1", table, flags=re.DOTALL)
        # A text that was cut has no closing quote.
        table = re.sub(r"<td>(?:&quot;|\")([^<]*?)(?:&quot;|\")?</td>", r"<td>\1</td>", table)
    head, body_tag, body = table.partition("<tbody")
    rows = [[cell[2] for cell in _CELL.findall(row)] for row in _ROW.findall(body)]
    numeric = {
        column
        for column in range(max(map(len, rows), default=0))
        if all(column < len(row) and _NUMBER.fullmatch(row[column]) for row in rows)
    }
    return (
        _ROW.sub(lambda row: _aligned(row[0], numeric), head)
        + body_tag
        + _ROW.sub(lambda row: _aligned(row[0], numeric), body)
    )


def _aligned(row: str, numeric: set[int]) -> str:
    column = -1

    def cell(match: re.Match[str]) -> str:
        nonlocal column
        column += 1
        plain = column not in numeric or "class=" in match[2]
        return match[0] if plain else f'<{match[1]}{match[2]} class="number">{match[3]}</{match[1]}>'

    return _CELL.sub(cell, row)
