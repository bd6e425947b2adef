"""In which order do the vertices of each layer stand, so that few edges cross?

Sweeps to the right and to the left put each vertex at the mean place of its neighbours in the layer before
(barycentre); after each round adjacent vertices swap where that removes crossings. The best order seen is kept.

Source: Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system structures" (1981); the swaps
are "transpose" of Gansner et al., "A technique for drawing directed graphs" (1993).
"""

from collections.abc import Sequence

import numpy as np

Segments = Sequence[tuple[int, int]]  # (vertex, vertex one layer to the right)


def order_layers(columns: list[list[int]], segments: Segments, *, rounds: int = 12) -> list[list[int]]:
    """The vertices of each layer from top to bottom.

    Args:
        columns: the vertices of each layer in any order; the result depends on that order, but not on chance.
        segments: edges between neighbouring layers only.
        rounds: pairs of sweeps, at most; stops after three without gain.
    """
    count = sum(map(len, columns))
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in segments:
        after[a].append(b)
        before[b].append(a)
    columns = _by_first_visit(columns, after)
    best, fewest, idle = columns, crossings(columns, segments), 0
    for _ in range(rounds):
        columns = [list(column) for column in columns]
        for index in range(1, len(columns)):
            _sort_by_mean(columns[index], columns[index - 1], before)
        for index in range(len(columns) - 2, -1, -1):
            _sort_by_mean(columns[index], columns[index + 1], after)
        _swap_neighbours(columns, before, after)
        now = crossings(columns, segments)
        idle = 0 if now < fewest else idle + 1
        if now < fewest:
            best, fewest = [list(column) for column in columns], now
        if not fewest or idle == 3:
            break
    return best


def crossings(columns: Sequence[Sequence[int]], segments: Segments) -> int:
    """How many pairs of segments cross when each layer stands in the order given."""
    place = {vertex: (index, row) for index, column in enumerate(columns) for row, vertex in enumerate(column)}
    by_layer: dict[int, list[tuple[int, int]]] = {}
    for a, b in segments:
        by_layer.setdefault(place[a][0], []).append((place[a][1], place[b][1]))
    total = 0
    for ends in by_layer.values():
        left, right = np.array(sorted(ends), np.int32).T
        for start in range(0, len(left), 512):  # blocks bound the memory at 512 x edges
            a, b = left[start : start + 512, None], right[start : start + 512, None]
            total += int(((a < left) & (b > right)).sum())
    return total


def _by_first_visit(columns: list[list[int]], after: list[list[int]]) -> list[list[int]]:
    """A walk from the left in depth: what hangs together starts out together."""
    seen: dict[int, None] = {}
    for column in columns:
        for root in column:
            stack = [root]
            while stack:
                vertex = stack.pop()
                if vertex not in seen:
                    seen[vertex] = None
                    stack.extend(reversed(after[vertex]))
    rank = {vertex: index for index, vertex in enumerate(seen)}
    return [sorted(column, key=rank.__getitem__) for column in columns]


def _sort_by_mean(column: list[int], fixed: list[int], neighbours: list[list[int]]) -> None:
    """Sort in place by the mean place of the neighbours in `fixed`; a vertex without any keeps its share of height."""
    place = {vertex: (row + 0.5) / len(fixed) for row, vertex in enumerate(fixed)}
    goal = {}
    for row, vertex in enumerate(column):
        near = neighbours[vertex]
        goal[vertex] = sum(place[other] for other in near) / len(near) if near else (row + 0.5) / len(column)
    column.sort(key=goal.__getitem__)


def _swap_neighbours(columns: list[list[int]], before: list[list[int]], after: list[list[int]]) -> None:
    """Swap vertices that stand next to each other, in place, wherever that leaves fewer crossings."""
    for _ in range(4):
        swapped = False
        for index, column in enumerate(columns):
            sides = []
            if index > 0:
                sides.append(_places(column, columns[index - 1], before))
            if index + 1 < len(columns):
                sides.append(_places(column, columns[index + 1], after))
            for row in range(len(column) - 1):
                a, b = column[row], column[row + 1]
                gain = sum(_inversions(side[a], side[b]) - _inversions(side[b], side[a]) for side in sides)
                if gain > 0:
                    column[row], column[row + 1] = b, a
                    swapped = True
        if not swapped:
            break


def _places(column: list[int], other: list[int], neighbours: list[list[int]]) -> dict[int, list[int]]:
    """The sorted places in `other` of each vertex's neighbours."""
    place = {vertex: row for row, vertex in enumerate(other)}
    return {vertex: sorted(place[near] for near in neighbours[vertex]) for vertex in column}


def _inversions(upper: list[int], lower: list[int]) -> int:
    """Crossings between the edges of two vertices when the first stands above the second; both lists are sorted."""
    total = below = 0
    for place in upper:
        while below < len(lower) and lower[below] < place:
            below += 1
        total += below
    return total
