"""`wb.widgets.ServiceMap`: what it shows, what it answers to mouse and keyboard, what comes back to Python."""

import re
from types import SimpleNamespace
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from traitlets import TraitError

import workbench as wb
from tests.browser import mount, screenshot
from tests.literals import spans
from widgets import ServiceMap
from widgets.figures import count, duration, error_class, latency_class, share
from widgets.text_width import fitted, text_width

#         source       target      protocol asynchronous calls errors p95_ms
EDGES = """
        storefront   checkout      http      no    1000    20   200
        storefront   inventory     http      no    9000     0     6
        checkout     payments      grpc      no     900   300   800
        checkout     payments      http      no      90     0    90
        checkout     mail          redis     yes    850     0     1
        mail         mailer        redis     yes    850     0    40
        payments     ledger        sql       no    2700     0    14
"""
KINDS = {"mail": "queue", "ledger": "database"}


def tables(text: str = EDGES) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Nodes and edges; a node's figures are those of the edges into it."""
    edges = []
    for line in text.strip().splitlines():
        source, target, protocol, asynchronous, calls, errors, p95 = line.split()
        figures = {
            "calls": int(calls),
            "errors": int(errors),
            "error_ratio": int(errors) / int(calls),
            "p95_ms": float(p95),
        }
        edges.append(
            {"source": source, "target": target, "protocol": protocol, "asynchronous": asynchronous == "yes"} | figures
        )
    ids = sorted({end for edge in edges for end in (edge["source"], edge["target"])})
    nodes = []
    for name in ids:
        into = [edge for edge in edges if edge["target"] == name]
        calls, errors = (sum(edge[figure] for edge in into) for figure in ("calls", "errors"))
        p95 = max((edge["p95_ms"] for edge in into), default=None)
        figures = {"calls": calls, "errors": errors, "error_ratio": errors / calls if calls else None, "p95_ms": p95}
        nodes.append({"id": name, "name": name, "kind": KINDS.get(name, "service")} | figures)
    return pl.DataFrame(nodes), pl.DataFrame(edges)


def shop(**options: Any) -> ServiceMap:
    return ServiceMap(*tables(), **options)


def hundreds(services: int = 300) -> ServiceMap:
    """Each service calls a few of the next ones."""
    rows = [f"service-{a} service-{a + step} http no {a + 1} 0 5" for a in range(services) for step in (1, 7, 31)]
    return ServiceMap(*tables("\n".join(row for row in rows if int(row.split("-")[2].split()[0]) < services)))


# Tables and selection, without a browser


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow", "dictionaries"])
def test_tables_of_any_library_are_taken_and_selected_rows_come_back_as_they_were(library):
    convert = {
        "polars": lambda frame: frame,
        "pandas": lambda frame: pd.DataFrame(frame.to_dicts()),
        "pyarrow": lambda frame: frame.to_arrow(),
        "dictionaries": lambda frame: frame.to_dicts(),
    }[library]
    nodes, edges = map(convert, tables())
    view = ServiceMap(nodes, edges)
    view.selected = ["mail", ["checkout", "payments", "http", False]]
    back = {"polars": pl.DataFrame, "pandas": pd.DataFrame, "pyarrow": pa.Table, "dictionaries": pa.Table}[library]
    assert isinstance(view.selected_nodes, back)
    assert isinstance(view.selected_edges, back)
    assert list(pa.table(view.selected_nodes)["id"].to_pylist()) == ["mail"]
    assert pa.table(view.selected_edges)["calls"].to_pylist() == [90]


def test_nothing_selected_gives_no_rows_with_all_columns():
    view, (nodes, edges) = shop(), tables()
    assert view.selected_nodes.schema == nodes.schema
    assert view.selected_edges.schema == edges.schema
    assert (len(view.selected_nodes), len(view.selected_edges)) == (0, 0)


def test_a_topology_is_taken_whole():
    nodes, edges = tables()
    assert repr(ServiceMap(SimpleNamespace(nodes=nodes, edges=edges))) == "Service map: 7 nodes, 7 edges"


