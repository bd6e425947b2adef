"""The exported page: one file, no request, no error, widgets that work, and nothing that telemetry says can harm it.

Most pages here are made from outputs written by hand, so that no kernel has to start; tests/test_notebooks.py opens the
pages of real runs.
"""

import base64
import re
from pathlib import Path

import ipywidgets
import ipywidgets.embed
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.browser import screenshot
from workbench.lake import BadInput
from workbench.reports import export_html
from workbench.reports.bundle import WIDGET_STATE
from workbench.reports.heading import duration_text
from workbench.reports.outputs import VIEW
from workbench.reports.sanitised import harmless, markdown
from workbench.reports.tables import readable

FIGURE = {
    "data": [{"type": "scatter", "x": [1, 2, 3], "y": [2, 1, 4], "name": "calls"}],
    "layout": {"title": {"text": "Calls"}, "height": 300},
}
COUNTER = """
function render({ model, el, host }) {
  const button = document.createElement("button");
  const show = () => { button.textContent = `${model.get("label")}: ${model.get("count")}`; };
  const bytes = new Uint8Array(model.get("data").buffer, model.get("data").byteOffset, model.get("data").byteLength);
  el.dataset.sum = bytes.reduce((a, b) => a + b, 0);
  button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
  const ask = document.createElement("output");
  model.on("msg:custom", (message) => { ask.textContent = message.error; });
  el.append(button, ask);
  model.on("change:count", show);
  model.send({ id: 1, question: "more" });
  show();
}
export default { render };
"""


def page_of(*outputs, metadata=None, text="# A report\n\nWhat it says.") -> str:
    cells = [new_markdown_cell(text)]
    for number, output in enumerate(outputs, 1):
        cells.append(new_code_cell(f"cell_{number}()", outputs=[output], execution_count=number))
    return export_html(new_notebook(cells=cells, metadata=metadata or {}))


def shows(**data) -> dict:
    """A displayed output; `text_html="..."` stands for text/html."""
    return new_output("display_data", {name.replace("_", "/", 1): value for name, value in data.items()})


def html_output(html: str) -> dict:
    return shows(text_html=html, text_plain="")


def saved(models: dict) -> dict:
    return {"widgets": {WIDGET_STATE: {"version_major": 2, "version_minor": 0, "state": models}}}


def counter(label: str, data: bytes, **state) -> dict:
    buffers = [{"path": ["data"], "encoding": "base64", "data": base64.b64encode(data).decode()}]
    known = {"_esm": COUNTER, "label": label, "count": 0} | state
    return {"model_name": "AnyModel", "model_module": "anywidget", "state": known, "buffers": buffers}


def view(model_id: str) -> dict:
    return new_output("display_data", {VIEW: {"model_id": model_id}, "text/plain": "a widget"})


@pytest.fixture
def opened(new_page, tmp_path):
    """Opens a page from the disk. `new_page` fails the test on any error or request to somewhere else."""

    def open_page(html: str, **options):
        path = tmp_path / "report.html"
        path.write_text(html, encoding="utf-8")
        page = new_page(**options)
        page.goto(path.as_uri())
        page.locator("html[data-ready]").wait_for(state="attached")
        assert page.locator("html").get_attribute("data-ready") == "true"
        return page

    return open_page


@pytest.mark.browser
def test_widgets_and_figures_draw_and_work_without_kernel_and_network(opened):
    models = {"one": counter("left", b"\x01\x02\x03"), "two": counter("right", b"\x05" * 9)}
    figure = new_output("display_data", {"application/vnd.plotly.v1+json": FIGURE})
    page = opened(page_of(view("one"), view("two"), view("one"), figure, metadata=saved(models)))
    buttons = page.locator("[data-model] button")
    buttons.first.click()
    buttons.first.click()
    assert buttons.all_text_contents() == ["left: 2", "right: 0", "left: 2"]  # two views of one model agree
    assert page.locator("[data-sum]").evaluate_all("all => all.map((each) => each.dataset.sum)") == ["6", "45", "6"]
    assert "no kernel" in page.locator("[data-model] output").first.text_content()
    assert page.locator(".figure .scatterlayer path.js-line").count() == 1
    screenshot(page, "offline-parts", full_page=True)


