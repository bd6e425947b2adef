"""Who calls whom, as a map that can be searched, zoomed and selected from; the selection comes back as rows.

Mechanism: places, shapes, classes of colour and short figures are computed here, once (`widgets.service_map_picture`);
the page only draws them and answers the mouse and the keyboard, so the map works without a kernel too. The page's
script is cut into files that belong together (`service_map_*.js`) and sent as one module.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from widgets.colours import themes
from widgets.service_map_picture import EDGE_COLUMNS, NODE_COLUMNS, picture
from widgets.service_map_svg import svg
from widgets.tables import Table

HERE = Path(__file__).parent
SCRIPTS = ("shapes", "focus", "scene", "camera", "tooltip", "controls", "keyboard")
EDGE_KEY = ("source", "target", "protocol", "asynchronous")


class ServiceMap(anywidget.AnyWidget):  # type: ignore[misc]
    """A service map: services, databases, queues and what lies outside, with the calls between them.

    Args:
        nodes: a table with the columns id, and where known name, kind (service, database, queue, external), system,
            calls, errors, error_ratio, p50_ms, p95_ms, p99_ms, root_calls, orphan_calls, unanswered_calls; or an object
            with tables `nodes` and `edges`, as `workbench.service_map` returns it.
        edges: a table with the columns source and target (ids of nodes), and where known protocol, asynchronous, calls,
            errors, error_ratio, p50_ms, p95_ms, p99_ms, unanswered_calls.
        seconds: length of the window; boxes then show calls per second instead of calls.
        colour_by: "errors" (share of failed calls) or "latency" (p95).
        height: px; 0: as high as the map needs, within limits.

    Raises:
        ValueError: a table has no such columns, an id occurs twice, or an edge names a node that is not there.
    """

    _esm = "\n".join((HERE / f"service_map_{name}.js").read_text("utf-8") for name in SCRIPTS) + (
        HERE / "service_map.js"
    ).read_text("utf-8")
    _css = themes("wb-service-map") + "\n" + (HERE / "service_map.css").read_text("utf-8")

    selected = t.List().tag(sync=True)  # node ids, and [source, target, protocol, asynchronous] for edges
    search = t.Unicode().tag(sync=True)  # what is found stands out: names, kinds, systems and protocols that contain it
    colour_by = t.Enum(("errors", "latency"), "errors").tag(sync=True)
    focus = t.Unicode(None, allow_none=True).tag(sync=True)  # node id: show only what is `hops` calls away from it
    hops = t.Int(1, min=1).tag(sync=True)
    height = t.Int(0, min=0).tag(sync=True)
    _picture = t.Dict().tag(sync=True)

    def __init__(
        self, nodes: Any, edges: Any = None, *, seconds: float | None = None, colour_by: str = "errors", height: int = 0
    ) -> None:
        self._read(nodes, edges, seconds)
        super().__init__(_picture=self._drawn, colour_by=colour_by, height=height)

    def update(self, nodes: Any, edges: Any = None, *, seconds: float | None = None) -> None:
        """Show other tables in the same views; what is no longer there is no longer selected.

        Args:
            nodes: as for the class; likewise edges, seconds.
        """
        self._read(nodes, edges, seconds)
        kept = [item for item in self.selected if self._find(item)]
        with self.hold_sync():
            if self.focus not in self._node_rows:
                self.focus = None
            self.selected = kept
            self._picture = self._drawn

    @property
    def selected_nodes(self) -> Any:
        """The selected rows of the nodes handed in, as a table of the same library."""
        rows = [self._node_rows[item] for item in self.selected if isinstance(item, str)]
        return self._nodes.take(rows)

    @property
    def selected_edges(self) -> Any:
        """The selected rows of the edges handed in, as a table of the same library."""
        rows = [self._edge_rows[tuple(item)] for item in self.selected if not isinstance(item, str)]
        return self._edges.take(rows)

    def svg(self, *, theme: str = "light") -> str:
        """The whole map as a still picture: the text of an SVG file.

        Args:
            theme: "light" or "dark".
        """
        return svg(self._picture, colour_by=self.colour_by, theme=theme)

    def __repr__(self) -> str:
        return f"Service map: {len(self._nodes.rows)} nodes, {len(self._edges.rows)} edges"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The view, and beside it the still picture for readers without scripts."""
        data, metadata = super()._repr_mimebundle_(**options)
        return data | {"image/svg+xml": self.svg()}, metadata

    def _read(self, nodes: Any, edges: Any, seconds: float | None) -> None:
        if edges is None:
            if not (hasattr(nodes, "nodes") and hasattr(nodes, "edges")):
                kind = type(nodes).__name__
                raise ValueError(f"ServiceMap: a {kind} has no edges; hand in a service map, or nodes and edges")
            nodes, edges = nodes.nodes, nodes.edges
        self._nodes = Table(nodes, NODE_COLUMNS, required=["id"], what="ServiceMap, nodes")
        self._edges = Table(edges, EDGE_COLUMNS, required=["source", "target"], what="ServiceMap, edges")
        self._node_rows = {row["id"]: index for index, row in enumerate(self._nodes.rows)}
        if len(self._node_rows) < len(self._nodes.rows):
            raise ValueError("ServiceMap, nodes: an id occurs twice; sum the rows of a node first")
        ends = {row[end] for row in self._edges.rows for end in ("source", "target")}
        if missing := sorted(ends - self._node_rows.keys()):
            some = ", ".join(map(repr, missing[:3])) + (", ..." if len(missing) > 3 else "")
            raise ValueError(
                f"ServiceMap, edges: they name {some}, which nodes do not have; add these rows, or drop the edges"
            )
        for row in self._nodes.rows:
            row["name"] = row["name"] or row["id"]
        self._edge_rows = {_key(row): index for index, row in enumerate(self._edges.rows)}
        if len(self._edge_rows) < len(self._edges.rows):
            raise ValueError(
                "ServiceMap, edges: two rows have the same source, target, protocol and asynchronous; sum them first"
            )
        self._drawn = picture(self._nodes.rows, self._edges.rows, seconds=seconds)

    def _find(self, item: Any) -> list[Any]:
        """What an item of `selected` means: itself, all edges that begin like it, or nothing."""
        if isinstance(item, str):
            return [item] if item in self._node_rows else []
        return [list(key) for key in self._edge_rows if list(key[: len(item)]) == list(item)]

    @t.validate("selected")  # type: ignore[untyped-decorator]
    def _known_items(self, proposal: Any) -> list[Any]:
        found = []
        for item in proposal["value"]:
            if not isinstance(item, str) and not (isinstance(item, Sequence) and 2 <= len(item) <= len(EDGE_KEY)):
                raise ValueError(
                    f"selected: {item!r} is neither a node's id nor (source, target, protocol, asynchronous)"
                )
            meant = self._find(item)
            if not meant:
                raise ValueError(f"selected: there is no {self._called(item)}")
            found += [each for each in meant if each not in found]
        return found

    @t.validate("focus")  # type: ignore[untyped-decorator]
    def _known_focus(self, proposal: Any) -> str | None:
        value: str | None = proposal["value"]
        if value is not None and value not in self._node_rows:
            raise ValueError(f"focus: there is no {self._called(value)}")
        return value

    def _called(self, item: Any) -> str:
        if not isinstance(item, str):
            return f"edge {tuple(item)!r}; see the columns {', '.join(EDGE_KEY)} of the edges"
        near = difflib.get_close_matches(item, self._node_rows, n=3)
        return f"node {item!r}" + (
            f"; did you mean {' or '.join(map(repr, near))}?" if near else "; see the column id of the nodes"
        )


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["source"], row["target"], row["protocol"], bool(row["asynchronous"]))
