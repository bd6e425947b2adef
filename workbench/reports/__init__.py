"""Reports: notebooks with parameters, run headless, exported as one HTML file that needs no network."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.reports.listing import Report, catalogue, find_notebook
    from workbench.reports.offline_html import export_html
    from workbench.reports.parameter_cell import Parameter, checked, parameters
    from workbench.reports.record import Failure, Run, runs
    from workbench.reports.runner import run

# Loaded on first use: papermill alone takes two seconds to import. No module is called like a public name: importing
# it would put the module in the name's place.
_PLACES = {
    "Failure": "record",
    "Parameter": "parameter_cell",
    "Report": "listing",
    "Run": "record",
    "catalogue": "listing",
    "checked": "parameter_cell",
    "export_html": "offline_html",
    "find_notebook": "listing",
    "parameters": "parameter_cell",
    "run": "runner",
    "runs": "record",
}
__all__ = [
    "Failure",
    "Parameter",
    "Report",
    "Run",
    "catalogue",
    "checked",
    "export_html",
    "find_notebook",
    "parameters",
    "run",
    "runs",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
