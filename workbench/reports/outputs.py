"""One output of a cell as HTML: which of its representations is shown, and how.

The richest that a page without kernel can show wins: widget, plotly figure, picture, HTML, Markdown, text.
"""

import base64
import html
import re
from typing import Any

from workbench.reports.bundle import Bundle
from workbench.reports.heading import PROVENANCE
from workbench.reports.sanitised import harmless, markdown
from workbench.reports.tables import readable

VIEW = "application/vnd.jupyter.widget-view+json"
FIGURE = "application/vnd.plotly.v1+json"
EMPTY = "EmptyWindow: "
LONGEST_TEXT = 200_000
NO_STATE = "This view cannot be shown: its data were not saved, because the run ended before."
# Python's form of a warning: place, kind, text, then a line of source.
_WARNING = re.compile(r"^\S+?:\d+: (\w+): (.*)\n(?:  .*\n?)?", re.MULTILINE)
# Directories of this machine, before a library's own; the executed notebook keeps them.
_PLACE = re.compile(
    r"(?:(?<=\x1b\[\dm)|(?<=\x1b\[\d\dm)|(?<=;\d\dm)|(?<![\w./~:]))"  # a word begins, perhaps after a colour
    r"[~/][^\s:\"'()]*?/(?=(?:site-packages|lib/python3\.\d+|workbench|widgets|collectors)/)"
)
_CURSOR = re.compile(r"\x1b\[[0-9;?]*[A-LN-Za-ln-z]")  # ends in m: a colour, which ansi2html knows


def outputs_html(outputs: list[Any], bundle: Bundle) -> str:
    """The outputs of one cell, in order; what needs a script is kept in `bundle`."""
    parts = []
    for output in _joined(outputs):
        kind = output["output_type"]
        if kind == "stream":
            parts.append(_stream(output["name"], _text(output["text"])))
        elif kind == "error":
            parts.append(_error(output))
        else:
            parts.append(_data(output.get("data", {}), bundle))
    return "\n".join(part for part in parts if part)


def prepare_nested(bundle: Bundle) -> None:
    """Write the HTML of widgets that hold foreign HTML or outputs of their own, so that the page only inserts it."""
    done: set[str] = set()
    while waiting := [key for key in bundle.models() if key not in done]:
        for key in waiting:
            done.add(key)
            saved = bundle.saved_models[key]
            if saved["model_name"] in ("HTMLModel", "HTMLMathModel"):
                bundle.written_html[key] = harmless(str(saved["state"].get("value", "")))
            elif saved["model_name"] == "OutputModel":
                bundle.written_html[key] = outputs_html(saved["state"].get("outputs", []), bundle)


def _error(output: Any) -> str:
    """Closed: the page's top shows the traceback already."""
    name = html.escape(f"{output['ename']}: {output['evalue']}"[:500])
    trace = _ansi(without_places("\n".join(output["traceback"])))
    return f'<details class="messages"><summary>{name}</summary><pre class="text error">{trace}</pre></details>'


def _data(data: dict[str, Any], bundle: Bundle) -> str:
    if VIEW in data:
        return _widget(data, bundle)
    if PROVENANCE in data:  # the page's head and foot tell it
        return ""
    if FIGURE in data:
        number = bundle.add_figure(data[FIGURE])
        return f'<div class="figure" data-figure="{number}">{_static(data)}</div>'
    return _static(data)


def _widget(data: dict[str, Any], bundle: Bundle) -> str:
    model_id = str(data[VIEW]["model_id"])
    if not bundle.add_model(model_id):
        return _picture(data) or f'<p class="note">{NO_STATE}</p>'
    return f'<div class="widget" data-model="{html.escape(model_id)}">{_picture(data)}</div>'


def _static(data: dict[str, Any]) -> str:
    """What needs no script."""
    picture = _picture(data)
    if picture:
        return picture
    if FIGURE in data:  # its other representations are a script, or nothing
        return ""
    if "text/html" in data:
        return f'<div class="html">{readable(harmless(_text(data["text/html"])))}</div>'
    if "text/markdown" in data:
        return f'<div class="prose finding">{markdown(_text(data["text/markdown"]), trusted=False)}</div>'
    if "text/plain" in data:
        return f'<pre class="text">{_ansi(_text(data["text/plain"]))}</pre>'
    return ""


def _picture(data: dict[str, Any]) -> str:
    """A picture is an <img>: inside of one, an SVG can neither run scripts nor ask for anything."""
    if "image/svg+xml" in data:
        packed = base64.b64encode(_text(data["image/svg+xml"]).encode()).decode()
        return f'<img class="static" alt="{_alt(data)}" src="data:image/svg+xml;base64,{packed}">'
    for kind in ("image/png", "image/jpeg", "image/webp", "image/gif"):
        if kind in data:
            packed = re.sub(r"[^A-Za-z0-9+/=]", "", _text(data[kind]))
            return f'<img class="static" alt="{_alt(data)}" src="data:{kind};base64,{packed}">'
    return ""


def _alt(data: dict[str, Any]) -> str:
    return html.escape(_text(data.get("text/plain", "picture"))[:200])


def _stream(name: str, text: str) -> str:
    if name == "stderr":
        return _messages(text)
    return f'<pre class="text {name}">{_ansi(text)}</pre>' if text.strip() else ""


def _messages(text: str) -> str:
    """Warnings and progress bars, folded: a reader of the report seldom needs them, but they are not hidden from one.

    That a window is empty, and where the data are, is no side issue and stays in sight.
    """
    lines = _WARNING.sub(r"\1: \2\n", text).splitlines(keepends=True)
    empty = dict.fromkeys(line.removeprefix(EMPTY).strip() for line in lines if line.startswith(EMPTY))
    notes = "".join(f'<p class="note">{html.escape(line)}</p>' for line in empty)
    rest = "".join(line for line in lines if not line.startswith(EMPTY))
    if not rest.strip():
        return notes
    body = f'<pre class="text stderr">{_ansi(without_places(rest))}</pre>'
    return f'{notes}<details class="messages"><summary>Messages of this step</summary>{body}</details>'


def without_places(text: str) -> str:
    """A traceback that does not tell where on this machine the libraries lie."""
    return _PLACE.sub("", text)


def _ansi(text: str) -> str:
    from nbconvert.filters.ansi import ansi2html

    cut = text[:LONGEST_TEXT]
    lines = _CURSOR.sub("", cut).split("\n")
    last_states = [line.rstrip("\r").rpartition("\r")[2] for line in lines]  # progress bars rewrite their line
    shown = str(ansi2html("\n".join(last_states).rstrip("\n")))
    missing = len(text) - len(cut)
    return shown + (f"\n\n[{missing:,} more characters are in the executed notebook]" if missing else "")


def _joined(outputs: list[Any]) -> list[Any]:
    """Pieces of one stream that follow each other are one text."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if output["output_type"] == "stream" and last and last.get("name") == output["name"]:
            joined[-1] = dict(last) | {"text": _text(last["text"]) + _text(output["text"])}
        else:
            joined.append(output)
    return joined


def _text(value: Any) -> str:
    """Notebooks keep texts whole or as lists of lines."""
    return "".join(value) if isinstance(value, list) else str(value)
