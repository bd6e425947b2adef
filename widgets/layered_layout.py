"""Where do the boxes and arrows of a directed graph go? Columns from left to right; nothing here is random.

Connected parts are laid out one by one and packed. Within a part: columns (`widgets.layers`), one bend per column that
an edge passes, the order within columns (`widgets.crossings`), then heights: each vertex wants to be level with its
neighbours, and the heights of one column that come closest to all wishes, in that order and without overlap, are an
isotonic regression, solved exactly. Bends between the same two boxes share a narrow channel, so that edges run
in bundles around boxes and never through them.

Source: Sugiyama, Tagawa, Toda (1981); heights by pool-adjacent-violators as in Dwyer, Marriott, Stuckey (2006), who
solve the general case.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from widgets.crossings import order_layers
from widgets.layers import layers

Point = tuple[float, float]

SWEEPS = 8
BEND_MARGIN = 5.0  # px between a box and the channel of bends beside it
LANE = 6.0  # px between parallel edges of one pair
CHANNEL = 8.0  # px, a channel is not wider than this (or than its widest pair)
BULGE = 44.0  # px to the right of a column, for edges that stay inside it and for self-edges
STRAIGHT = 8.0  # how much more a piece between two bends wants to be level than an edge between two boxes


@dataclass(frozen=True)
class Layout:
    """Places in px; y grows downwards. Lists are in the order of the nodes and edges given."""

    width: float
    height: float
    x: list[float]  # left side of each box
    y: list[float]  # upper side of each box
    column: list[int]  # counted from 0 in each connected part
    part: list[int]  # number of the connected part
    routes: list[list[Point]]  # each edge from source to target: a curve, then as often as needed a straight piece
    # through a column and a curve. It starts at the right side of its source and ends at the left side of its target;
    # against the flow, where a cycle forces it, from a left to a right side; inside a column from right to right.
    # [] for self-edges.


def layered_layout(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    *,
    calls: Sequence[float] = (),
    aspect: float = 1.7,
    row_gap: float = 14.0,
    column_gap: tuple[float, float] = (64.0, 150.0),
) -> Layout:
    """Lay out boxes of the given `sizes` (width, height) and the arrows between them.

    Args:
        edges: (source, target) indexes into `sizes`; repeated edges, cycles and self-edges are fine.
        calls: weight of each edge, decides which edge of a cycle goes backward; none: all weigh the same.
        aspect: wished width / height; tall columns are split to come near it.
        row_gap: px between boxes of a column.
        column_gap: least and largest px between columns; it grows with the number of edges in between.
    """
    weights = list(calls) or [1.0] * len(edges)
    members = _parts(len(sizes), edges)
    x, y, column, part = ([0.0] * len(sizes), [0.0] * len(sizes), [0] * len(sizes), [0] * len(sizes))
    routes: list[list[Point]] = [[] for _ in edges]
    edges_of: dict[int, list[int]] = defaultdict(list)
    for number, nodes in enumerate(members):
        for node in nodes:
            part[node] = number
    for index, (source, _) in enumerate(edges):
        edges_of[part[source]].append(index)
    style = _Style(aspect, row_gap, column_gap)
    drawn = [
        _Part(sizes, nodes, edges, {index: weights[index] for index in edges_of[number]}, style)
        for number, nodes in enumerate(members)
    ]
    width, height, corners = _shelves([(one.width, one.height) for one in drawn], aspect, 3 * row_gap)
    for one, (left, top) in zip(drawn, corners, strict=True):
        for node in one.nodes:
            x[node], y[node], column[node] = left + one.left[node], top + one.top[node], one.column[node]
        for index, points in one.routes.items():
            routes[index] = [(left + a, top + b) for a, b in points]
    return Layout(width, height, x, y, column, part, routes)


@dataclass(frozen=True)
class _Style:
    aspect: float
    row_gap: float
    column_gap: tuple[float, float]

    def grid(self, sizes: list[tuple[float, float]]) -> tuple[int, int]:
        """Rows and columns that so many boxes should have at most."""
        wide = sum(width for width, _ in sizes) / len(sizes) + sum(self.column_gap) / 2
        high = sum(height for _, height in sizes) / len(sizes) + 1.5 * self.row_gap
        rows = max(7, math.ceil(math.sqrt(len(sizes) * wide / (high * self.aspect))))
        return rows, max(8, math.ceil(1.5 * len(sizes) / rows))


class _Part:
    """One connected part, with its upper left corner at (0, 0)."""

    def __init__(
        self,
        sizes: Sequence[tuple[float, float]],
        nodes: list[int],
        edges: Sequence[tuple[int, int]],
        weights: dict[int, float],
        style: _Style,
    ) -> None:
        self.nodes, self.sizes, self.edges = nodes, sizes, edges
        self.ends = [edges[index] for index in weights]
        local = {node: index for index, node in enumerate(nodes)}
        calls: dict[tuple[int, int], float] = defaultdict(float)
        for index, weight in weights.items():
            source, target = (local[node] for node in edges[index])
            if source != target:
                calls[source, target] += weight
        rows, columns = style.grid([sizes[node] for node in nodes])
        layer = layers(len(nodes), calls, rows=rows, columns=columns)
        self.lanes: dict[tuple[int, int], list[int]] = defaultdict(list)  # pair from left to right -> its edges
        for index in weights:
            source, target = (local[node] for node in edges[index])
            if source != target:
                self.lanes[(source, target) if layer[source] <= layer[target] else (target, source)].append(index)
        self.column = {node: layer[local[node]] for node in nodes}
        self._add_bends(layer)
        centre = self._heights(style.row_gap)
        self._widths(style.column_gap)
        top = min(centre[vertex] - self.half[vertex] for vertex in range(len(nodes)))
        self.centre = [place - top for place in centre]
        self.top = {node: self.centre[index] - self.half[index] for index, node in enumerate(nodes)}
        self.left = {node: self.column_left[self.column[node]] for node in nodes}
        self.height = max(self.top[node] + sizes[node][1] for node in nodes)
        self.routes = self._routes()
        lowest = [point[1] for points in self.routes.values() for point in points]
        above = -min([0.0, *lowest])
        if above > 0:  # a bend above the highest box
            self.top = {node: place + above for node, place in self.top.items()}
            self.routes = {index: [(a, b + above) for a, b in points] for index, points in self.routes.items()}
        self.height = max([self.height + above, *(place + above for place in lowest)])

    def _add_bends(self, layer: list[int]) -> None:
        """Vertices are the boxes, then one bend for each column that a pair passes."""
        self.half = [self.sizes[node][1] / 2 for node in self.nodes]
        columns: list[list[int]] = [[] for _ in range(max(layer) + 1)]
        for vertex, column in enumerate(layer):
            columns[column].append(vertex)
        self.segments: list[tuple[int, int]] = []
        self.chains: dict[tuple[int, int], list[int]] = {}
        for (a, b), lanes in sorted(self.lanes.items()):
            chain = [a]
            for column in range(layer[a] + 1, layer[b]):
                chain.append(len(self.half))
                columns[column].append(chain[-1])
                self.half.append(LANE * (len(lanes) - 1) / 2)
            chain.append(b)
            if layer[a] < layer[b]:
                self.segments += itertools.pairwise(chain)
            self.chains[a, b] = chain
        self.columns = order_layers(columns, self.segments)

    def _heights(self, row_gap: float) -> list[float]:
        """The middle of each vertex: near its neighbours, in order, without overlap."""
        boxes = len(self.nodes)
        near: list[list[list[tuple[int, float]]]] = [[[] for _ in self.half] for _ in range(2)]
        for a, b in self.segments:
            weight = STRAIGHT if min(a, b) >= boxes else 2.0 if max(a, b) >= boxes else 1.0
            near[0][b].append((a, weight))
            near[1][a].append((b, weight))
        distances = [self._distances(column, row_gap) for column in self.columns]
        centre = [0.0] * len(self.half)
        for column, distance in zip(self.columns, distances, strict=True):
            for vertex, place in zip(column, distance - distance[-1] / 2, strict=True):
                centre[vertex] = float(place)
        for sweep in range(SWEEPS):
            sides = (near[:1], near[1:]) if sweep < SWEEPS // 2 else (near, near)
            rightwards = range(len(self.columns))
            for indexes, lists in ((rightwards, sides[0]), (rightwards[::-1], sides[1])):
                for index in indexes:
                    _settle(self.columns[index], distances[index], lists, centre)
        return centre

    def _distances(self, column: list[int], row_gap: float) -> np.ndarray:
        """How far below the first vertex of a column each one must be at least."""
        boxes = len(self.nodes)
        place, run = [0.0], [vertex >= boxes for vertex in column]
        for index in range(1, len(column)):
            a, b = column[index - 1], column[index]
            gap = row_gap if not run[index - 1] and not run[index] else BEND_MARGIN
            if run[index - 1] and run[index]:
                gap = min(LANE, CHANNEL / max(1, _run_length(run, index) - 1))
            place.append(place[-1] + self.half[a] + self.half[b] + gap)
        return np.array(place)

    def _widths(self, column_gap: tuple[float, float]) -> None:
        """Left side and width of each column."""
        boxes = len(self.nodes)
        between = [0] * len(self.columns)
        for (a, b), lanes in self.lanes.items():
            for column in range(self.column[self.nodes[a]], self.column[self.nodes[b]]):
                between[column] += len(lanes)
        left = 0.0
        self.column_left: list[float] = []
        self.column_width: list[float] = []
        for index, members in enumerate(self.columns):
            wide = max(self.sizes[self.nodes[vertex]][0] for vertex in members if vertex < boxes)
            self.column_left.append(left)
            self.column_width.append(wide)
            self.width = left + wide
            left += wide + min(column_gap[1], column_gap[0] + 1.5 * between[index])
        if any(self.column[source] == self.column[target] for source, target in self.ends):
            self.width += BULGE

    def _routes(self) -> dict[int, list[Point]]:
        """Points of each edge, from its source to its target; the ends share the side of a box in order."""
        ends: dict[tuple[int, bool], list[tuple[float, int]]] = defaultdict(list)  # (vertex, right side) -> edges
        for (a, b), chain in self.chains.items():
            for lane, index in enumerate(self.lanes[a, b]):
                ends[a, True].append((self.centre[chain[1]] + lane / 100, index))
                side = self.column[self.nodes[a]] == self.column[self.nodes[b]]  # both ends on the right side
                ends[b, side].append((self.centre[chain[-2]] + lane / 100, index))
        port: dict[tuple[int, int], float] = {}  # (edge, vertex) -> y
        for (vertex, _), goals in ends.items():
            room = min(2 * self.half[vertex] - 8, 6.0 * (len(goals) - 1))
            for place, (_, index) in enumerate(sorted(goals)):
                port[index, vertex] = self.centre[vertex] + room * (place / max(1, len(goals) - 1) - 0.5)
        routes = {}
        for (a, b), chain in self.chains.items():
            start, end = self.nodes[a], self.nodes[b]
            beside = self.column[start] == self.column[end]
            for lane, index in enumerate(self.lanes[a, b]):
                shift = LANE * (lane - (len(self.lanes[a, b]) - 1) / 2)
                points = [(self.left[start] + self.sizes[start][0], port[index, a])]
                for step, bend in enumerate(chain[1:-1], self.column[start] + 1):
                    y = self.centre[bend] + shift
                    points += [(self.column_left[step], y), (self.column_left[step] + self.column_width[step], y)]
                points.append((self.left[end] + (self.sizes[end][0] if beside else 0.0), port[index, b]))
                routes[index] = points if self.edges[index][0] == start else points[::-1]
        return routes


def _settle(
    column: list[int], distance: np.ndarray, near: Sequence[list[list[tuple[int, float]]]], centre: list[float]
) -> None:
    """Move the vertices of a column, in place, as near to their neighbours as order and distance allow.

    With the distances taken off, "in order without overlap" means "not falling": weighted isotonic regression.
    """
    blocks: list[list[float]] = []  # [mean, weight, number of vertices]
    for vertex, offset in zip(column, distance.tolist(), strict=True):
        weight = total = 0.0
        for side in near:
            for other, pull in side[vertex]:
                weight += pull
                total += pull * centre[other]
        mean, weight = (total / weight, weight) if weight else (centre[vertex], 0.05)
        blocks.append([mean - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, weight, number = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * weight) / (last[1] + weight)
            last[1] += weight
            last[2] += number
    places = [mean for mean, _, number in blocks for _ in range(int(number))]
    for vertex, offset, place in zip(column, distance.tolist(), places, strict=True):
        centre[vertex] = place + offset


def _run_length(run: list[bool], index: int) -> int:
    """Number of neighbouring bends around `index`."""
    first = last = index
    while first > 0 and run[first - 1]:
        first -= 1
    while last + 1 < len(run) and run[last + 1]:
        last += 1
    return last - first + 1


def _parts(count: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Connected parts, largest first; their nodes in ascending order."""
    root = list(range(count))

    def find(node: int) -> int:
        while root[node] != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    for source, target in edges:
        a, b = find(source), find(target)
        root[max(a, b)] = min(a, b)
    members: dict[int, list[int]] = defaultdict(list)
    for node in range(count):
        members[find(node)].append(node)
    return sorted(members.values(), key=lambda nodes: (-len(nodes), nodes[0]))


def _shelves(sizes: list[tuple[float, float]], aspect: float, gap: float) -> tuple[float, float, list[Point]]:
    """Pack boxes in the order given, row after row; width, height and the upper left corners."""
    area = sum((width + gap) * (height + gap) for width, height in sizes)
    room = max([math.sqrt(area * aspect), *(width for width, _ in sizes)])
    corners: list[Point] = []
    left = top = below = right = 0.0
    for width, height in sizes:
        if left > 0 and left + width > room:
            left, top = 0.0, below + gap
        corners.append((left, top))
        left += width + gap
        right, below = max(right, left - gap), max(below, top + height)
    return right, below, corners
