"""What draws a table: one class and one script per widget; nothing of ours is imported, everything comes as a table."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from widgets.red_chart import red_figure
    from widgets.service_map import ServiceMap

_WIDGETS = {"ServiceMap": "widgets.service_map"}
_FIGURES = {"red_figure": "widgets.red_chart"}  # functions that draw with plotly

__all__ = ["ServiceMap", "red_figure"]


def __getattr__(name: str) -> object:
    """Widgets load on first use: each brings its script along."""
    places = _WIDGETS | _FIGURES
    if name in places:
        return getattr(importlib.import_module(places[name]), name)
    raise AttributeError(f"widgets has no {name}; it has {', '.join(places)}")


def __dir__() -> list[str]:
    return __all__
