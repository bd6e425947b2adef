"""Who calls whom, how often, how slowly, with how many errors?

What counts as a call is told in `workbench.topology.calls`; here calls become nodes and edges.
"""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from workbench.lake import Window
from workbench.topology.calls import Calls, calls
from workbench.topology.destinations import Destination, Node, destinations
from workbench.topology.span_tree import PRODUCER, Ints, SpanTree, span_tree

if TYPE_CHECKING:
    import networkx

FIGURES = {"p50_ms": pl.Float64, "p95_ms": pl.Float64, "p99_ms": pl.Float64}
NODES = {
    "id": pl.String,
    "kind": pl.String,
    "name": pl.String,
    "system": pl.String,
    "calls": pl.Int64,
    "errors": pl.Int64,
    "error_ratio": pl.Float64,
    **FIGURES,
    "root_calls": pl.Int64,
    "orphan_calls": pl.Int64,
    "unanswered_calls": pl.Int64,
}
EDGES = {
    "source": pl.String,
    "target": pl.String,
    "protocol": pl.String,
    "asynchronous": pl.Boolean,
    "calls": pl.Int64,
    "errors": pl.Int64,
    "error_ratio": pl.Float64,
    **FIGURES,
    "unanswered_calls": pl.Int64,
}
EDGE_KEY = ["source", "target", "protocol", "asynchronous"]


@dataclass(frozen=True)
class Topology:
    """A service map: `nodes` and `edges` as Polars frames (columns: see `service_map`), `graph()` for networkx."""

    nodes: pl.DataFrame
    edges: pl.DataFrame

    def graph(self) -> "networkx.MultiDiGraph[str]":
        """The same as a directed graph: one edge per row, its key the protocol, all other columns as attributes.

        Where source, target and protocol have a synchronous and an asynchronous edge, the latter's key is
        `<protocol> asynchronous`.
        """
        import networkx

        graph: networkx.MultiDiGraph[str] = networkx.MultiDiGraph()
        for node in self.nodes.iter_rows(named=True):
            graph.add_node(node.pop("id"), **node)
        for edge in self.edges.iter_rows(named=True):
            source, target, key = edge.pop("source"), edge.pop("target"), edge["protocol"]
            if graph.has_edge(source, target, key):
                key = f"{key} asynchronous"
            graph.add_edge(source, target, key, **edge)
        return graph


def service_map(window: Window) -> Topology:
    """Who calls whom: services, and the databases, queues and uninstrumented peers that their spans name.

    A call counts once, in the window in which it starts, also when the other half of it lies beyond the edge (up to 15
    minutes). Latency is that of the caller: the client span's duration, of the arriving span where there is no client
    span; on the edge from a queue, the duration of the consumer span. A call has failed if either side says error.

    A client span without an answering span goes to the service that answered the same caller at the same address and
    port elsewhere in the window, else to the service that its `peer.service` names, else to a node of kind database,
    queue or external. Such calls are in `unanswered_calls` of the edge and the service (it was down, or not sampled).

    Returns:
        nodes: one row per id, in its order: id (a service's is its name), kind (service, database, queue, external),
        name, system (kind of database or queue, null for others), calls, errors, error_ratio (0..1, null without
        calls), p50_ms, p95_ms, p99_ms, root_calls, orphan_calls, unanswered_calls. Of a service: what arrived, as it
        saw it itself; calls = calls of the edges into it + root_calls (traces that begin here) + orphan_calls (the
        caller's span is not in the lake); unanswered calls are calls and, if the caller says so, errors, and have no
        part in the latencies. Of other nodes: the edges into it together.
        edges: one row per (source, target, protocol, asynchronous), in this order: calls, errors, error_ratio, p50_ms,
        p95_ms, p99_ms, unanswered_calls (always 0 between a service and a node of another kind). Percentiles are
        nearest rank and exact.

    Source: Jaeger counts parent and child spans of differing services; Tempo and SkyWalking pair client and server and
    drop what has no pair in time. Ours keeps both halves, and looks through internal and nested client spans.
    """
    tree = span_tree(window)
    named = destinations(window, tree)
    found = calls(window, tree, named)
    places = _Places(tree, named)
    edges = _edge_rows(tree, found, places)
    return Topology(_nodes(window, tree, found, places, edges), _edges(edges, places))


