"""Places of boxes, arrows and labels: `widgets.layered_layout`, `layers`, `crossings`, `label_places`."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widgets.crossings import crossings, order_layers
from widgets.label_places import label_places, on_curve
from widgets.layered_layout import Layout, layered_layout
from widgets.layers import flow_order, layers

WIDTH, HEIGHT = 150.0, 50.0
SWING = 34.0  # how far edges inside of a column bow out


@st.composite
def graphs(draw):
    """Number of nodes and edges of any kind: repeated, in cycles, from a node to itself; parts may hang apart."""
    count = draw(st.integers(1, 24))
    node = st.integers(0, count - 1)
    return count, draw(st.lists(st.tuples(node, node), max_size=60))


def laid_out(count: int, edges: list[tuple[int, int]], **options: object) -> Layout:
    return layered_layout([(WIDTH, HEIGHT)] * count, edges, **options)


def pieces(route):
    """Points along an edge as it is drawn: curves and straight pieces in turn."""
    if len(route) == 2 and abs(route[0][0] - route[1][0]) < 1:
        return [on_curve(*route, step / 20, SWING) for step in range(1, 20)]
    points = []
    for index, (start, end) in enumerate(itertools.pairwise(route)):
        for step in range(1, 20):
            t = step / 20
            straight = (start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1]))
            points.append(straight if index % 2 else on_curve(start, end, t))
    return points


@given(graphs())
def test_boxes_do_not_overlap_and_lie_within_the_picture(graph):
    layout = laid_out(*graph)
    boxes = list(zip(layout.x, layout.y, strict=True))
    for (x, y), (other_x, other_y) in itertools.combinations(boxes, 2):
        assert abs(x - other_x) >= WIDTH or abs(y - other_y) >= HEIGHT
    for x, y in boxes:
        assert x >= -1e-6
        assert y >= -1e-6
        assert x + WIDTH <= layout.width + 1e-6
        assert y + HEIGHT <= layout.height + 1e-6


@given(graphs())
def test_every_edge_goes_from_its_source_to_its_target(graph):
    count, edges = graph
    layout = laid_out(count, edges)
    assert len(layout.routes) == len(edges)
    for (source, target), route in zip(edges, layout.routes, strict=True):
        if source == target:
            assert route == []
            continue
        for node, (x, y) in ((source, route[0]), (target, route[-1])):
            assert min(abs(x - layout.x[node]), abs(x - layout.x[node] - WIDTH)) < 1e-6
            assert layout.y[node] - 1e-6 <= y <= layout.y[node] + HEIGHT + 1e-6


@given(graphs())
def test_no_edge_runs_through_a_box(graph):
    count, edges = graph
    layout = laid_out(count, edges)
    for route in layout.routes:
        for x, y in pieces(route) if route else []:
            inside = [
                node
                for node in range(count)
                if layout.x[node] + 0.5 < x < layout.x[node] + WIDTH - 0.5
                and layout.y[node] < y < layout.y[node] + HEIGHT
            ]
            assert inside == []


@given(graphs())
def test_the_same_graph_gets_the_same_places(graph):
    assert laid_out(*graph) == laid_out(*graph)


@given(graphs())
def test_without_cycles_all_arrows_point_right(graph):
    count, edges = graph
    forward = [(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]]
    layout = laid_out(count, forward)
    if max(layout.column) + 1 <= 8:  # longer chains may be cut into columns of equal size
        assert all(layout.column[source] < layout.column[target] for source, target in forward)


def test_a_chain_stands_in_a_row_and_a_lonely_node_below_or_beside():
    layout = laid_out(4, [(0, 1), (1, 2)])
    assert layout.column[:3] == [0, 1, 2]
    assert layout.y[0] == layout.y[1] == layout.y[2]
    assert layout.part == [0, 0, 0, 1]


def test_in_a_cycle_the_edge_with_the_fewest_calls_goes_backward():
    layout = laid_out(3, [(0, 1), (1, 2), (2, 0)], calls=[100, 100, 3])
    assert layout.column == [0, 1, 2]
    turned = laid_out(3, [(0, 1), (1, 2), (2, 0)], calls=[3, 100, 100])
    assert turned.column == [2, 0, 1]


def test_two_edges_of_one_pair_do_not_lie_on_one_another():
    first, second = laid_out(2, [(0, 1), (0, 1)]).routes
    assert first[0][1] != second[0][1]
    assert first[-1][1] != second[-1][1]


def test_no_nodes_are_an_empty_picture():
    layout = laid_out(0, [])
    assert (layout.width, layout.height, layout.routes) == (0.0, 0.0, [])


def test_three_hundred_services_get_a_picture_of_readable_shape():
    chance = random.Random(7)
    edges = [(a, chance.randrange(a + 1, min(300, a + 90))) for a in range(299) for _ in range(chance.randrange(1, 6))]
    layout = laid_out(300, edges)
    assert 0.4 < layout.width / layout.height < 4
    boxes = sorted(zip(layout.x, layout.y, strict=True))
    for (x, y), (next_x, next_y) in itertools.pairwise(boxes):
        assert x != next_x or next_y - y >= HEIGHT
    left, top = np.array(layout.x), np.array(layout.y)
    for route in layout.routes:
        x, y = np.array(pieces(route)).T[:, :, None]
        assert not ((left + 0.5 < x) & (x < left + WIDTH - 0.5) & (top < y) & (y < top + HEIGHT)).any()


def test_callers_come_before_callees_whatever_their_numbers():
    assert flow_order(3, {(2, 1): 1.0, (1, 0): 1.0}) == [2, 1, 0]


def test_a_shared_database_stands_right_of_all_its_callers():
    assert layers(4, {(0, 1): 1.0, (1, 3): 1.0, (2, 3): 1.0, (0, 2): 1.0}, rows=5, columns=8) == [0, 1, 1, 2]


def test_a_column_holds_no_more_than_its_rows():
    pairs = {(0, node): 1.0 for node in range(1, 8)}
    column = layers(8, pairs, rows=3, columns=8)
    assert max(column.count(each) for each in set(column)) <= 3


@pytest.mark.parametrize(
    ("order", "expected"), [([[0, 1], [2, 3]], 1), ([[0, 1], [3, 2]], 0), ([[1, 0], [3, 2]], 1)], ids=str
)
def test_crossings_are_counted(order, expected):
    assert crossings(order, [(0, 3), (1, 2)]) == expected


def test_a_crossing_that_can_be_avoided_is_avoided():
    segments = [(0, 3), (1, 2)]
    assert crossings(order_layers([[0, 1], [2, 3]], segments), segments) == 0


@settings(max_examples=50)
@given(graphs())
def test_ordering_never_adds_crossings(graph):
    count, edges = graph
    segments = sorted({(source, count + target) for source, target in edges})
    columns = [list(range(count)), list(range(count, 2 * count))]
    ordered = order_layers(columns, segments)
    assert [sorted(column) for column in ordered] == columns
    assert crossings(ordered, segments) <= crossings(columns, segments)


@given(graphs())
def test_labels_cover_neither_each_other_nor_boxes(graph):
    layout = laid_out(*graph)
    boxes = [(x, y, x + WIDTH, y + HEIGHT) for x, y in zip(layout.x, layout.y, strict=True)]
    places = label_places(layout.routes, [(40.0, 14.0)] * len(layout.routes), boxes)
    drawn = [(x - 20, y - 7, x + 20, y + 7) for x, y in filter(None, places)]
    for a, b in itertools.product(drawn, boxes + drawn):
        assert a is b or a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_lone_edge_has_its_label_in_its_middle():
    layout = laid_out(2, [(0, 1)])
    (place,) = label_places(layout.routes, [(40.0, 14.0)], [])
    assert place == on_curve(layout.routes[0][0], layout.routes[0][1], 0.5)
