"""What does a service map show, and where? Rows of nodes and edges become the one picture that page and SVG draw.

Everything that must not differ between them is decided here: places, shapes, classes of colour, widths, short figures.
"""

import math
from collections.abc import Sequence
from typing import Any

from widgets.figures import ERROR_LABELS, LATENCY_LABELS, count, duration, error_class, latency_class, share
from widgets.label_places import Rectangle, label_places, on_curve
from widgets.layered_layout import Layout, layered_layout
from widgets.service_map_shapes import BULGE, edge_paths, loop_route, shape, stays_in_column
from widgets.text_width import text_width

Row = dict[str, Any]
FIGURES = (
    "calls",
    "errors",
    "error_ratio",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "root_calls",
    "orphan_calls",
    "unanswered_calls",
)
NODE_COLUMNS: Row = {"id": "", "name": "", "kind": "service", "system": "", **dict.fromkeys(FIGURES)}
EDGE_COLUMNS: Row = {"source": "", "target": "", "protocol": "", "asynchronous": False, **dict.fromkeys(FIGURES)}
KINDS = ("service", "database", "queue", "external")

NAME_SIZE, FIGURE_SIZE, LABEL_SIZE = 14.0, 12.5, 11.5  # px
BOX_HEIGHT = 54.0
BOX_WIDTHS = (160.0, 240.0)  # least and largest; one map has boxes of one width
BESIDE_NAME = 48.0  # px of a box that its name cannot have
THINNEST, THICKEST = 1.3, 6.5  # px, edges with the fewest and the most calls
MARGIN = 18.0  # px around everything


def picture(nodes: Sequence[Row], edges: Sequence[Row], *, seconds: float | None) -> Row:
    """The picture as a JSON document.

    Args:
        nodes: rows with the columns of NODE_COLUMNS, ids unique; edges likewise, their ends are among the nodes.
        seconds: length of the window: boxes then show calls per second.
    """
    width = _box_width(nodes)
    position = {row["id"]: index for index, row in enumerate(nodes)}
    ends = [(position[row["source"]], position[row["target"]]) for row in edges]
    calls = [float(row["calls"] or 1) for row in edges]
    gap = (108.0, 170.0) if len(edges) <= 80 else (64.0, 150.0)  # a small map has room for a label at each edge
    layout = layered_layout([(width, BOX_HEIGHT)] * len(nodes), ends, calls=calls, column_gap=gap)
    widths = _Widths([row["calls"] for row in edges])
    drawn_nodes = [_node(row, layout, index, seconds) for index, row in enumerate(nodes)]
    drawn_edges = [_edge(row, pair, widths, seconds) for row, pair in zip(edges, ends, strict=True)]
    _route(drawn_nodes, drawn_edges, layout, width)
    return {
        "width": round(layout.width + 2 * MARGIN, 1),
        "height": round(layout.height + 2 * MARGIN, 1),
        "box": [width, BOX_HEIGHT],
        "shapes": {kind: shape(kind, width, BOX_HEIGHT) for kind in sorted({row["kind"] for row in nodes}, key=_rank)},
        "nodes": drawn_nodes,
        "edges": drawn_edges,
        "legend": {
            "errors": list(ERROR_LABELS),
            "latency": list(LATENCY_LABELS),
            "widths": widths.samples(),
            "rate": seconds is not None,
        },
    }


def _rank(kind: str) -> tuple[int, str]:
    return (KINDS.index(kind) if kind in KINDS else len(KINDS), kind)


def _box_width(nodes: Sequence[Row]) -> float:
    """The width that fits all names but the longest twentieth."""
    wanted = sorted(text_width(row["name"], NAME_SIZE, bold=True) + BESIDE_NAME for row in nodes)
    typical = wanted[math.ceil(0.95 * len(wanted)) - 1] if wanted else 0.0
    return float(round(min(max(typical, BOX_WIDTHS[0]), BOX_WIDTHS[1])))


def _node(row: Row, layout: Layout, index: int, seconds: float | None) -> Row:
    place = {"x": round(layout.x[index] + MARGIN, 1), "y": round(layout.y[index] + MARGIN, 1)}
    told = {name: row[name] for name in ("id", "name", "kind", "system")}
    return told | place | {"column": layout.column[index]} | _shown(row, seconds)


