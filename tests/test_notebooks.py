"""Every shipped notebook: tidy in git, and one real run of it on the shop's recording, page opened in Chromium."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

import workbench as wb
from tests.browser import screenshot
from tests.conftest import ROOT
from workbench.reports import Run, catalogue, parameters, run

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES = 15
MOST_LINES_OF_A_FUNCTION = 10
ALLOWED_METADATA = {"kernelspec", "language_info"}


def code(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path) -> dict:
    return json.loads(path.read_text())


def test_there_are_notebooks():
    assert {"service_map", "service_health"} <= {each.stem for each in NOTEBOOKS}


def test_it_is_valid_and_holds_no_outputs(notebook):
    nbformat.validate(notebook)
    assert [cell for cell in code(notebook) if cell["outputs"] or cell["execution_count"]] == []


def test_its_metadata_is_only_what_is_needed(notebook):
    assert set(notebook["metadata"]) <= ALLOWED_METADATA
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert [cell["metadata"] for cell in notebook["cells"] if set(cell["metadata"]) - {"tags"}] == []


def test_its_cells_have_ids_of_their_own(notebook):
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]{8,}", each) for each in ids)


def test_it_begins_with_a_title_and_says_what_it_answers(path):
    (report,) = [each for each in catalogue(path.parent) if each.path == path]
    assert report.title != path.stem
    assert len(report.summary) > 80
    assert "?" in report.summary


def test_it_has_one_cell_of_parameters_with_defaults_types_and_help(path, notebook):
    tagged = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    found = parameters(path)
    assert list(found)[:4] == ["lake", "last", "start", "end"]
    assert [each.name for each in found.values() if not each.help or not each.annotation] == []


def test_its_cells_are_short_and_its_functions_shorter(notebook):
    assert [source(cell) for cell in code(notebook) if len(source(cell).splitlines()) > MOST_LINES] == []
    for cell in code(notebook):
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < MOST_LINES_OF_A_FUNCTION


def test_it_uses_public_names_only(notebook):
    for cell in code(notebook):
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                assert not [each for each in names if each.startswith(("workbench.", "widgets", "collectors"))]
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_")
                if isinstance(node.value, ast.Name) and node.value.id == "wb":
                    assert node.attr in wb.__all__


def test_it_names_no_place_of_a_machine(path):
    assert re.findall(r"/(?:home|root|work|Users|tmp)/", path.read_text()) == []


def test_every_picture_is_followed_by_a_finding(notebook):
    cells = notebook["cells"]
    pictures = [at for at, cell in enumerate(cells) if cell["cell_type"] == "code" and "wb.widgets." in source(cell)]
    assert pictures
    for at in pictures:
        assert "_findings(" in source(cells[at + 1]), f"cell {at + 1} draws, and the next one says nothing about it"


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """A lake of the shop's recording."""
    from tests.test_recording import SIGNALS, TRUTH, requests
    from workbench.formats.otlp import decode
    from workbench.lake import Writer

    lake = tmp_path_factory.mktemp("notebooks") / "lake"
    writer = Writer(lake)
    for sequence, signal in enumerate(SIGNALS):
        tables = decode(signal, requests(signal), TRUTH["to_unix_nano"]).tables
        writer.append(tables, app_id="recording", sequence=sequence)
    return lake


@pytest.fixture(scope="module")
def ran(recording, tmp_path_factory) -> dict[str, Run]:
    """Each notebook run once."""
    output = tmp_path_factory.mktemp("reports")
    return {each.stem: run(each, {"lake": str(recording), "last": ""}, output=output) for each in NOTEBOOKS}


@pytest.mark.slow
def test_it_runs_on_the_recording(ran, path):
    ended = ran[path.stem]
    assert ended.failure is None
    assert [each["lake"] for each in ended.provenance] == [ended.parameters["lake"]]
    executed = nbformat.read(ended.notebook, 4)
    told = [output.text for cell in code(executed) for output in cell.outputs if output.output_type == "stream"]
    assert told == [], "it prints or warns"


def open_report(new_page, ended: Run, **options):
    page = new_page(**options)
    page.goto(ended.html.as_uri())
    page.locator("html[data-ready=true]").wait_for(state="attached")
    return page


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_page_shows_all_of_it_without_errors_and_without_a_network(ran, path, new_page, scheme):
    page = open_report(new_page, ran[path.stem], color_scheme=scheme)
    assert page.locator(".failure, .note, .not-run, .messages").count() == 0
    assert page.locator(".finding li, .finding p").count() >= 3
    assert page.locator("table").count() >= 2
    for drawing in page.locator(".widget, .figure").all():
        assert drawing.bounding_box()["height"] > 200
        assert drawing.locator("svg").first.is_visible()
    screenshot(page, f"{path.stem}-{scheme}", full_page=True)


@pytest.mark.slow
@pytest.mark.browser
def test_its_page_fits_a_telephone(ran, path, new_page):
    page = open_report(new_page, ran[path.stem], viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    screenshot(page, f"{path.stem}-narrow", full_page=True)


@pytest.mark.slow
@pytest.mark.browser
def test_the_map_in_the_page_shows_every_service_and_answers_a_click(ran, new_page):
    page = open_report(new_page, ran["service_map"])
    view = page.locator(".widget")
    for service in ("storefront", "checkout", "inventory", "payments", "recommendations", "mailer"):
        assert view.get_by_text(service, exact=True).first.is_visible()
    before = view.evaluate("each => each.innerHTML.length")
    view.get_by_text("checkout", exact=True).first.click()
    page.wait_for_timeout(200)
    assert view.evaluate("each => each.innerHTML.length") != before


@pytest.mark.slow
def test_the_page_of_health_names_the_faults_that_the_shop_had(ran):
    executed = nbformat.read(ran["service_health"].notebook, 4)
    texts = [
        o.data["text/plain"] for cell in code(executed) for o in cell.outputs if "text/markdown" in o.get("data", {})
    ]
    told = "\n".join(texts)
    for service, what in [
        ("payments", "was slower"),
        ("inventory", "failed more"),
        ("checkout", "failed more"),
        ("recommendations", "was slower"),
    ]:
        assert f"{service} {what}" in told


@pytest.mark.slow
def test_an_empty_window_gives_a_readable_report_and_no_failure(path, recording, tmp_path):
    ended = run(path, {"lake": str(recording), "start": "2020-01-01", "end": "2020-01-02"}, output=tmp_path)
    assert ended.failure is None
    page = ended.html.read_text()
    assert "nothing in this window; the lake has data from" in page
    assert "an empty <code>last</code> means the whole lake" in page