@pytest.mark.browser
def test_containers_links_and_texts_of_ipywidgets_are_shown(opened):
    left, right = ipywidgets.IntSlider(3, description="a"), ipywidgets.IntSlider(3, description="b")
    ipywidgets.jslink((left, "value"), (right, "value"))
    tabs = ipywidgets.Tab([ipywidgets.HTML("<b>bold</b><img src=x onerror=alert(1)>"), right], titles=["one", "two"])
    whole = ipywidgets.VBox([ipywidgets.Label("<i>not HTML</i>"), left, tabs])
    models = ipywidgets.embed.embed_data([whole], drop_defaults=False)["manager_state"]["state"]
    page = opened(page_of(view(whole.model_id), metadata=saved(models)))
    assert page.get_by_text("<i>not HTML</i>").is_visible()
    assert page.locator("b").text_content() == "bold"
    page.get_by_role("tab", name="two").click()
    assert page.get_by_text("b: 3").is_visible()


HOSTILE = """
<script>window.harmed = 1</script><img src=x onerror="window.harmed = 2"><svg onload="window.harmed = 3"></svg>
<a href="javascript:window.harmed = 4" id="link">click</a><iframe srcdoc="<script>parent.harmed = 5</script>"></iframe>
<meta http-equiv="refresh" content="0;url=http://evil.example/"><base href="http://evil.example/">
<form action="http://evil.example/"><button id="send">send</button></form>
<link rel="stylesheet" href="http://evil.example/a.css"><style>body { display: none }</style>
<div style="position:fixed;inset:0;background:url(http://evil.example/b.png)" onclick="window.harmed = 6">cover</div>
<object data="http://evil.example/c"></object><img src="http://evil.example/pixel.png"><video src="http://evil.example/v">
"""


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["text_html", "text_markdown", "image_svg+xml", "stream", "error", "markdown cell"])
def test_hostile_text_is_harmless_wherever_it_stands(opened, kind):
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>top.harmed = 1</script>{HOSTILE}</svg>'
    text = "# Report"
    if kind == "stream":
        output = new_output("stream", name="stdout", text=HOSTILE)
    elif kind == "error":
        output = new_output("error", ename=HOSTILE, evalue=HOSTILE, traceback=[HOSTILE])
    elif kind == "markdown cell":
        output, text = html_output("<p>x</p>"), f"# Report {HOSTILE}\n\n{HOSTILE}\n\n[x](javascript:alert(1))"
    else:
        output = shows(**{kind: svg if kind.startswith("image") else HOSTILE})
    page = opened(page_of(output, text=text))
    for place in page.locator("#link, #send").all():
        place.click(force=True, timeout=2000)
    page.wait_for_timeout(100)
    assert page.evaluate("window.harmed === undefined")
    assert page.url.startswith("file:")
    assert page.locator("h1").is_visible()
    assert page.locator("main iframe, main object, main form, main script, main style, main meta").count() == 0


@pytest.mark.browser
def test_the_policy_alone_stops_scripts_and_requests_that_would_get_into_the_page(new_page, tmp_path, chromium):
    hostile = re.sub("<meta.*?>", "", HOSTILE)  # a redirect is the one thing that no policy stops
    html = page_of(html_output("<p>x</p>")).replace("<p>x</p>", hostile)  # as if the gate had let all of it through
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    context = chromium.new_context()
    page = context.new_page()
    left = []
    page.route("http://**", lambda route: (left.append(route.request.url), route.abort()))  # what the policy let go
    page.goto(path.as_uri(), wait_until="commit")
    page.locator("#send").wait_for(state="attached")
    assert page.evaluate("window.harmed") is None
    assert left == []
    context.close()


def test_the_page_loads_nothing_and_names_no_other_host():
    figure = new_output("display_data", {"application/vnd.plotly.v1+json": FIGURE})
    page = page_of(view("one"), figure, metadata=saved({"one": counter("a", b"1")}))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page) == []


def test_plotly_comes_along_once_and_only_with_a_figure():
    figure = new_output("display_data", {"application/vnd.plotly.v1+json": FIGURE})
    bare, one, two = page_of(html_output("<p>x</p>")), page_of(figure), page_of(figure, figure)
    assert 'id="plotly"' not in bare
    assert len(bare) < 60_000
    assert len(one) < 2_300_000
    assert len(two) - len(one) < 2000


