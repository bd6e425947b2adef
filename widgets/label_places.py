"""Where along its edge does each label stand, so that no label covers another one or a box?

Greedy: edges in the order given, for each the first of a few places along its curves that is still free. An edge whose
places are all taken gets none; the page then shows its label only while the edge is pointed at.
"""

from collections import defaultdict
from collections.abc import Sequence

Point = tuple[float, float]
Rectangle = tuple[float, float, float, float]  # left, top, right, bottom

CELL = 64.0  # px, rectangles are looked up in a grid
ALONG = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8)


def label_places(
    routes: Sequence[Sequence[Point]], sizes: Sequence[tuple[float, float]], taken: Sequence[Rectangle]
) -> list[Point | None]:
    """The middle of each edge's label, or None.

    Args:
        routes: points of each edge as in `Layout.routes`; [] has no label.
        sizes: width and height of each label.
        taken: rectangles that no label may touch.
    """
    grid: dict[tuple[int, int], list[Rectangle]] = defaultdict(list)
    for rectangle in taken:
        _add(grid, rectangle)
    places: list[Point | None] = []
    for route, (width, height) in zip(routes, sizes, strict=True):
        found = None
        for x, y in _candidates(route):
            rectangle = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            if not any(_touch(rectangle, other) for cell in _cells(rectangle) for other in grid.get(cell, ())):
                _add(grid, rectangle)
                found = (x, y)
                break
        places.append(found)
    return places


def on_curve(start: Point, end: Point, t: float, bulge: float = 0.0) -> Point:
    """The point at `t` (0..1) of the curve that leaves and enters level, as `service_map_paths` draws it."""
    (x0, y0), (x3, y3) = start, end
    x1, x2 = (x0 + bulge, x3 + bulge) if bulge else ((x0 + x3) / 2, (x0 + x3) / 2)
    a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
    return a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y0 + c * y3 + d * y3


def _candidates(route: Sequence[Point]) -> list[Point]:
    """Places on the curves between columns; what lies within a column are straight pieces between boxes."""
    curves = list(zip(route[::2], route[1::2], strict=False))
    return [on_curve(start, end, t) for t in ALONG for start, end in curves if abs(start[0] - end[0]) > 1]


def _cells(rectangle: Rectangle) -> list[tuple[int, int]]:
    left, top, right, bottom = (int(side // CELL) for side in rectangle)
    return [(column, row) for column in range(left, right + 1) for row in range(top, bottom + 1)]


def _add(grid: dict[tuple[int, int], list[Rectangle]], rectangle: Rectangle) -> None:
    for cell in _cells(rectangle):
        grid[cell].append(rectangle)


def _touch(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