def test_what_the_analysis_answers_is_drawn_as_it_is(window_of):
    topology = wb.service_map(
        window_of(
            spans("""
                web        GET /cart    0..90ms   server
                  web      POST         5..85ms   client
                    cart   POST        10..80ms   server error
                      cart  select     20..50ms   client db_system_name=postgresql db_namespace=shop
            """)
        )
    )
    view = ServiceMap(topology)
    drawn = {node["name"]: (node["kind"], node["short"][:2]) for node in view._picture["nodes"]}
    assert drawn == {
        "web": ("service", ["1", "0%"]),
        "cart": ("service", ["1", "100%"]),
        "postgresql shop": ("database", ["1", "0%"]),
    }
    view.selected = [("web", "cart")]
    assert view.selected_edges["errors"].to_list() == [1]


def test_source_and_target_alone_select_all_edges_between_them():
    view = shop()
    view.selected = [("checkout", "payments")]
    assert view.selected_edges["protocol"].to_list() == ["grpc", "http"]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("chekout", "there is no node 'chekout'; did you mean 'checkout'?"),
        (["mail", "checkout"], r"there is no edge \('mail', 'checkout'\)"),
        (7, "7 is neither a node's id nor"),
    ],
)
def test_what_is_not_on_the_map_cannot_be_selected(item, message):
    view = shop()
    with pytest.raises((ValueError, TraitError), match=message):
        view.selected = [item]
    with pytest.raises((ValueError, TraitError), match="there is no node 'x'"):
        view.focus = "x"


@pytest.mark.parametrize(
    ("nodes", "edges", "message"),
    [
        ([{"id": "a"}, {"id": "a"}], [], "an id occurs twice"),
        ([{"id": "a"}], [{"source": "a", "target": "b"}], "they name 'b', which nodes do not have"),
        ([{"name": "a"}], [], "nodes: no column id .there are: name."),
        ([{"id": "a"}], [{"source": "a", "target": "a"}] * 2, "two rows have the same source"),
        (7, [], "nodes: a int is not a table"),
        ([{"id": "a"}], None, "a list has no edges"),
    ],
)
def test_a_table_that_cannot_be_drawn_is_refused_with_the_reason(nodes, edges, message):
    with pytest.raises(ValueError, match=message):
        ServiceMap(nodes, edges)


def test_an_update_keeps_what_is_still_there():
    view = shop()
    view.selected, view.focus = ["mail", "checkout"], "mail"
    nodes, edges = tables("storefront checkout http no 10 0 5")
    view.update(nodes, edges)
    assert (view.selected, view.focus) == (["checkout"], None)
    assert view.selected_nodes["calls"].to_list() == [10]


def test_the_same_tables_give_the_same_picture():
    assert shop().svg() == shop().svg()
    assert shop()._picture == shop()._picture


def test_missing_figures_and_columns_are_no_obstacle():
    view = ServiceMap(
        pl.DataFrame({"id": ["a", "b"]}), pl.DataFrame({"source": ["a"], "target": ["b"], "p95_ms": [float("nan")]})
    )
    (edge,) = view._picture["edges"]
    assert edge["figures"] == {}
    assert edge["latency"] == -1


def test_edges_with_more_calls_are_wider_and_the_legend_tells_how_much():
    picture = shop()._picture
    widths = {edge["figures"]["calls"]: edge["width"] for edge in picture["edges"]}
    assert widths[9000] > widths[1000] > widths[90]
    assert [label for label, _ in picture["legend"]["widths"]] == ["100", "1k"]


def test_with_the_windows_length_boxes_tell_calls_per_second():
    picture = shop(seconds=100)._picture
    (inventory,) = (node for node in picture["nodes"] if node["id"] == "inventory")
    assert inventory["short"] == ["90/s", "0%", "6 ms"]


