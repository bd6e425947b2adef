"""An executed notebook as one HTML file that opens from the disk, with no network and no kernel.

nbconvert's own page is blank without a network: it loads its scripts from elsewhere and does not know plotly's figures.
Ours holds everything: the text, the styles, a host for anywidget modules (page/*.js), the widgets' data and, only where
a figure is shown, plotly.js. A security policy in the page refuses every request and every script but the ones written
here, whatever text the telemetry brought along.
"""

import base64
import copy
import functools
import hashlib
import importlib.resources
import json
import re
from pathlib import Path
from typing import Any

from workbench.lake import BadInput
from workbench.reports.bundle import Bundle, compressed, saved_models
from workbench.reports.heading import heading
from workbench.reports.outputs import outputs_html, prepare_nested, without_places
from workbench.reports.sanitised import markdown

PAGE = Path(__file__).with_name("page")
SCRIPTS = ("models.js", "layouts.js", "figures.js", "start.js")
LEFT_OUT_TAGS = {"remove-cell", "papermill-error-cell-tag"}
# Traces drawn with WebGL compile their programs at run time.
_WEBGL = re.compile(r'"type":\s*"(\w+gl|\w+3d|surface|cone|streamtube|isosurface|volume|parcoords|splom)"')


def export_html(notebook: Any, output: str | Path | None = None) -> str:
    """The page of an executed notebook.

    Args:
        notebook: the path of an .ipynb file, or a notebook as nbformat reads it; it is not changed.
        output: also write the page there.

    Returns:
        The HTML text.

    Raises:
        BadInput: this is not a notebook.
    """
    page = _page(_loaded(notebook))
    if output is not None:
        Path(output).write_text(page, encoding="utf-8")
    return page


def _page(notebook: Any) -> str:
    bundle = Bundle(saved_models(notebook))
    head = heading(notebook)
    stopped = head["failure"] is not None
    cells = [_cell(cell, number, bundle, stopped=stopped) for number, cell in enumerate(notebook["cells"], 1)]
    prepare_nested(bundle)
    script = "\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS).replace("</script", "<\\/script")
    return str(
        _template().render(
            head=head,
            cells=[cell for cell in cells if cell],
            style=(PAGE / "page.css").read_text(encoding="utf-8"),
            script=script,
            policy=_policy(script, bundle),
            data="" if bundle.is_empty else bundle.text(),
            plotly=_plotly() if bundle.figures else "",
        )
    )


def _cell(cell: Any, number: int, bundle: Bundle, *, stopped: bool) -> dict[str, Any] | None:
    """One cell for the template; None: not shown at all."""
    tags = set(cell.get("metadata", {}).get("tags", []))
    source = "".join(cell["source"])
    if tags & LEFT_OUT_TAGS or (cell["cell_type"] == "code" and not source.strip()):
        return None
    if cell["cell_type"] == "markdown":
        body = markdown(source, trusted=True)
        return {"kind": "markdown", "number": number, "body": _without_title(body) if number == 1 else body}
    if cell["cell_type"] != "code":
        return None
    body = outputs_html(cell.get("outputs", []), bundle)
    if stopped and not body and cell.get("execution_count") is None:
        body = '<p class="not-run">Not run.</p>'
    return {
        "kind": "code",
        "number": number,
        "count": cell.get("execution_count"),
        "source": _highlighted(source),
        "body": body,
    }


def _without_title(body: str) -> str:
    """The first heading stands in the page's head already."""
    return re.sub(r"\A\s*<h1>.*?</h1>", "", body, count=1, flags=re.DOTALL)


def _highlighted(source: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return str(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


def _policy(script: str, bundle: Bundle) -> str:
    """Nothing may be loaded or asked; the one script is known by its hash; modules come from the page's own memory."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # The text of all figures is searched: a trace type stands nowhere else in this form.
    compiles = any(_WEBGL.search(_figure_text(figure)) for figure in bundle.figures)
    rules = {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}' blob:" + (" 'unsafe-eval'" if compiles else ""),
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "font-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _figure_text(figure: Any) -> str:
    return json.dumps([{"type": trace.get("type")} for trace in figure.get("data", [])])


@functools.cache
def _plotly() -> str:
    """plotly.js as installed with the Python package, compressed from 4.8 MB to 2 MB."""
    return compressed((importlib.resources.files("plotly") / "package_data/plotly.min.js").read_bytes())


@functools.cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["without_places"] = without_places
    return environment.get_template("page.html.j2")


def _loaded(notebook: Any) -> Any:
    if not isinstance(notebook, str | Path):
        return copy.deepcopy(notebook)
    import nbformat

    try:
        return nbformat.read(notebook, as_version=4)
    except (ValueError, KeyError, AttributeError) as error:
        raise BadInput(f"not a notebook: {error}", str(notebook), "give an executed .ipynb file") from error