def _edge(row: Row, pair: tuple[int, int], widths: "_Widths", seconds: float | None) -> Row:
    told = {"ends": list(pair), "protocol": row["protocol"], "asynchronous": bool(row["asynchronous"])}
    return told | {"width": round(widths.of(row["calls"]), 2)} | _shown(row, seconds)


def _shown(row: Row, seconds: float | None) -> Row:
    """Figures for the tooltip in full, for the picture short, and the classes that colour it."""
    figures = {name: _short_number(row[name]) for name in FIGURES if row[name] is not None}
    if seconds is not None and row["calls"] is not None:
        figures["per_second"] = _short_number(row["calls"] / seconds)
    calls = f"{count(row['calls'] / seconds)}/s" if "per_second" in figures else count(row["calls"])
    error_ratio = row["error_ratio"]
    if error_ratio is None and row["calls"] and row["errors"] is not None:
        error_ratio = figures["error_ratio"] = _short_number(row["errors"] / row["calls"])
    short = [calls, share(error_ratio), duration(row["p95_ms"])] if row["calls"] != 0 else []
    return {
        "figures": figures,
        "short": short,
        "errors": error_class(error_ratio),
        "latency": latency_class(row["p95_ms"]),
    }


def _short_number(value: float) -> float:
    """Six digits are more than a picture shows."""
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _route(nodes: list[Row], edges: list[Row], layout: Layout, width: float) -> None:
    """Add line, head, label place and middle to each edge."""
    routes = [[(x + MARGIN, y + MARGIN) for x, y in points] for points in layout.routes]
    boxes: list[Rectangle] = [
        (row["x"] - 4, row["y"] - 4, row["x"] + width + 4, row["y"] + BOX_HEIGHT + 4) for row in nodes
    ]
    sizes = [(text_width(label(edge), LABEL_SIZE, bold=edge["errors"] > 1) + 6, 14.5) for edge in edges]
    order = sorted(range(len(edges)), key=lambda index: (-edges[index]["errors"], -edges[index]["width"], index))
    placed = label_places([routes[index] for index in order], [sizes[index] for index in order], boxes)
    for index, place in zip(order, placed, strict=True):
        edge, route = edges[index], routes[index]
        if route:
            edge["line"], edge["head"] = edge_paths(route, edge["width"])
            middle = on_curve(route[0], route[1], 0.5, BULGE if stays_in_column(route) else 0.0)
        else:
            own = nodes[edge["ends"][0]]
            edge["line"], edge["head"], middle = loop_route(own["x"] + width, own["y"], edge["width"])
        edge["label"] = [round(value, 1) for value in place] if place else None
        edge["middle"] = [round(value, 1) for value in middle]


def label(edge: Row) -> str:
    """What stands at an edge: its protocol, and its share of errors once that is more than a trifle."""
    protocol = "" if edge["protocol"] == "unknown" else edge["protocol"]
    return " ".join(filter(None, [protocol, f"▲ {edge['short'][1]}" if edge["errors"] > 1 else ""]))


class _Widths:
    """Widths of edges by calls, on a logarithmic scale over the map's own range, two decades at least."""

    def __init__(self, calls: Sequence[float | None]) -> None:
        there = [number for number in calls if number]
        self.most = max(there, default=1)
        self.low, high = math.log10(min(there, default=1)), math.log10(self.most)
        self.low = min(self.low, high - 2)
        self.span = high - self.low
        self.thickest = THICKEST if len(calls) <= 80 else 4.5

    def of(self, calls: float | None) -> float:
        """The width in px of an edge with so many calls."""
        if not calls:
            return THINNEST
        return THINNEST + (self.thickest - THINNEST) * max(0.0, (math.log10(calls) - self.low) / self.span)

    def samples(self) -> list[tuple[str, float]]:
        """Round numbers of calls in the map's range, with their widths."""
        powers = [10**power for power in range(max(0, math.ceil(self.low)), math.floor(math.log10(self.most)) + 1)]
        kept = [powers[0], powers[len(powers) // 2], powers[-1]] if len(powers) > 3 else powers
        return [(count(number), round(self.of(number), 2)) for number in kept]