def test_the_still_picture_shows_names_figures_protocols_and_dashes():
    text = shop().svg()
    for shown in (">storefront<", "990 · ", "▲ 30%", ">redis<", 'stroke-dasharray="7 5"'):
        assert shown in text
    assert text.count("<path") > 20
    assert shop().svg(theme="dark") != text


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "\u2013"), (0, "0"), (999, "999"), (999.7, "1k"), (1234, "1.23k"), (91000, "91k"), (2.5e6, "2.5M")],
)
def test_counts_have_three_digits(number, text):
    assert count(number) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(0, "0%"), (0.0001, "<0.1%"), (0.021, "2.1%"), (0.05, "5%"), (0.996, "100%")]
)
def test_shares_of_errors_are_short_and_never_hide_one(ratio, text):
    assert share(ratio) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 ms"), (0.05, "50 µs"), (0.82, "0.82 ms"), (212.4, "212 ms"), (1240, "1.24 s"), (90_000, "1.5 min")],
)
def test_durations_take_the_unit_that_reads_best(value, text):
    assert duration(value) == text


def test_classes_of_colour_begin_where_the_legend_says():
    assert [error_class(ratio) for ratio in (None, 0, 0.0099, 0.01, 0.05, 0.2, 1)] == [0, 0, 1, 2, 3, 4, 4]
    assert [latency_class(value) for value in (None, 9.9, 10, 50, 250, 1000)] == [-1, 0, 1, 2, 3, 4]


def test_long_names_are_cut_in_the_middle():
    short = fitted("payments-eu-west-1.internal.example.com", 13, 120)
    assert re.fullmatch(r"payments.*….*\.com", short)
    assert text_width(short, 13) <= 120
    assert fitted("payments", 13, 120) == "payments"


# In the page


def node(page: Any, name: str) -> Any:
    return page.locator(f"[data-view='0'] g.wb-node[aria-label^='{name},']")


def shown_ids(page: Any) -> list[str]:
    """Names of the nodes that do not step back."""
    script = "els => els.map(el => el.getAttribute('aria-label').split(',')[0])"
    return sorted(page.locator("[data-view='0'] .wb-canvas.wb-dimmed g.wb-node.wb-kept").evaluate_all(script))


def zoom(page: Any) -> float:
    transform = page.locator("[data-view='0'] .wb-canvas").evaluate("el => el.style.transform")
    return float(re.search(r"scale\(([\d.]+)\)", transform)[1])


@pytest.mark.browser
def test_a_click_selects_in_python_and_python_selects_in_the_page(page):
    shown = mount(page, shop(), views=2)
    node(page, "checkout").click()
    shown.pull()
    assert shown.widget.selected_nodes["calls"].to_list() == [1000]
    assert (
        page.locator("[data-view='1'] g.wb-node[aria-pressed=true]").get_attribute("aria-label").startswith("checkout")
    )
    assert "p95 200 ms" in page.locator("[data-view='0'] .wb-details").inner_text()
    node(page, "payments").click(modifiers=["Shift"])
    assert shown.pull()["selected"] == ["checkout", "payments"]
    shown.set("selected", [["checkout", "payments", "grpc", False]])
    assert page.locator("[data-view='0'] g.wb-edge.wb-selected").count() == 1
    assert shown_ids(page) == ["checkout", "payments"]
    page.locator("[data-view='0'] .wb-viewport").click(position={"x": 5, "y": 5})
    assert shown.pull()["selected"] == []


@pytest.mark.browser
def test_an_edge_is_pointed_at_and_selected(page):
    shown = mount(page, shop())
    x, y = page.evaluate("""() => {
      const line = document.querySelectorAll("g.wb-edge")[1].querySelector(".wb-hit");
      const point = line.getPointAtLength(line.getTotalLength() / 2).matrixTransform(line.getScreenCTM());
      return [point.x, point.y];
    }""")
    page.mouse.move(x, y)
    tooltip = page.locator(".wb-tooltip").inner_text()
    page.mouse.click(x, y)
    (edge,) = shown.pull()["selected"]
    assert f"{edge[0]} → {edge[1]}" in tooltip
    assert shown.widget.selected_edges["target"].to_list() == [edge[1]]


