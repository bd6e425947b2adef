"""Requests, errors and durations over time: three panels above one another, over one axis of time.

One line (a service or an operation): its p50, p95 and p99. Several lines: one percentile of each, with buttons for the
others. Colours can be told apart by colour-blind readers (Paul Tol's "bright", on light and on dark ground), and
neighbours differ in their dashes too. What does not fit into eight colours is drawn thin and grey.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

COLOURS = ("#4477aa", "#ee7733", "#228833", "#aa3377", "#33a5c7", "#b59b00", "#ee6677", "#009988")
DASHES = ("solid", "dash", "dot", "dashdot")
PERCENTILES = ("p50_ms", "p95_ms", "p99_ms")
FIGURES = ("calls", "rate_per_second", "error_ratio", *PERCENTILES)
PANEL_OF = {"rate_per_second": 1, "error_ratio": 2, "p50_ms": 3, "p95_ms": 3}
GREY, GRID = "#7d8790", "rgba(128,136,144,0.22)"
HEIGHT, MARGIN_TOP, MARGIN_BOTTOM = 690, 64, 40
BETWEEN = 0.11  # of the height, between panels: for bars of changes, the title and buttons
PANEL_TOP = (1 - 2 * BETWEEN) / 3  # of the lowest panel, and so the height of each
LANE, MOST_LANES = 0.045, 5  # height of a bar of changes, in heights of a panel
PANELS = ("Requests per second", "Failed requests, %", "Duration, ms")


def red_figure(red: "pl.DataFrame", *, changes: "pl.DataFrame | None" = None, title: str = "") -> "go.Figure":
    """Draw the answer of `wb.red`.

    Args:
        red: one row per line and bucket_start: service_name or operation, rate_per_second, error_ratio (0..1), calls,
            p50_ms, p95_ms, p99_ms. Of more than eight lines those with most calls get a colour.
        changes: stretches to mark above the panel of their measure, in the colour of their line, as `wb.health_changes`
            gives them (service_name, operation if any, measure, from_time, to_time).
        title: above the figure; none by default.

    A bucket of which the window holds less than half (column `seconds`) is left out.

    Returns:
        A plotly figure. Without rows it says so in the middle.

    Raises:
        ValueError: a column is missing.
    """
    import polars as pl
    from plotly.subplots import make_subplots

    missing = sorted({"bucket_start", "service_name", *FIGURES} - set(red.columns))
    if missing:
        raise ValueError(f"red_figure: the table has no {', '.join(missing)}; hand in the answer of wb.red")
    frame = _named(red)
    if "seconds" in frame.columns:  # a bucket that the window cuts has few requests and wild figures
        frame = frame.filter(pl.col("seconds") >= pl.col("seconds").max() / 2)
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=BETWEEN, subplot_titles=PANELS)
    totals = frame.group_by("line").agg(pl.col("calls").sum()).sort("calls", "line", descending=[True, False])
    lines = totals["line"].to_list()
    for place, name in enumerate(lines):
        _add_line(figure, name, frame.filter(pl.col("line") == name).sort("bucket_start"), place, len(lines))
    lanes = _shade(figure, _named(changes), lines) if changes is not None and lines else {}
    _lay_out(figure, title, lanes, several=len(lines) > 1, empty=not lines)
    return figure


def _named(red: "pl.DataFrame") -> "pl.DataFrame":
    """The table with a column `line`: the operation where there is one, with its service where there are several."""
    import polars as pl

    if "operation" not in red.columns:
        return red.with_columns(line=pl.col("service_name"))
    one = red["service_name"].n_unique() <= 1
    return red.with_columns(line="operation" if one else pl.concat_str("service_name", "operation", separator=" · "))


def _add_line(figure: "go.Figure", name: str, rows: "pl.DataFrame", place: int, count: int) -> None:
    coloured = place < len(COLOURS)
    colour = COLOURS[place] if coloured else GREY
    pen = {"color": colour, "width": 2 if coloured else 1, "dash": DASHES[place % 2] if coloured else "solid"}
    label = _cut(name)
    shared: dict[str, Any] = {
        "x": rows["bucket_start"].to_list(),
        "name": label,
        "legendgroup": f"line {place}",
        "mode": "lines",
        "line": pen,
        "opacity": 1 if coloured else 0.5,
    }
    ratio = (rows["error_ratio"] * 100).to_list()
    figure.add_scatter(
        **shared, y=rows["rate_per_second"].to_list(), showlegend=count > 1, row=1, col=1, hovertemplate="%{y:.3g}/s"
    )
    figure.add_scatter(**shared, y=ratio, showlegend=False, row=2, col=1, hovertemplate="%{y:.3g} %")
    for at, percentile in enumerate(PERCENTILES):
        alone: dict[str, Any] = {}
        if count == 1:  # the percentiles are the lines
            alone = {"name": percentile[:3], "line": {"color": COLOURS[at], "width": 2, "dash": DASHES[at]}}
        figure.add_scatter(
            **(shared | alone | {"legendgroup": percentile if count == 1 else shared["legendgroup"]}),
            y=rows[percentile].to_list(),
            showlegend=count == 1,
            visible=count == 1 or percentile == "p95_ms",
            hovertemplate="%{y:,.3~f} ms",
            row=3,
            col=1,
        )


def _shade(figure: "go.Figure", changes: "pl.DataFrame", lines: list[str]) -> dict[int, int]:
    """A bar above the panel for each stretch, in lanes so that none hides another; number of lanes by panel.

    Of stretches of p50 and p95 that overlap, the first is drawn. Below the bars of the first lane, which do not
    overlap, the panel is shaded too.
    """
    drawn: list[tuple[str, int, Any, Any]] = []
    lanes: dict[int, list[list[tuple[Any, Any]]]] = {panel: [] for panel in (1, 2, 3)}
    for row in changes.iter_rows(named=True):
        name, panel, start, end = row["line"], PANEL_OF[row["measure"]], row["from_time"], row["to_time"]
        covered = any(each[:2] == (name, panel) and each[2] < end and start < each[3] for each in drawn)
        if covered or name not in lines:
            continue
        lane = next(
            (at for at, taken in enumerate(lanes[panel]) if all(e <= start or end <= s for s, e in taken)),
            len(lanes[panel]),
        )
        if lane == MOST_LANES:
            continue
        if lane == len(lanes[panel]):
            lanes[panel].append([])
        lanes[panel][lane].append((start, end))
        drawn.append((name, panel, start, end))
        place = lines.index(name)
        span = {"x0": start, "x1": end, "line_width": 0, "fillcolor": COLOURS[place] if place < len(COLOURS) else GREY}
        if lane == 0:
            figure.add_vrect(**span, row=panel, col=1, opacity=0.1, layer="below")
        axis = "" if panel == 1 else str(panel)
        edges = {"y0": 1 + LANE * (lane + 0.2), "y1": 1 + LANE * (lane + 0.9)}
        figure.add_shape(**span, **edges, xref=f"x{axis}", yref=f"y{axis} domain", opacity=0.85)
    return {panel: len(taken) for panel, taken in lanes.items()}


def _lay_out(figure: "go.Figure", title: str, lanes: dict[int, int], *, several: bool, empty: bool) -> None:
    import plotly.graph_objects as go

    axis = {"gridcolor": GRID, "linecolor": GRID, "zerolinecolor": GRID, "automargin": True}
    template = go.layout.Template(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": GREY, "size": 13},
            "xaxis": axis,
            "yaxis": axis,
        }
    )
    figure.update_layout(
        template=template,
        height=HEIGHT + (40 if title else 0),
        hovermode="x unified",
        margin={"l": 56, "r": 12, "t": MARGIN_TOP + (32 if title else 0), "b": MARGIN_BOTTOM},
        legend={"orientation": "h", "x": 0, "y": 1.06, "xanchor": "left", "yanchor": "bottom", "itemwidth": 30},
    )
    beside = PANEL_TOP * (1 + LANE * lanes.get(3, 0)) + 0.005
    if not several:  # the legend is for the percentiles: beside their panel's title
        figure.update_layout(legend={"x": 1, "y": beside, "xanchor": "right"}, margin_t=72 if title else 32)
    if title:
        place = {"x": 0, "xref": "paper", "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8}}
        figure.update_layout(title={"text": _cut(title), "font": {"size": 16}} | place)
    figure.update_annotations(x=0, xanchor="left", font_size=13)  # the panels' titles
    panel_pixels = (HEIGHT - MARGIN_TOP - MARGIN_BOTTOM) * PANEL_TOP
    for panel, count in lanes.items():
        figure.layout.annotations[panel - 1].update(yshift=count * LANE * panel_pixels)
    figure.update_yaxes(rangemode="tozero", nticks=5)
    figure.update_xaxes(title_text="time (UTC)", title_font_size=12, row=3, col=1)
    if several:
        figure.update_layout(updatemenus=[_choice(len(figure.data), beside)])
    if empty:
        figure.update_layout(height=140, annotations=(), title_text="")
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
        text = "no requests in this window"
        figure.add_annotation(text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font_size=15)


def _choice(traces: int, bottom: float) -> dict[str, Any]:
    """Buttons that show one percentile of every line."""
    buttons = []
    for at, percentile in enumerate(PERCENTILES):
        shown = [position % 5 < 2 or position % 5 == 2 + at for position in range(traces)]
        buttons.append({"label": percentile[:3], "method": "restyle", "args": [{"visible": shown}]})
    place = {"x": 1, "xanchor": "right", "y": bottom, "yanchor": "bottom", "pad": {"t": 0, "b": 2}}
    look = {"font": {"size": 12, "color": GREY}, "bordercolor": GRID, "bgcolor": "rgba(0,0,0,0)"}
    return {"type": "buttons", "direction": "right", "active": 1, "buttons": buttons, "showactive": True} | place | look


def _cut(name: str) -> str:
    """Names are telemetry: plotly reads some HTML in them, and long ones would fill the legend."""
    short = name if len(name) <= 48 else f"{name[:30]}…{name[-17:]}"
    return short.replace("&", "&amp;").replace("<", "&lt;")