class _Places:
    """Nodes as numbers: services first, by their position in the tree, then the others in the order of their ids."""

    def __init__(self, tree: SpanTree, named: dict[int, Destination]) -> None:
        inferred = {each.node.id: each.node for _, each in sorted(named.items())}
        self.nodes = [Node(name, "service", name) for name in tree.services]
        self.nodes += [inferred[id_] for id_ in sorted(inferred)]
        self.named = named
        self.services = {name: code for code, name in enumerate(tree.services)}
        self.codes = {node.id: code for code, node in enumerate(self.nodes) if node.kind != "service"}
        self.protocols = sorted({"unknown", "messaging", *(each.protocol for each in named.values())})

    def protocol(self, *keys: int) -> int:
        """The first protocol that one of these destinations tells."""
        told = [self.named[key].protocol for key in keys if key]
        return self.protocols.index(next((each for each in told if each != "unknown"), "unknown"))


def _edge_rows(tree: SpanTree, found: Calls, places: _Places) -> pl.DataFrame:
    """One row per call that has a source; source, target and protocol as codes."""
    delivered = found.delivery & ((found.source >= 0) | (found.queue_key != 0))
    direct = ~found.delivery & (found.source >= 0)
    arrived = _arrived(tree, found, np.flatnonzero(direct), places)
    learned = _learned(arrived, places)
    parts = [arrived, _delivered(tree, found, np.flatnonzero(delivered), places), _sent(tree, found, learned, places)]
    columns = ["source", "target", "protocol", "asynchronous", "answered", "error", "duration"]
    return pl.concat([part.select(columns) for part in parts])


def _mapped(rows: pl.DataFrame, by: list[str], schema: dict[str, Any], rule: Any) -> pl.DataFrame:
    """`rows` with the columns that `rule` gives for each distinct combination of `by` (few, where rows are many)."""
    distinct = rows.select(by).unique().sort(by)
    values = [rule(*each) for each in distinct.iter_rows()]
    told = pl.concat([distinct, pl.DataFrame(values, schema=schema, orient="row")], how="horizontal")
    return rows.join(told, on=by)


def _arrived(tree: SpanTree, found: Calls, at: Ints, places: _Places) -> pl.DataFrame:
    entry, client, source = found.entry[at], found.client[at], found.source[at]
    called = client >= 0
    rows = pl.DataFrame(
        {
            "source": tree.service[source],
            "target": tree.service[entry],
            "asynchronous": np.zeros(len(at), bool),
            "answered": np.ones(len(at), bool),
            "error": tree.error[entry] | (called & tree.error[client]),
            "duration": np.where(called, tree.duration[client], tree.duration[entry]),
            "client_key": np.where(called, tree.destination_key[client], np.uint64(0)),
            "entry_key": tree.destination_key[entry],
        }
    )
    return _mapped(rows, ["client_key", "entry_key"], {"protocol": pl.Int32}, lambda *keys: [places.protocol(*keys)])


def _learned(arrived: pl.DataFrame, places: _Places) -> dict[tuple[int, str, int | None], int]:
    """The service behind (caller, address, port), where all answered calls say the same one."""
    seen: dict[tuple[int, str, int | None], set[int]] = {}
    for source, key, target in arrived.select("source", "client_key", "target").unique().iter_rows():
        destination = places.named[key] if key else None
        if destination and destination.address:
            seen.setdefault((source, destination.address, destination.port), set()).add(target)
    return {place: targets.pop() for place, targets in seen.items() if len(targets) == 1}


def _delivered(tree: SpanTree, found: Calls, at: Ints, places: _Places) -> pl.DataFrame:
    """From the queue, else straight from the service that sent it."""
    entry, source, key = found.entry[at], found.source[at], found.queue_key[at]
    rows = pl.DataFrame(
        {
            "sender": np.where(source >= 0, tree.service[source], -1),
            "target": tree.service[entry],
            "asynchronous": np.ones(len(at), bool),
            "answered": np.ones(len(at), bool),
            "error": tree.error[entry],
            "duration": tree.duration[entry],
            "queue_key": key,
            "entry_key": tree.destination_key[entry],
        },
        schema_overrides={"sender": pl.Int32},
    )

    def rule(sender: int, queue_key: int, entry_key: int) -> list[int]:
        if queue_key:
            queue = places.named[queue_key]
            return [places.codes[queue.node.id], places.protocols.index(queue.protocol)]
        protocol = places.protocol(entry_key)
        return [sender, protocol if places.protocols[protocol] != "unknown" else places.protocols.index("messaging")]

    schema = {"source": pl.Int32, "protocol": pl.Int32}
    return _mapped(rows, ["sender", "queue_key", "entry_key"], schema, rule)


