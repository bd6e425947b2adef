"""Parents are found wherever they lie: a few rows before their child, in the same piece of the scan, or far away."""

import numpy as np

from workbench.topology.span_tree import PIECE, _parents


def _expected(span_key, parent_key) -> list[int]:
    position = {key: at for at, key in enumerate(span_key.tolist())}
    return [position.get(key, -1) if key else -1 for key in parent_key.tolist()]


def test_a_parent_is_found_near_in_its_piece_and_anywhere_else():
    random = np.random.default_rng(7)
    count = PIECE + 1000
    span_key = random.permutation(np.arange(1, count + 1, dtype=np.uint64))
    chosen = np.arange(count) - np.tile([1, 3, 8, 9, -2, 0, PIECE], count)[:count]
    parent_key = span_key[chosen % count]
    parent_key[::5] = 0  # names no parent
    parent_key[::11] = count + 7  # names one that is not there
    assert _parents(span_key, parent_key).tolist() == _expected(span_key, parent_key)


def test_who_names_no_parent_has_none_though_a_span_cannot_be_found_by_its_key():
    span_key, parent_key = np.array([0, 5, 6], np.uint64), np.array([0, 0, 5], np.uint64)
    assert _parents(span_key, parent_key).tolist() == [-1, -1, 1]


def test_of_no_spans_and_of_one_span_there_are_no_parents():
    nothing, one = np.array([], np.uint64), np.array([3], np.uint64)
    assert _parents(nothing, nothing).tolist() == []
    assert _parents(one, one * 0).tolist() == [-1]
