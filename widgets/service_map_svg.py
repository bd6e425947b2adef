"""A service map as a still picture, for readers without scripts: code hosts, mail, paper."""

import html
import re
from typing import Any

from widgets.colours import DARK, LIGHT
from widgets.service_map_picture import BESIDE_NAME, FIGURE_SIZE, LABEL_SIZE, NAME_SIZE, label
from widgets.text_width import fitted, text_width

Row = dict[str, Any]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
LEGEND_HEIGHT = 34.0
LEGEND_WIDTH = 780.0  # px that the legend needs
EMPTY = "No calls in this window."
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def svg(picture: Row, *, colour_by: str, theme: str = "light") -> str:
    """The picture of `widgets.service_map_picture` as the text of an SVG file.

    Args:
        colour_by: "errors" or "latency".
        theme: "light" or "dark".
    """
    colours = DARK if theme == "dark" else LIGHT
    if not picture["nodes"]:
        text = f'<text x="20" y="36" font-size="14" fill="{colours["soft"]}">{EMPTY}</text>'
        return _document(360, 60, colours, [text])
    width = max(picture["width"], LEGEND_WIDTH)
    loudest_last = sorted(picture["edges"], key=lambda edge: int(edge[colour_by]))
    parts = [_edge(edge, colours, colour_by) for edge in loudest_last]
    parts += [_node(node, picture, colours, colour_by) for node in picture["nodes"]]
    parts += [_edge_label(edge, colours, colour_by) for edge in picture["edges"]]
    parts.append(_legend(picture, colours, colour_by))
    return _document(width, picture["height"] + LEGEND_HEIGHT, colours, parts)


def _document(width: float, height: float, colours: dict[str, str], parts: list[str]) -> str:
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    ground = f'<rect width="100%" height="100%" fill="{colours["ground"]}"/>'
    body = "\n".join(part for part in parts if part)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}">\n{ground}\n{body}\n</svg>\n'


def _colour(row: Row, colours: dict[str, str], colour_by: str) -> str:
    return colours["unknown"] if row[colour_by] < 0 else colours[f"{colour_by}{row[colour_by]}"]


def _edge(edge: Row, colours: dict[str, str], colour_by: str) -> str:
    colour = _colour(edge, colours, colour_by)
    dashes = ' stroke-dasharray="7 5"' if edge["asynchronous"] else ""
    line = f'<path d="{edge["line"]}" fill="none" stroke="{colour}" stroke-width="{edge["width"]:g}"{dashes}/>'
    return f'{line}<path d="{edge["head"]}" fill="{colour}"/>'


def _edge_label(edge: Row, colours: dict[str, str], colour_by: str) -> str:
    text = label(edge)
    if not edge["label"] or not text:
        return ""
    x, y = edge["label"]
    strong = (
        f'fill="{_colour(edge, colours, colour_by)}" font-weight="600"'
        if edge["errors"] > 1
        else f'fill="{colours["soft"]}"'
    )
    width = text_width(text, LABEL_SIZE, bold=edge["errors"] > 1) + 6
    ground = f'<rect x="{x - width / 2:.1f}" y="{y - 7:g}" width="{width:.1f}" height="14" fill="{colours["ground"]}"/>'
    place = f'x="{x:g}" y="{y + 4:g}" font-size="{LABEL_SIZE:g}" text-anchor="middle"'
    return f"{ground}<text {place} {strong}>{_text(text)}</text>"


def _node(node: Row, picture: Row, colours: dict[str, str], colour_by: str) -> str:
    width, _ = picture["box"]
    shape = picture["shapes"][node["kind"]]
    colour = _colour(node, colours, colour_by)
    outline = f'stroke="{colour}" stroke-width="{2.5 if node[colour_by] > 0 else 1.5}"'
    top = 3 if node["kind"] == "database" else 0
    name = fitted(node["name"], NAME_SIZE, width - BESIDE_NAME + 4, bold=True)
    loud = f' fill="{_colour(node, colours, "errors")}" font-weight="600"' if node["errors"] > 1 else ""
    mark = "▲ " if node["errors"] > 1 else ""
    figures = "not called"
    if node["short"]:
        calls, errors, p95 = map(_text, node["short"])
        figures = f"{calls} · <tspan{loud}>{mark}{errors}</tspan> · {p95}"
    thin = f'stroke="{colours["soft"]}" stroke-width="1.3"'
    strong = f'font-weight="600" fill="{colours["text"]}"'
    parts = [
        f'<path d="{shape["outline"]}" fill="{colours["box"]}" {outline}/>',
        f'<path d="{shape["inside"]}" fill="none" {outline}/>' if shape["inside"] else "",
        f'<path transform="translate(11 {10 + top})" d="{shape["icon"]}" fill="none" {thin}/>',
        f'<text x="34" y="{23 + top}" font-size="{NAME_SIZE:g}" {strong}>{_text(name)}</text>',
        f'<text x="11" y="{42 + top / 2}" font-size="{FIGURE_SIZE:g}" fill="{colours["soft"]}">{figures}</text>',
    ]
    return f'<g transform="translate({node["x"]:g} {node["y"]:g})">{"".join(parts)}</g>'


def _legend(picture: Row, colours: dict[str, str], colour_by: str) -> str:
    """One line below the map: what colour, width and dashes mean."""
    y = picture["height"] + LEGEND_HEIGHT / 2
    parts, x = list[str](), 18.0

    def write(text: str, gap: float) -> None:
        nonlocal x
        parts.append(f'<text x="{x:.1f}" y="{y + 4:g}" font-size="11" fill="{colours["soft"]}">{_text(text)}</text>')
        x += text_width(text, 11) + gap

    write("errors" if colour_by == "errors" else "p95", 8)
    for number, name in enumerate(picture["legend"][colour_by]):
        parts.append(
            f'<rect x="{x:.1f}" y="{y - 5:g}" width="14" height="10" rx="2" fill="{colours[f"{colour_by}{number}"]}"/>'
        )
        x += 18
        write(name, 10)
    x += 8
    write("calls", 8)
    for name, thick in picture["legend"]["widths"]:
        parts.append(f'<path d="M{x:.1f} {y:g}h20" stroke="{colours["outline"]}" stroke-width="{thick:g}"/>')
        x += 24
        write(name, 10)
    if any(edge["asynchronous"] for edge in picture["edges"]):
        x += 8
        dashes = f'stroke="{colours["outline"]}" stroke-width="2" stroke-dasharray="7 5"'
        parts.append(f'<path d="M{x:.1f} {y:g}h24" {dashes}/>')
        x += 29
        write("asynchronous", 18)
    write(f"boxes: calls{' per second' if picture['legend']['rate'] else ''} \u00b7 errors \u00b7 p95", 0)
    return "".join(parts)


def _text(text: str) -> str:
    return html.escape(_NOT_IN_XML.sub("\ufffd", text))