def _sent(
    tree: SpanTree, found: Calls, learned: dict[tuple[int, str, int | None], int], places: _Places
) -> pl.DataFrame:
    """Client and producer spans that nothing arrived from: to a service that is known, or to what they name."""
    spans = found.outgoing
    rows = pl.DataFrame(
        {
            "source": tree.service[spans],
            "producer": tree.role[spans] == PRODUCER,
            "error": tree.error[spans],
            "duration": tree.duration[spans],
            "key": tree.destination_key[spans],
        }
    )

    def rule(source: int, producer: bool, key: int) -> list[Any]:
        goal = places.named[key]
        service: int | None = None
        if goal.node.kind == "external" and not producer:
            service = learned.get((source, goal.address or "", goal.port), places.services.get(goal.peer_service or ""))
        target = places.codes[goal.node.id] if service is None else service
        return [target, places.protocols.index(goal.protocol), producer, service is None]

    schema = {"target": pl.Int32, "protocol": pl.Int32, "asynchronous": pl.Boolean, "answered": pl.Boolean}
    return _mapped(rows, ["source", "producer", "key"], schema, rule)


def _figures(durations: str = "duration") -> list[pl.Expr]:
    """Percentiles in ms, nearest rank: the smallest value that at least the given share does not exceed."""
    return [
        (pl.col(durations).quantile(share, interpolation="equiprobable") / 1e6).alias(name)
        for name, share in zip(FIGURES, (0.5, 0.95, 0.99), strict=True)
    ]


def _counts() -> list[pl.Expr]:
    return [
        pl.len().cast(pl.Int64).alias("calls"),
        pl.col("error").sum().cast(pl.Int64).alias("errors"),
        (~pl.col("answered")).sum().cast(pl.Int64).alias("unanswered_calls"),
    ]


def _edges(rows: pl.DataFrame, places: _Places) -> pl.DataFrame:
    ids = pl.Series([node.id for node in places.nodes], dtype=pl.String)
    protocols = pl.Series(places.protocols, dtype=pl.String)
    found = rows.group_by(EDGE_KEY).agg(*_counts(), *_figures())
    return (
        found.with_columns(
            source=ids.gather(found["source"]),
            target=ids.gather(found["target"]),
            protocol=protocols.gather(found["protocol"]),
            error_ratio=pl.col("errors") / pl.col("calls"),
        )
        .select(list(EDGES))
        .sort(EDGE_KEY)
    )


def _nodes(window: Window, tree: SpanTree, found: Calls, places: _Places, edges: pl.DataFrame) -> pl.DataFrame:
    """Services from what arrived at them, other nodes from the edges into them."""
    entry = found.entry
    alone = (found.source < 0) & (found.queue_key == 0)
    arrived = pl.DataFrame(
        {
            "node": tree.service[entry],
            "error": tree.error[entry],
            "duration": tree.duration[entry],
            "root": alone & tree.root[entry],
            "orphan": alone & ~tree.root[entry],
        }
    )
    unanswered = edges.filter(~pl.col("answered")).group_by(node="target").agg(_counts())
    served = arrived.group_by("node").agg(
        pl.len().cast(pl.Int64).alias("calls"),
        pl.col("error").sum().cast(pl.Int64).alias("errors"),
        pl.col("root").sum().cast(pl.Int64).alias("root_calls"),
        pl.col("orphan").sum().cast(pl.Int64).alias("orphan_calls"),
        *_figures(),
    )
    others = edges.filter(pl.col("target") >= len(tree.services)).group_by(node="target").agg(*_counts(), *_figures())
    here = (tree.start >= window.from_unix_nano) & (tree.start < window.to_unix_nano)
    seen = {*np.unique(tree.service[here]).tolist(), *edges["source"].unique(), *edges["target"].unique()}
    known = [(code, *dataclasses.astuple(node)) for code, node in enumerate(places.nodes) if code in seen]
    schema = {"node": pl.Int32, "id": pl.String, "kind": pl.String, "name": pl.String, "system": pl.String}
    every = pl.DataFrame(known, schema=schema, orient="row")
    parts = pl.concat([served, others], how="diagonal")
    return (
        every.join(parts.drop("unanswered_calls"), on="node", how="left")
        .join(unanswered, on="node", how="left", suffix="_unanswered")
        .with_columns(
            calls=pl.col("calls").fill_null(0) + pl.col("calls_unanswered").fill_null(0),
            errors=pl.col("errors").fill_null(0) + pl.col("errors_unanswered").fill_null(0),
        )
        .with_columns(
            pl.col("root_calls", "orphan_calls", "unanswered_calls").fill_null(0),
            error_ratio=pl.when(pl.col("calls") > 0).then(pl.col("errors") / pl.col("calls")),
        )
        .select(list(NODES))
        .sort("id")
    )
