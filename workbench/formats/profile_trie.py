"""Stacks as one trie with content ids: what every format of profiles shares.

An id is a stable hash of what it stands for, so the same stack of another payload, process or day has the same id and
files merge without a lookup:

* frame: XXH64 (seed 0) of its canonical bytes, see `frame_ids`;
* node, which is a frame under a parent node: XXH64 (seed 0) of 16 bytes, parent id and frame id, little-endian each.

Both are cut to 63 bits, because tables have no unsigned integers, and 0 (which becomes 1) is kept for the empty stack:
the parent of every outermost frame, and the `stack_id` of a sample without a stack. A `stack_id` is the node of the
innermost frame. Nodes are computed for all stacks at once, one numpy step per depth, never one Python step per stack.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

EMPTY_STACK = 0
MASK = np.uint64(2**63 - 1)
FRAME_TEXTS = ("function", "system_name", "file", "frame_type", "mapping", "build_id", "attribute_types")
FRAME_NUMBERS = ("line", "column", "start_line", "inlined", "address")
_PRIME_1, _PRIME_2, _PRIME_3, _PRIME_4, _PRIME_5 = (
    np.uint64(prime)
    for prime in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)


@dataclass(frozen=True)
class Nodes:
    """Distinct nodes per group: a node that occurs on two days is there twice."""

    group: np.ndarray
    node_id: np.ndarray
    parent_id: np.ndarray
    frame_id: np.ndarray
    depth: np.ndarray  # 1 for an outermost frame


def frame_ids(frames: pa.Table | pa.RecordBatch) -> np.ndarray:
    """Content ids (int64) of rows with the columns of `profile_frames`.

    The canonical bytes are the text columns `FRAME_TEXTS`, each as its length in bytes, a colon and the text, then the
    numbers `FRAME_NUMBERS` in decimal (`inlined`: true or false), then the attributes; `~` where a value is NULL; all
    joined by semicolons.
    """
    pieces = [_measured(frames.column(name)) for name in FRAME_TEXTS]
    pieces += [pc.fill_null(frames.column(name).cast(pa.string()), "~") for name in FRAME_NUMBERS]
    pieces.append(_map_text(frames.column("attributes")))
    canonical = pc.binary_join_element_wise(*pieces, ";").cast(pa.binary())
    ids = np.array([xxhash.xxh64_intdigest(each) for each in canonical.to_pylist()], np.uint64)
    return _storable(ids)


def _measured(texts: pa.Array) -> pa.Array:
    lengths = pc.binary_length(texts).cast(pa.string())
    return pc.fill_null(pc.binary_join_element_wise(lengths, texts, ":"), "~")


def _map_text(maps: pa.Array) -> pa.Array:
    whole = maps.combine_chunks() if isinstance(maps, pa.ChunkedArray) else maps
    entries = pc.binary_join_element_wise(_measured(whole.keys), _measured(whole.items), "=")
    return pc.fill_null(pc.binary_join(pa.ListArray.from_arrays(whole.offsets, entries), ","), "~")


def node_ids(parent_id: np.ndarray, frame_id: np.ndarray) -> np.ndarray:
    """Content ids (int64) of nodes: XXH64 of 16 bytes, for whole columns at once."""
    with np.errstate(over="ignore"):
        found = np.full(len(parent_id), _PRIME_5 + np.uint64(16), np.uint64)
        for lane in (parent_id, frame_id):
            mixed = _rotated(lane.astype(np.uint64) * _PRIME_2, 31) * _PRIME_1
            found = _rotated(found ^ mixed, 27) * _PRIME_1 + _PRIME_4
        found = (found ^ (found >> np.uint64(33))) * _PRIME_2
        found = (found ^ (found >> np.uint64(29))) * _PRIME_3
    return _storable(found ^ (found >> np.uint64(32)))


def _rotated(values: np.ndarray, bits: int) -> np.ndarray:
    rotated: np.ndarray = (values << np.uint64(bits)) | (values >> np.uint64(64 - bits))
    return rotated


def _storable(ids: np.ndarray) -> np.ndarray:
    cut = (ids & MASK).astype(np.int64)
    cut[cut == EMPTY_STACK] = 1
    return cut


def runs(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Positions of runs, one after another: starts[i] .. starts[i] + counts[i] - 1 for every i."""
    before = np.cumsum(counts) - counts
    found: np.ndarray = np.repeat(starts - before, counts) + np.arange(int(counts.sum()))
    return found


def trie(frame_of: np.ndarray, counts: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, Nodes]:
    """Stacks as leaves of a trie.

    Args:
        frame_of: frame ids of all stacks one after another, innermost first.
        counts: number of frames per stack.
        group: per stack, a number (its day) within which nodes are distinct.

    Returns:
        The stack id per stack, and the distinct nodes.
    """
    ends = np.cumsum(counts)
    leaf = np.full(len(counts), EMPTY_STACK, np.int64)
    levels: list[tuple[np.ndarray, ...]] = []
    one_group = len(group) == 0 or bool((group == group[0]).all())
    active = np.flatnonzero(counts > 0)
    depth = 0
    while len(active):
        frame = frame_of[ends[active] - 1 - depth]
        parent = leaf[active]
        node = node_ids(parent, frame)
        if one_group:
            _, first = np.unique(node, return_index=True)
        else:
            order = np.lexsort((node, group[active]))
            new = np.ones(len(order), bool)
            new[1:] = (np.diff(node[order]) != 0) | (np.diff(group[active][order]) != 0)
            first = order[new]
        depth += 1
        levels.append((group[active][first], node[first], parent[first], frame[first], np.full(len(first), depth)))
        leaf[active] = node
        active = active[counts[active] > depth]
    if not levels:
        levels = [tuple(np.empty(0, np.int64) for _ in range(5))]
    return leaf, Nodes(*(np.concatenate([level[each] for level in levels]) for each in range(5)))