def test_equal_widgets_share_their_module_and_the_same_notebook_gives_the_same_page():
    outputs = [view(name) for name in "abcdef"]
    models = {name: counter(name, bytes([1] * 5000)) for name in "abcdef"}
    six = page_of(*outputs, metadata=saved(models))
    one = page_of(*outputs[:1], metadata=saved(models))
    assert len(six) - len(one) < 5000
    assert six == page_of(*outputs, metadata=saved(models))


def test_models_that_no_output_shows_are_left_out():
    models = {"shown": counter("a", b"1"), "secret": counter("token-123", b"1")}
    assert len(page_of(view("shown"), metadata=saved(models))) == len(
        page_of(view("shown"), metadata=saved({"shown": models["shown"]}))
    )


def test_a_widget_without_saved_data_says_so():
    assert "its data were not saved" in page_of(view("lost"))


@pytest.mark.browser
def test_light_dark_and_paper(opened):
    figure = new_output("display_data", {"application/vnd.plotly.v1+json": FIGURE})
    page = opened(page_of(figure), color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    title = page.locator(".figure .gtitle")
    dark, dark_title = page.evaluate(ground), title.evaluate("each => getComputedStyle(each).fill")
    page.get_by_role("button", name="Light").click()
    light = page.evaluate(ground)
    assert sum(map(int, re.findall(r"\d+", dark)[:3])) < 120 < 600 < sum(map(int, re.findall(r"\d+", light)[:3]))
    assert title.evaluate("each => getComputedStyle(each).fill") != dark_title
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(ground) == dark
    page.emulate_media(media="print")
    assert page.locator(".controls").is_hidden()
    assert page.pdf()[:5] == b"%PDF-"


@pytest.mark.browser
def test_code_is_hidden_until_asked_for(opened):
    page = opened(page_of(html_output("<p>x</p>")))
    assert page.get_by_text("cell_1()").is_hidden()
    page.get_by_label("Code").check()
    assert page.get_by_text("cell_1()").is_visible()


@pytest.mark.browser
def test_a_module_that_fails_says_so_in_its_place_and_the_rest_is_drawn(new_page, tmp_path, chromium):
    broken = counter("a", b"1", _esm="export default { render() { throw new Error('no such luck'); } };")
    path = tmp_path / "report.html"
    path.write_text(page_of(view("bad"), view("good"), metadata=saved({"bad": broken, "good": counter("b", b"1")})))
    context = chromium.new_context()  # not the watched page: the error is reported to the console, too
    page = context.new_page()
    page.goto(path.as_uri())
    page.locator("html[data-ready=true]").wait_for(state="attached")
    assert page.get_by_text("This view could not be drawn: no such luck").is_visible()
    assert page.get_by_text("b: 0").is_visible()
    context.close()


@pytest.mark.browser
def test_without_scripts_the_still_picture_of_a_widget_is_shown(new_page, tmp_path, chromium):
    output = view("one")
    output["data"]["image/svg+xml"] = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"/>'
    path = tmp_path / "report.html"
    path.write_text(page_of(output, metadata=saved({"one": counter("a", b"1")})))
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("img.static").is_visible()
    assert page.locator("noscript .note").is_visible()
    context.close()


def test_a_notebook_file_and_a_notebook_give_the_same_page_and_the_notebook_is_not_changed(tmp_path):
    notebook = new_notebook(cells=[new_markdown_cell("# A"), new_code_cell("1", outputs=[html_output("<b>x</b>")])])
    before = nbformat.writes(notebook)
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert export_html(tmp_path / "a.ipynb", tmp_path / "a.html") == export_html(notebook)
    assert (tmp_path / "a.html").read_text() == export_html(notebook)
    assert nbformat.writes(notebook) == before


def test_what_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "a.ipynb").write_text("[]")
    with pytest.raises(BadInput, match="not a notebook"):
        export_html(tmp_path / "a.ipynb")


def test_messages_are_folded_and_progress_bars_show_their_last_state():
    page = page_of(new_output("stream", name="stderr", text="  10%\r  50%\r 100%\nUserWarning: odd\n"))
    assert "<summary>Messages of this step</summary>" in page
    assert "100%" in page
    assert "50%" not in page