@pytest.mark.browser
def test_pointing_at_a_node_tells_its_figures_and_shows_its_neighbours(page):
    mount(page, shop(), jupyter_theme="light")
    node(page, "payments").hover()
    text = page.locator(".wb-tooltip").inner_text()
    assert {"payments", "service", "990", "300 (30.3%)", "800 ms", "1 caller · 1 callee"} <= set(
        re.split(r"[\n\t]+", text)
    )
    assert shown_ids(page) == ["checkout", "ledger", "payments"]
    screenshot(page, "service-map-hover")
    page.mouse.move(2, 2)
    assert page.locator(".wb-tooltip").is_hidden()
    assert page.locator(".wb-canvas.wb-dimmed").count() == 0


@pytest.mark.browser
def test_search_counts_and_highlights(page):
    shown = mount(page, shop())
    box = page.get_by_role("searchbox")
    box.fill("ORY")
    assert page.locator(".wb-count").inner_text() == "1 of 7"
    assert shown_ids(page) == ["inventory"]
    assert shown.pull()["search"] == "ORY"
    box.fill("grpc")  # a protocol: the edge and both its ends
    assert page.locator(".wb-count").inner_text() == "1 edge"
    assert shown_ids(page) == ["checkout", "payments"]
    box.fill("nobody")
    assert page.locator(".wb-count").inner_text() == "0 of 7"
    box.press("Escape")
    assert page.locator(".wb-canvas.wb-dimmed").count() == 0
    box.fill("mail")
    before = zoom(page)
    box.press("Enter")
    assert page.locator("g.wb-node.wb-current").count() == 1
    assert zoom(page) >= min(before, 0.9)


@pytest.mark.browser
def test_the_keyboard_walks_along_calls_selects_and_clears(page):
    shown = mount(page, shop())
    page.locator(".wb-bar button").last.focus()

    def at() -> str:
        return page.evaluate("document.activeElement.getAttribute('aria-label')").split(",")[0]

    page.keyboard.press("Tab")
    first = at()
    page.keyboard.press("Tab")
    assert at() != first  # a small map: every node is a stop
    node(page, "storefront").focus()
    visited = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
        visited.append(at())
    assert visited[:2] == ["inventory", "storefront"]  # inventory is called most
    node(page, "checkout").focus()
    page.keyboard.press("Enter")
    assert shown.pull()["selected"] == ["checkout"]
    page.keyboard.press("e")
    assert shown.pull()["selected"][0][0:2] in (
        ["storefront", "checkout"],
        ["checkout", "payments"],
        ["checkout", "mail"],
    )
    page.keyboard.press("Escape")
    assert shown.pull()["selected"] == []
    page.keyboard.press("f")
    assert shown.pull()["focus"] == "checkout"
    before = zoom(page)
    page.keyboard.press("-")
    assert zoom(page) < before
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"


@pytest.mark.browser
def test_the_wheel_scrolls_the_page_and_zooms_only_with_ctrl(page):
    mount(page, shop(), body="<div style='height: 400px'></div>")
    page.evaluate("document.body.style.height = '3000px'")
    node(page, "checkout").hover()
    before = zoom(page)
    page.mouse.wheel(0, 100)
    page.wait_for_function("scrollY > 0")
    assert zoom(page) == before
    assert page.locator(".wb-note.wb-shown").inner_text().endswith("wheel zooms")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    page.wait_for_function(
        "before => !document.querySelector('.wb-canvas').style.transform.includes(`scale(${before})`)", arg=before
    )
    assert zoom(page) > before
    page.get_by_role("button", name="Show everything").click()
    assert zoom(page) == pytest.approx(before)


@pytest.mark.browser
def test_a_drag_moves_the_map_and_selects_nothing(page):
    shown = mount(page, shop())
    transform = "() => document.querySelector('.wb-canvas').style.transform"
    before = page.evaluate(transform)
    node(page, "checkout").hover()
    page.mouse.down()
    page.mouse.move(300, 300, steps=4)
    page.mouse.up()
    assert page.evaluate(transform) != before
    assert shown.saved() == []


