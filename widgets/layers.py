"""In which column does each node of a directed graph stand, when most arrows shall point to the right?

`flow_order` puts the nodes into a sequence with few edges against it (greedy: sinks to the end, sources to the start,
else the node with the largest surplus of outgoing edges); edges against the sequence are backward, the rest has no
cycle. Columns are then filled from the left: a node may enter once all its callers stand further left, nodes at the
head of long chains first, so many per column. At last every node moves to where its edges are shortest, so that a
database stands beside its callers and a client beside what it calls.

In a large, densely connected graph the longest chain is far longer than any request's path, and that picture would be a
ribbon. Such a graph is cut into few columns of equal size by the nodes' levels: the heights that come closest, in least
squares, to "every callee one further right than its caller". Some edges then stay inside a column or point left.

Source: Eades, Lin, Smyth, "A fast and effective heuristic for the feedback arc set problem" (1993); Coffman, Graham,
"Optimal scheduling for two-processor systems" (1972), whose order of candidates is simplified here; MacKay, Johnson,
Sansom, "How directed is a directed network?" (2020) for the levels.
"""

import math
from collections.abc import Mapping

import numpy as np

Pairs = Mapping[tuple[int, int], float]  # (source, target) without self-edges -> calls


def flow_order(count: int, pairs: Pairs) -> list[int]:
    """All nodes 0..count-1, callers before callees where no cycle forbids it.

    In a cycle the edges with fewer calls go backward where the number of edges does not decide; the same input gives
    the same order.
    """
    callees: list[dict[int, float]] = [{} for _ in range(count)]
    callers: list[dict[int, float]] = [{} for _ in range(count)]
    for (source, target), calls in sorted(pairs.items()):
        callees[source][target] = calls
        callers[target][source] = calls
    left, right, rest = list[int](), list[int](), set(range(count))

    def take(node: int) -> None:
        rest.discard(node)
        for other in callees[node]:
            callers[other].pop(node, None)
        for other in callers[node]:
            callees[other].pop(node, None)

    def surplus(node: int) -> tuple[float, float, int]:
        calls = sum(callees[node].values()) - sum(callers[node].values())
        return (len(callees[node]) - len(callers[node]), calls, -node)

    while rest:
        sources = sorted(node for node in rest if not callers[node])
        for node in sources:
            take(node)
        left += sources
        sinks = [] if sources else sorted(node for node in rest if not callees[node])
        for node in sinks:
            take(node)
        right = sinks + right
        if rest and not sources and not sinks:
            best = max(rest, key=surplus)
            take(best)
            left.append(best)
    return left + right


def layers(count: int, pairs: Pairs, *, rows: int, columns: int) -> list[int]:
    """The column (0 is leftmost, none is empty) of each node of a connected graph.

    Args:
        rows: at most this many nodes in a column, 1 or more.
        columns: as soon as chains need more than this, columns are cut by level instead.
    """
    rank = {node: index for index, node in enumerate(flow_order(count, pairs))}
    layer = _by_chains(count, {pair for pair in pairs if rank[pair[0]] < rank[pair[1]]}, rows)
    if max(layer) + 1 > columns:
        layer = _by_levels(count, pairs, rows)
    used = {column: index for index, column in enumerate(sorted(set(layer)))}
    return [used[column] for column in layer]


def _by_chains(count: int, pairs: set[tuple[int, int]], rows: int) -> list[int]:
    """Columns in which every one of `pairs`, which have no cycle, points to the right."""
    callees: list[list[int]] = [[] for _ in range(count)]
    callers: list[list[int]] = [[] for _ in range(count)]
    for source, target in sorted(pairs):
        callees[source].append(target)
        callers[target].append(source)
    chain = _longest_chains(count, callees, callers)
    layer = [-1] * count
    waiting = [len(callers[node]) for node in range(count)]
    ready = [node for node in range(count) if not waiting[node]]
    column = 0
    while ready:
        ready.sort(key=lambda node: (-chain[node], -len(callees[node]), node))
        chosen, ready = ready[:rows], ready[rows:]
        for node in chosen:
            layer[node] = column
        for node in chosen:
            for other in callees[node]:
                waiting[other] -= 1
                if not waiting[other]:
                    ready.append(other)
        column += 1
    _shorten(layer, callees, callers, rows)
    return layer