def test_an_empty_window_is_told_in_sight_and_warnings_name_no_place_of_the_machine():
    warnings = (
        "/srv/app/workbench/lake/window.py:103: EmptyWindow: nothing in this window; the lake has <data> from then\n"
        "  return self.window(end)\n"
        "/tmp/ipykernel_7/1.py:1: UserWarning: odd\n"
        "  warn('odd')\n"
    )
    page = page_of(new_output("stream", name="stderr", text=warnings))
    assert '<p class="note">nothing in this window; the lake has &lt;data&gt; from then</p>' in page
    assert "UserWarning: odd" in page
    assert "/srv" not in page
    assert "ipykernel_7" not in page


def test_a_traceback_keeps_what_a_library_is_called_and_drops_where_it_lies():
    trace = [
        "File /srv/ann/.venv/lib/python3.11/site-packages/polars/frame.py:12, in select(self)",
        "File ~/src/workbench/metrics/red.py:7, in red(window)",
        "https://example.org/workbench/x and a/b stay",
    ]
    page = page_of(new_output("error", ename="KeyError", evalue="x", traceback=trace))
    assert "/srv" not in page
    assert "~/src" not in page
    assert "site-packages/polars/frame.py:12" in page
    assert "workbench/metrics/red.py:7" in page
    assert "https://example.org/workbench/x and a/b stay" in page


def test_the_window_stands_in_the_head_once_and_not_in_the_text():
    told = {"lake": "lake", "from": "2026-11-24T12:00:00Z", "to": "2026-11-24T13:00:00Z", "versions": {"spans": 3}}
    data = {"application/vnd.workbench.provenance+json": told, "text/html": "<p>Window of lake</p>"}
    page = page_of(new_output("display_data", data), new_output("display_data", data))
    assert page.count("2026-11-24 12:00 to 13:00 UTC (1 h)") == 2  # title and head
    assert "Window of lake" not in page
    assert "spans 3" in page


@pytest.mark.parametrize(("seconds", "text"), [(2.4, "2.4 s"), (200, "3 min 20 s"), (3600, "1 h"), (1_296_000, "15 d")])
def test_durations_are_written_with_two_units_at_most(seconds, text):
    assert duration_text(seconds) == text


POLARS = """<div><style>.dataframe {}</style><small>shape: (2, 2)</small><table border="1" class="dataframe"><thead>
<tr><th>name</th><th>calls</th></tr><tr><td>str</td><td>i64</td></tr></thead><tbody>
<tr><td>&quot;web&quot;</td><td>1,200</td></tr><tr><td>&quot;a long na…</td><td>-3.5</td></tr></tbody></table></div>"""


def test_polars_tables_lose_quotes_and_types_and_numbers_go_to_the_right():
    shown = readable(harmless(POLARS.replace("\n", "")))
    assert "2 rows" in shown
    assert "<td>web</td>" in shown
    assert "<td>a long na…</td>" in shown
    assert "i64" not in shown
    assert '<td class="number">1,200</td>' in shown
    assert '<th class="number">calls</th>' in shown
    assert "<th>name</th>" in shown


def test_versions_and_texts_with_digits_are_no_numbers():
    table = "<table><thead><tr><th>v</th></tr></thead><tbody><tr><td>1.0.0</td></tr></tbody></table>"
    assert "number" not in readable(harmless(table))


def test_a_table_of_anybody_else_keeps_its_texts():
    table = '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>"x"</td></tr></tbody></table>'
    assert '<td>"x"</td>' in readable(harmless(table))


def test_markdown_of_findings_shows_html_as_text_and_loads_no_picture():
    shown = markdown("**web** <b>x</b> ![p](http://evil.example/p.png)", trusted=False)
    assert "<strong>web</strong>" in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    assert "<img" not in shown


def test_nothing_of_this_machine_is_in_the_page_but_what_was_given():
    page = page_of(html_output("<p>x</p>"), view("one"), metadata=saved({"one": counter("a", b"1")}))
    for place in (Path.home(), Path(__file__).parent.parent):
        assert f"{place}/" not in page
