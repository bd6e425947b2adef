"""The telemetry workbench: from the service map down to the line of code.

    import workbench as wb
    window = wb.open("lake").last("1h")
    wb.widgets.ServiceMap(wb.service_map(window))

Names load on first use, so that `import workbench` stays fast; `dir(wb)` lists them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import widgets
    from workbench.lake import (
        BadInput,
        BadParameter,
        EmptyWindow,
        Lake,
        LakeBusy,
        LakeError,
        MissingExtra,
        UnknownName,
        Window,
        WorkbenchError,
    )
    from workbench.lake.window import Lake as open  # noqa: A004, N813 - wb.open("lake") reads as it should
    from workbench.metrics.health_findings import health_changes, health_findings
    from workbench.metrics.red import red
    from workbench.topology.map_findings import map_findings
    from workbench.topology.service_map import Topology, service_map
    from workbench.traces.operations import operations
    from workbench.traces.services import services
    from workbench.traces.trace import trace

__version__ = "0.1.0"

# Public name -> (module, name there; None for the module itself).
_PLACES: dict[str, tuple[str, str | None]] = {
    "BadInput": ("workbench.lake", "BadInput"),
    "BadParameter": ("workbench.lake", "BadParameter"),
    "EmptyWindow": ("workbench.lake", "EmptyWindow"),
    "Lake": ("workbench.lake", "Lake"),
    "LakeBusy": ("workbench.lake", "LakeBusy"),
    "LakeError": ("workbench.lake", "LakeError"),
    "MissingExtra": ("workbench.lake", "MissingExtra"),
    "Topology": ("workbench.topology.service_map", "Topology"),
    "UnknownName": ("workbench.lake", "UnknownName"),
    "Window": ("workbench.lake", "Window"),
    "WorkbenchError": ("workbench.lake", "WorkbenchError"),
    "health_changes": ("workbench.metrics.health_findings", "health_changes"),
    "health_findings": ("workbench.metrics.health_findings", "health_findings"),
    "map_findings": ("workbench.topology.map_findings", "map_findings"),
    "open": ("workbench.lake", "Lake"),
    "operations": ("workbench.traces.operations", "operations"),
    "red": ("workbench.metrics.red", "red"),
    "service_map": ("workbench.topology.service_map", "service_map"),
    "services": ("workbench.traces.services", "services"),
    "trace": ("workbench.traces.trace", "trace"),
    "widgets": ("widgets", None),
}

__all__ = [
    "BadInput",
    "BadParameter",
    "EmptyWindow",
    "Lake",
    "LakeBusy",
    "LakeError",
    "MissingExtra",
    "Topology",
    "UnknownName",
    "Window",
    "WorkbenchError",
    "__version__",
    "health_changes",
    "health_findings",
    "map_findings",
    "open",
    "operations",
    "red",
    "service_map",
    "services",
    "trace",
    "widgets",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}; dir(workbench) lists the public names")
    module, attribute = _PLACES[name]
    found = importlib.import_module(module)
    value = found if attribute is None else getattr(found, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
