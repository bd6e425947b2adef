"""The store: declared tables, one writer, windows to read, maintenance, and the errors that everyone raises."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.lake.errors import (
        BadInput,
        BadParameter,
        LakeBusy,
        LakeError,
        MissingExtra,
        UnknownName,
        WorkbenchError,
    )
    from workbench.lake.schema import TABLES, conform
    from workbench.lake.window import EmptyWindow, Lake, Window
    from workbench.lake.writer import Writer

# Loaded on first use: the receiver's process needs the errors and never DuckDB or Polars.
_PLACES = {
    "BadInput": "errors",
    "BadParameter": "errors",
    "EmptyWindow": "window",
    "Lake": "window",
    "LakeBusy": "errors",
    "LakeError": "errors",
    "MissingExtra": "errors",
    "TABLES": "schema",
    "UnknownName": "errors",
    "Window": "window",
    "WorkbenchError": "errors",
    "Writer": "writer",
    "conform": "schema",
}
__all__ = [
    "TABLES",
    "BadInput",
    "BadParameter",
    "EmptyWindow",
    "Lake",
    "LakeBusy",
    "LakeError",
    "MissingExtra",
    "UnknownName",
    "Window",
    "WorkbenchError",
    "Writer",
    "conform",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