def _by_levels(count: int, pairs: Pairs, rows: int) -> list[int]:
    """Columns of equal size in the order of the levels, then moves that make edges point right and be short."""
    ends = np.array(sorted(pairs), np.int64)
    source, target = ends[:, 0], ends[:, 1]
    laplacian = np.zeros((count, count))
    np.add.at(laplacian, (source, target), -1.0)
    np.add.at(laplacian, (target, source), -1.0)
    laplacian[np.arange(count), np.arange(count)] = -laplacian.sum(axis=1)
    surplus = np.bincount(target, minlength=count) - np.bincount(source, minlength=count)
    laplacian[0, 0] += 1.0  # the levels are free up to a constant: pin one, so that the system has one solution
    level = np.linalg.solve(laplacian, surplus.astype(float)).round(9)
    order = sorted(range(count), key=lambda node: (level[node], node))
    width = math.ceil(count / math.ceil(count / rows))
    layer = [0] * count
    for place, node in enumerate(order):
        layer[node] = place // width
    out: list[list[int]] = [[] for _ in range(count)]
    into: list[list[int]] = [[] for _ in range(count)]
    for a, b in sorted(pairs):
        out[a].append(b)
        into[b].append(a)
    size = np.bincount(layer).tolist()
    for _ in range(6):
        moved = False
        for node in order:
            here = layer[node]
            goals = [c for c in (here - 1, here + 1) if 0 <= c < len(size) and size[c] < rows]
            best = min([here, *goals], key=lambda column: _cost(column, node, layer, out, into))
            if best != here:
                size[here] -= 1
                size[best] += 1
                layer[node] = best
                moved = True
        if not moved:
            break
    return layer


def _cost(column: int, node: int, layer: list[int], out: list[list[int]], into: list[list[int]]) -> float:
    """How bad the edges of `node` would look in `column`: length, and much more for not pointing right."""
    spans = [layer[other] - column for other in out[node]] + [column - layer[other] for other in into[node]]
    return sum(span if span > 0 else 4.0 - span for span in spans)


def _longest_chains(count: int, callees: list[list[int]], callers: list[list[int]]) -> list[int]:
    """Number of edges on the longest path that starts at each node."""
    chain = [0] * count
    waiting = [len(callees[node]) for node in range(count)]
    done = [node for node in range(count) if not waiting[node]]
    for node in done:  # grows while it is walked: a node joins after its last callee
        for caller in callers[node]:
            chain[caller] = max(chain[caller], chain[node] + 1)
            waiting[caller] -= 1
            if not waiting[caller]:
                done.append(caller)
    return chain


def _shorten(layer: list[int], callees: list[list[int]], callers: list[list[int]], rows: int) -> None:
    """Move nodes, in place, within the room that their neighbours leave, while that makes edges shorter."""
    size = [0] * (max(layer, default=-1) + 1)
    for column in layer:
        size[column] += 1
    for _ in range(6):
        moved = False
        for node in sorted(range(len(layer)), key=lambda node: (-layer[node], node)):
            low = max((layer[other] + 1 for other in callers[node]), default=0)
            high = min((layer[other] - 1 for other in callees[node]), default=len(size) - 1)
            pull = len(callers[node]) - len(callees[node])
            columns = range(low, high + 1) if pull >= 0 else range(high, low - 1, -1)
            goal = next((column for column in columns if size[column] < rows or column == layer[node]), layer[node])
            if pull != 0 and goal != layer[node]:
                size[layer[node]] -= 1
                size[goal] += 1
                layer[node] = goal
                moved = True
        if not moved:
            break
