"""What every widget must do; a new one joins by an entry in SAMPLES."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest

import widgets
from tests.browser import mount, screenshot

HOSTILE = ["<img src=x onerror=document.title='broken'>", "</script><b>bold</b>", "\"'`${1}&amp;\x07\u202e"]


def service_map(labels: list[str]) -> Any:
    """Labels as names, kinds, systems and protocols."""
    nodes = [
        {"id": label, "name": label, "kind": label, "system": label, "calls": 5, "p95_ms": 2.0} for label in labels
    ]
    edges = [
        {"source": a, "target": b, "protocol": a, "calls": 5, "error_ratio": 0.5} for a, b in itertools.pairwise(labels)
    ]
    return widgets.ServiceMap(nodes, edges)


# Widget -> makes one that shows the labels; [] is an empty answer.
SAMPLES: dict[str, Callable[[list[str]], Any]] = {"ServiceMap": service_map}
LABELS = ["checkout", "payments", "inventory"]

every_widget = pytest.mark.parametrize("name", sorted(SAMPLES))
in_browser = pytest.mark.browser


def is_widget(name: str) -> bool:
    import anywidget

    value = getattr(widgets, name)
    return isinstance(value, type) and issubclass(value, anywidget.AnyWidget)


def test_every_widget_has_a_sample():
    assert {name for name in widgets.__all__ if is_widget(name)} == set(SAMPLES)


def test_an_unknown_widget_is_named_with_those_that_exist():
    with pytest.raises(AttributeError, match="widgets has no Flame; it has ServiceMap"):
        _ = widgets.Flame


@every_widget
def test_the_script_imports_nothing_and_writes_no_html(name):
    script = str(SAMPLES[name](LABELS)._esm)
    assert not re.search(r"^\s*import\b|\bimport\s*\(", script, re.MULTILINE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script)
    assert re.findall(r"^export\b.*$", script, re.MULTILINE) == ["export default { render };"]


@every_widget
def test_a_still_picture_stands_beside_the_view(name):
    data, _ = SAMPLES[name](LABELS)._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/svg+xml", "text/plain"} <= set(data)
    assert "object at 0x" not in data["text/plain"]  # it is the picture's text for those who cannot see it


@in_browser
@every_widget
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_draws_in_both_themes_and_two_views_show_the_same(name, theme, page):
    shown = mount(page, SAMPLES[name](LABELS), views=2, jupyter_theme=theme)
    texts = [page.locator(f"[data-view='{view}']").inner_text() for view in (0, 1)]
    assert texts[0] == texts[1]
    screenshot(page, f"{name}-{theme}")
    text, ground = page.evaluate(COLOURS)
    assert (ground > text) == (theme == "light")
    assert contrast(text, ground) >= 4.5
    shown.end_view(0)
    assert page.locator("[data-view='1']").inner_text() == texts[1]


@in_browser
@every_widget
def test_its_end_leaves_nothing_behind(name, page):
    page.add_init_script(COUNT_LISTENERS)
    shown = mount(page, SAMPLES[name](LABELS), views=2)
    assert shown.listeners() > 0
    shown.end()
    assert shown.listeners() == 0
    assert page.locator("[data-view]").count() == 0
    page.mouse.move(50, 50)
    page.set_viewport_size({"width": 700, "height": 500})
    assert page.evaluate("globalListeners") == 0


@in_browser
@every_widget
def test_labels_of_strangers_stay_text(name, page):
    mount(page, SAMPLES[name](HOSTILE))
    assert page.title() == "widget"
    assert page.locator("[data-view] :is(img, b, script)").count() == 0
    shown = "".join(page.locator("[data-view] :is(text, [aria-label])").all_text_contents())
    assert "onerror" in shown + page.evaluate("document.querySelector('[data-view]').innerHTML")


@every_widget
def test_labels_of_strangers_stay_text_in_the_still_picture(name):
    from xml.etree import ElementTree

    picture = ElementTree.fromstring(SAMPLES[name](HOSTILE).svg())
    assert {element.tag.split("}")[1] for element in picture.iter()} <= {"svg", "g", "path", "rect", "text", "tspan"}


@in_browser
@every_widget
def test_an_empty_answer_says_so(name, page):
    mount(page, SAMPLES[name]([]))
    assert page.locator("[data-view]").inner_text().strip().startswith("No ")
    assert "No " in SAMPLES[name]([]).svg()


@in_browser
@every_widget
def test_outside_of_jupyter_it_follows_the_system(name, new_page):
    grounds = {}
    for scheme in ("light", "dark"):
        page = new_page(color_scheme=scheme)
        mount(page, SAMPLES[name](LABELS))
        grounds[scheme] = page.evaluate(COLOURS)[1]
    assert grounds["light"] > 0.8
    assert grounds["dark"] < 0.1


def contrast(a: float, b: float) -> float:
    """WCAG's ratio of two luminances."""
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


COUNT_LISTENERS = """
window.globalListeners = 0;
for (const target of [window, document]) {
  const add = target.addEventListener.bind(target);
  target.addEventListener = (name, call, options) => {
    window.globalListeners += 1;
    options?.signal?.addEventListener("abort", () => { window.globalListeners -= 1; });
    add(name, call, options);
  };
}
"""

# Luminance of the text and of the ground of the first view.
COLOURS = """() => {
  const root = document.querySelector("[data-view]").firstElementChild;
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (colours) => {
    paint.clearRect(0, 0, 1, 1);
    for (const colour of colours) { paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...paint.getImageData(0, 0, 1, 1).data]
      .map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(root);
  return [luminance([style.backgroundColor, style.color]), luminance([style.backgroundColor])];
}"""