@pytest.mark.browser
def test_only_the_neighbourhood_of_a_node_is_shown(page):
    shown = mount(page, shop(), jupyter_theme="dark")
    amount = page.get_by_label("How much of the map is shown")
    assert amount.is_disabled()
    node(page, "payments").click()
    amount.select_option("1")
    assert shown.pull()["focus"] == "payments"
    visible = page.locator("g.wb-node:visible")
    names = sorted(text.split(",")[0] for text in visible.evaluate_all("els => els.map(el => el.ariaLabel)"))
    assert names == ["checkout", "ledger", "payments"]
    screenshot(page, "service-map-focus")
    shown.set("hops", 2)
    assert visible.count() == 4  # and who calls checkout
    amount.select_option("0")
    assert visible.count() == 7
    node(page, "mail").dblclick()
    assert shown.get("focus") == "mail"


@pytest.mark.browser
def test_colour_switches_between_errors_and_latency(page):
    shown = mount(page, shop())
    stroke = "el => getComputedStyle(el.querySelector('.wb-box')).stroke"
    by_errors = node(page, "payments").evaluate(stroke)
    page.get_by_role("button", name="Colour by 95th percentile of latency").click()
    assert shown.pull()["colour_by"] == "latency"
    assert node(page, "payments").evaluate(stroke) != by_errors
    assert "p95 latency" in page.locator(".wb-legend").inner_text()
    assert "▲ 30%" in node(page, "payments").locator(".wb-figures").text_content()  # errors keep their mark


@pytest.mark.browser
def test_the_theme_changes_under_a_drawn_map(page):
    mount(page, shop(), jupyter_theme="light")
    box = "() => getComputedStyle(document.querySelector('.wb-node .wb-box')).stroke"
    light = page.evaluate(box)
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert page.evaluate(box) != light


@pytest.mark.browser
def test_the_map_fits_again_when_its_cell_gets_narrower(page):
    mount(page, shop())
    before = zoom(page)
    page.set_viewport_size({"width": 500, "height": 900})
    page.wait_for_function(f"!document.querySelector('.wb-canvas').style.transform.includes('scale({before})')")
    assert zoom(page) < before
    right = "() => Math.max(...[...document.querySelectorAll('.wb-node')].map(el => el.getBoundingClientRect().right))"
    assert page.evaluate(right) <= 500


LONG = """
    a          payments-eu-west-1.internal.example.com:8443  http  no  1234567 99999 123456
    payments-eu-west-1.internal.example.com:8443 注文サービス  grpc  yes      12     0      1
    a          ledger        sql   no      900     9    990
    a          mail          kafka yes     900   100      9
"""

# Texts that leave their box, and pairs of labels that cover one another.
MISPLACED = """() => {
  const seen = (el) => el.getClientRects().length && el.getBoundingClientRect().width > 0;
  const place = (el) => el.getBoundingClientRect();
  const inside = (a, b) => a.left >= b.left && a.right <= b.right && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  const out = [...document.querySelectorAll(".wb-node")].flatMap((group) => {
    const texts = [...group.querySelectorAll("text")].filter(seen);
    const box = place(group.querySelector(".wb-box"));
    return texts.length ? texts.filter((el) => !inside(place(el), box)).map((el) => el.textContent) : ["no text"];
  });
  const labels = [...document.querySelectorAll(".wb-label rect")].filter(seen).map(place);
  const cover = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  labels.forEach((a, i) => labels.slice(0, i).forEach((b) => { if (cover(a, b)) out.push("labels"); }));
  return out;
}"""

# Lines that run through a box.
CROSSING = """() => {
  const drawn = (name) => [...document.querySelectorAll(name)].filter((el) => el.style.display !== "none");
  const boxes = drawn(".wb-node").map((el) => el.querySelector(".wb-box").getBoundingClientRect());
  const inside = ({ x, y }) => boxes.some((b) =>
    x > b.left + 2 && x < b.right - 2 && y > b.top + 2 && y < b.bottom - 2);
  return drawn(".wb-edge").map((el) => el.querySelector(".wb-line")).filter((line) =>
    Array.from({ length: 60 }, (_, step) => line.getPointAtLength((step * line.getTotalLength()) / 60))
      .some((point) => inside(point.matrixTransform(line.getScreenCTM())))).length;
}"""


