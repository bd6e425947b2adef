"""The chart of requests, errors and durations: what is drawn of which table."""

import datetime
import itertools

import polars as pl
import pytest

import workbench as wb

NOON = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
PERCENTILES = ["p50_ms", "p95_ms", "p99_ms"]


def red(*services: str, buckets: int = 3, **columns) -> pl.DataFrame:
    rows = [
        {"bucket_start": NOON + datetime.timedelta(minutes=at), "service_name": service, "seconds": 60.0}
        | {"calls": 60 * (number + 1), "rate_per_second": float(number + 1), "errors": 6, "error_ratio": 0.1}
        | dict(zip(PERCENTILES, (5.0, 9.0, 10.0), strict=True))
        for number, service in enumerate(services)
        for at in range(buckets)
    ]
    return pl.DataFrame(rows, schema_overrides={"bucket_start": pl.Datetime("us", "UTC")}).with_columns(**columns)


def drawn(figure, panel: int) -> list:
    return [
        trace for trace in figure.data if trace.yaxis == f"y{panel if panel > 1 else ''}" and trace.visible is not False
    ]


def test_one_service_is_drawn_with_its_three_percentiles():
    figure = wb.widgets.red_figure(red("web"))
    assert [trace.name for trace in drawn(figure, 3)] == ["p50", "p95", "p99"]
    assert list(drawn(figure, 2)[0].y) == [10, 10, 10]  # percent
    assert figure.layout.updatemenus == ()


def test_several_services_are_drawn_with_one_percentile_and_buttons_for_the_others():
    figure = wb.widgets.red_figure(red("web", "pay"))
    assert [trace.name for trace in drawn(figure, 1)] == ["pay", "web"]  # most calls first
    assert [list(trace.y) for trace in drawn(figure, 3)] == [[9, 9, 9]] * 2
    (menu,) = figure.layout.updatemenus
    shown = {button.label: button.args[0]["visible"] for button in menu.buttons}
    for label, column in (("p50", 5), ("p95", 9), ("p99", 10)):
        traces = [trace for trace, visible in zip(figure.data, shown[label], strict=True) if visible]
        assert [list(trace.y) for trace in traces if trace.yaxis == "y3"] == [[column] * 3] * 2
        assert len(traces) == 6


def test_more_than_eight_lines_are_grey_and_neighbours_differ_in_their_dashes():
    figure = wb.widgets.red_figure(red(*(f"s{number:02}" for number in range(12))))
    colours = [trace.line.color for trace in drawn(figure, 1)]
    assert len(set(colours[:8])) == 8
    assert len(set(colours[8:])) == 1
    dashes = [trace.line.dash for trace in drawn(figure, 1)][:8]
    assert all(one != other for one, other in itertools.pairwise(dashes))


def test_operations_are_named_with_their_service_where_there_are_several():
    one = red("web").with_columns(operation=pl.lit("GET /"))
    both = red("web", "pay").with_columns(operation=pl.lit("GET /"))
    assert {trace.legendgroup for trace in drawn(wb.widgets.red_figure(one), 1)} == {"line 0"}
    assert {trace.name for trace in drawn(wb.widgets.red_figure(both), 1)} == {"web · GET /", "pay · GET /"}


def test_a_bucket_that_the_window_cuts_is_left_out():
    cut = red("web", seconds=pl.Series([60.0, 60.0, 0.02]))
    assert len(drawn(wb.widgets.red_figure(cut), 1)[0].x) == 2


def test_a_change_is_marked_at_the_panel_of_its_measure_in_the_colour_of_its_line():
    changes = pl.DataFrame(
        {
            "service_name": ["web", "web", "web", "gone"],
            "measure": ["error_ratio", "p95_ms", "p50_ms", "p95_ms"],  # the p50 overlaps the p95 and adds nothing
            "from_time": [NOON] * 4,
            "to_time": [NOON + datetime.timedelta(minutes=1)] * 4,
        }
    )
    figure = wb.widgets.red_figure(red("web", "pay"), changes=changes)
    colour = next(trace.line.color for trace in drawn(figure, 1) if trace.name == "web")
    bars = [shape for shape in figure.layout.shapes if shape.y0 > 1]
    assert [(bar.yref, bar.fillcolor) for bar in bars] == [("y2 domain", colour), ("y3 domain", colour)]
    assert len(figure.layout.shapes) == 2 * len(bars)  # below each, the panel is shaded


def test_changes_at_one_time_hide_none_of_each_other():
    changes = pl.DataFrame(
        {
            "service_name": ["web", "pay", "web"],
            "measure": ["p95_ms"] * 3,
            "from_time": [NOON, NOON, NOON + datetime.timedelta(minutes=1)],
            "to_time": [NOON + datetime.timedelta(minutes=each) for each in (1, 2, 2)],
        }
    )
    shapes = wb.widgets.red_figure(red("web", "pay"), changes=changes).layout.shapes
    first, other, later = (shape for shape in shapes if shape.y0 > 1)
    assert first.y0 == later.y0
    assert other.y0 > first.y1
    assert len(shapes) == 5  # the panel is shaded for the two of the first lane only


def test_no_rows_say_so():
    figure = wb.widgets.red_figure(red("web").clear())
    assert "no requests in this window" in [each.text for each in figure.layout.annotations]


def test_a_hostile_name_is_text():
    figure = wb.widgets.red_figure(red("<a href='javascript:x'>", "b"), title="<img src=x>")
    assert "<" not in "".join(trace.name for trace in figure.data)
    assert "<" not in figure.layout.title.text


def test_another_table_is_refused_with_the_missing_columns():
    with pytest.raises(ValueError, match="no error_ratio, p95_ms; hand in the answer"):
        wb.widgets.red_figure(red("web").drop("error_ratio", "p95_ms"))
