"""The shapes of a service map as SVG path data: boxes and icons by kind of node, lines and heads of edges.

A kind is told by outline and icon, never by colour: a service is a rounded box, a database a drum, a queue a pipe, and
what lies outside has cut corners. Both the page and the still picture draw these.
"""

import itertools
from collections.abc import Sequence

from widgets.label_places import Point

BULGE = 34.0  # px, how far edges that stay in one column swing out
# Icons of 16 x 16 px, drawn as lines.
ICONS = {
    "service": "M8 1.5 13.6 4.75V11.25L8 14.5 2.4 11.25V4.75ZM2.4 4.75 8 8 13.6 4.75M8 8V14.5",
    "database": "M2.5 4C2.5 1.2 13.5 1.2 13.5 4V12C13.5 14.8 2.5 14.8 2.5 12Z"
    "M2.5 4C2.5 6.8 13.5 6.8 13.5 4M2.5 8C2.5 10.8 13.5 10.8 13.5 8",
    "queue": "M1.5 4H14.5V12H1.5ZM5.8 4V12M10.2 4V12",
    "external": "M8 1.5A6.5 6.5 0 1 1 8 14.5 6.5 6.5 0 1 1 8 1.5ZM1.5 8H14.5M8 1.5C4 5 4 11 8 14.5 12 11 12 5 8 1.5",
}


def shape(kind: str, width: float, height: float) -> dict[str, str]:
    """The outline of a node's box, a line inside of it ("" for none) and its icon; unknown kinds get a plain box."""
    w, h = width, height
    if kind == "database":
        outline = f"M0 6A{w / 2:g} 6 0 0 1 {w:g} 6V{h - 6:g}A{w / 2:g} 6 0 0 1 0 {h - 6:g}Z"
        return {"outline": outline, "inside": f"M0 6A{w / 2:g} 6 0 0 0 {w:g} 6", "icon": ICONS[kind]}
    if kind == "queue":
        outline = f"M9 0H{w - 9:g}A9 {h / 2:g} 0 0 1 {w - 9:g} {h:g}H9A9 {h / 2:g} 0 0 1 9 0Z"
        inside = f"M{w - 9:g} 0A9 {h / 2:g} 0 0 0 {w - 9:g} {h:g}"
        return {"outline": outline, "inside": inside, "icon": ICONS[kind]}
    if kind == "external":
        outline = f"M11 0H{w - 11:g}L{w:g} 11V{h - 11:g}L{w - 11:g} {h:g}H11L0 {h - 11:g}V11Z"
        return {"outline": outline, "inside": "", "icon": ICONS[kind]}
    r = 8 if kind == "service" else 0
    lower = f"V{h - r:g}Q{w:g} {h:g} {w - r:g} {h:g}H{r}Q0 {h:g} 0 {h - r:g}"
    outline = f"M{r} 0H{w - r:g}Q{w:g} 0 {w:g} {r}{lower}V{r}Q0 0 {r} 0Z"
    return {"outline": outline, "inside": "", "icon": ICONS.get(kind, "")}


def edge_paths(route: Sequence[Point], width: float) -> tuple[str, str]:
    """Path data of an edge's line and of its head, which ends at the box; the line is `width` px wide."""
    length, half = 6.0 + width, 2.6 + 0.8 * width
    beside = stays_in_column(route)
    inwards = -1.0 if beside or route[-1][0] < route[-2][0] else 1.0
    (tip, level) = route[-1]
    points = [*route[:-1], (tip - inwards * (length - 1), level)]
    line = [f"M{_at(points[0])}"]
    for index, (start, end) in enumerate(itertools.pairwise(points)):
        if index % 2:
            line.append(f"L{_at(end)}")
        else:
            middle = (start[0] + end[0]) / 2
            first, second = (max(start[0], end[0]) + BULGE,) * 2 if beside else (middle, middle)
            line.append(f"C{_at((first, start[1]))} {_at((second, end[1]))} {_at(end)}")
    back = tip - inwards * length
    head = f"M{_at((tip, level))}L{_at((back, level - half))}V{level + half:.1f}Z"
    return "".join(line), head


def stays_in_column(route: Sequence[Point]) -> bool:
    """Whether both ends lie at the right side of boxes of one column."""
    return len(route) == 2 and abs(route[0][0] - route[1][0]) < 1


def loop_route(right: float, top: float, width: float) -> tuple[str, str, Point]:
    """Line, head and label place of an edge from a box to itself, at the box's upper right corner."""
    length, half = 6.0 + width, 2.6 + 0.8 * width
    start, end = (right - 26, top), (right + length - 1, top + 12)
    line = f"M{_at(start)}C{_at((right - 22, top - 24))} {_at((right + 28, top - 14))} {_at(end)}"
    head = f"M{_at((right, top + 12))}L{_at((right + length, top + 12 - half))}V{top + 12 + half:.1f}Z"
    return line, head, (right + 2, top - 14)


def _at(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"