@pytest.mark.browser
def test_lines_go_around_boxes_in_a_neighbourhood_too(page):
    shown = mount(
        page, ServiceMap(*tables("a b http no 5 0 1 \n b c http no 5 0 1 \n a c http no 5 0 1 \n c a http no 1 0 1"))
    )
    assert page.evaluate(CROSSING) == 0
    shown.set("focus", "b")  # a and c stand on its two sides
    assert page.locator(".wb-edge:visible").count() == 4
    assert page.evaluate(CROSSING) == 0


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, 520, 300], ids=["near", "middle", "far"])
def test_texts_stay_in_their_boxes_at_every_scale(page, width):
    page.set_viewport_size({"width": width, "height": 700})
    mount(page, ServiceMap(*tables(LONG)))
    scale = {1200: "near", 520: "middle", 300: "far"}[width]
    assert page.locator(f".wb-canvas.wb-{scale}").count() == 1
    assert page.evaluate(MISPLACED) == []


@pytest.mark.browser
def test_new_tables_are_drawn_into_the_open_view(page):
    shown = mount(page, shop())
    shown.widget.update(*tables("a b http no 5 0 1"))
    shown.set("_picture", shown.widget._picture)
    assert page.locator("g.wb-node").count() == 2
    shown.widget.update([], [])
    shown.set("_picture", shown.widget._picture)
    assert page.locator("[data-view]").inner_text().strip() == "No calls in this window."


@pytest.mark.browser
def test_three_hundred_services_are_legible_when_zoomed(page):
    shown = mount(page, hundreds(), jupyter_theme="light")
    assert page.locator("g.wb-node").count() == 300
    assert page.locator(".wb-minimap.wb-hidden").count() == 1
    box = page.get_by_role("searchbox")
    box.fill("service-150")
    assert page.locator(".wb-count").inner_text() == "1 of 300"
    box.press("Enter")
    screenshot(page, "service-map-300")
    name = page.locator("g.wb-node.wb-current .wb-name")
    assert name.text_content() == "service-150"
    assert name.bounding_box()["height"] >= 11
    assert page.locator(".wb-minimap:not(.wb-hidden)").count() == 1
    box.fill("")
    shown.set("focus", "service-150")
    assert page.locator("g.wb-node:visible").count() == 7  # three callers, three callees
    stops = page.locator("g.wb-node[tabindex='0']:visible").count()
    assert stops == 7
    shown.set("focus", None)
    assert page.locator("g.wb-node[tabindex='0']").count() == 1  # a large map is one stop, arrows move in it


@pytest.mark.slow
@pytest.mark.browser
def test_the_map_works_in_an_offline_report_and_its_still_picture_serves_readers_without_scripts(new_page, tmp_path):
    import nbformat

    from workbench.reports import export_html

    view = shop()
    data, _ = view._repr_mimebundle_()
    state = {key: value for key, value in view.get_state().items() if key != "layout"}
    cell = nbformat.v4.new_code_cell(
        "view", outputs=[nbformat.v4.new_output("display_data", data=data)], execution_count=1
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    saved = {"model_name": "AnyModel", "model_module": "anywidget", "state": state}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {view.model_id: saved}}}
    export_html(notebook, tmp_path / "report.html")

    page = new_page()
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector("html[data-ready=true]")
    assert page.locator("g.wb-node").count() == 7
    assert page.locator("img.static").count() == 0
    page.get_by_role("searchbox").fill("mail")
    assert page.locator(".wb-count").inner_text() == "2 of 7"
    page.locator("g.wb-node[aria-label^='mail,']").click()
    assert "850" in page.locator(".wb-details").inner_text()

    silent = new_page(java_script_enabled=False)
    silent.goto((tmp_path / "report.html").as_uri())
    assert silent.locator("img.static").bounding_box()["width"] > 500
