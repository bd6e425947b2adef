"""What stands out on a service map: the busiest connection, where errors begin, who answers slowest?"""

from typing import TYPE_CHECKING, Any

from workbench.metrics.findings import FIXED_SPACE, Findings, marked, milliseconds, share

if TYPE_CHECKING:
    import polars as pl

    from workbench.topology.service_map import Topology

EXPLAINS = 0.5  # a call further down explains an error when it has at least this share of the errors
KINDS = {
    "service": ("service", "services"),
    "database": ("database", "databases"),
    "queue": ("queue", "queues"),
    "external": ("outside peer", "outside peers"),
}


def map_findings(topology: "Topology") -> Findings:
    """The map in sentences.

    Returns:
        Sentences on: what is on the map; the busiest connection; the connection with the most errors and, following it
        to what its target calls, where they seem to begin; who takes longest to answer; what the map cannot know. The
        table has one row per connection spoken of: role (busiest, failing, origin, slowest), source, target, protocol,
        calls, errors, error_ratio, p50_ms, p95_ms.
    """
    import polars as pl

    nodes, edges = topology.nodes, topology.edges
    names = {row["id"]: _name(row) for row in nodes.iter_rows(named=True)}
    columns = ["source", "target", "protocol", "calls", "errors", "error_ratio", "p50_ms", "p95_ms"]
    told: list[tuple[str, dict[str, Any]]] = []
    if nodes.is_empty():
        sentences = [
            "The map is empty: no spans in this window. Give a longer one: an empty `last` means the whole lake."
        ]
    elif edges.is_empty():
        sentences = [f"{_census(nodes)}, and no calls between them: the traces may lack their context (`traceparent`)."]
    else:
        calls = int(edges["calls"].sum())
        sentences = [
            f"{_census(nodes)}, joined by {_count(edges.height, 'connection')} that carried {_count(calls, 'call')}."
        ]
        for part in (_busiest(edges, calls, names), _failing(edges, nodes, names), _slowest(edges, names)):
            sentences += part[0]
            told += part[1]
    sentences += _unknown(nodes)
    rows = [{"role": role} | {name: edge[name] for name in columns} for role, edge in told]
    schema = {"role": pl.String} | {name: edges.schema[name] for name in columns}
    return Findings(sentences, pl.DataFrame(rows, schema=schema))


_Part = tuple[list[str], list[tuple[str, dict[str, Any]]]]


def _busiest(edges: "pl.DataFrame", calls: int, names: dict[str, str]) -> _Part:
    edge = edges.sort("calls", "source", "target", descending=[True, False, False]).row(0, named=True)
    part = f"{_count(edge['calls'], 'call')}, {share(edge['calls'] / calls)} of all"
    return [f"Busiest: {_arrow(edge, names)}, {part}."], [("busiest", edge)]


def _failing(edges: "pl.DataFrame", nodes: "pl.DataFrame", names: dict[str, str]) -> _Part:
    import polars as pl

    failing = edges.filter(pl.col("errors") > 0)
    if failing.is_empty():
        return ["No call failed."], []
    edge = failing.sort("errors", "error_ratio", "source", "target", descending=[True, True, False, False]).row(
        0, named=True
    )
    # Of connections that share their errors, the first in the direction of the calls: the others are on its way.
    edge = _first_of(edge, failing)
    path = _followed(edge, failing)
    failed = f"{edge['errors']:,} of {_count(edge['calls'], 'call')} failed ({share(edge['error_ratio'])})"
    sentence = f"Most errors: {_arrow(edge, names)}, {failed}."
    origin = path[-1]
    own_errors = nodes.filter(pl.col("id") == origin["target"])["errors"].item()
    if len(path) == 1 and own_errors is not None and own_errors < EXPLAINS * origin["errors"]:
        sentence += f" {names[edge['target']]} itself says that it answered most of them well:"
        sentence += " its callers stopped waiting (timeouts), or did not like the answer."
        return [sentence], [("failing", edge)]
    if len(path) == 1:
        sentence += f" They seem to begin in {names[edge['target']]} itself: nothing it calls fails as often."
        return [sentence], [("failing", edge)]
    sentence += f" Followed to what is called next, they seem to begin at {names[origin['target']]}"
    sentence += (
        f" (called by {names[origin['source']]}; {origin['errors']:,} of {_count(origin['calls'], 'call')} failed)."
    )
    return [sentence], [("failing", edge), ("origin", origin)]


def _first_of(edge: dict[str, Any], failing: "pl.DataFrame") -> dict[str, Any]:
    """Back towards the callers, as long as they have at least as many errors."""
    import polars as pl

    seen = {edge["target"]}
    while True:
        above = failing.filter(
            (pl.col("target") == edge["source"]) & (pl.col("errors") >= edge["errors"]) & ~pl.col("asynchronous")
        )
        above = above.filter(~pl.col("source").is_in(list(seen)))
        if above.is_empty() or edge["source"] in seen:
            return edge
        seen.add(edge["source"])
        edge = above.sort("errors", "source", descending=[True, False]).row(0, named=True)


def _followed(edge: dict[str, Any], failing: "pl.DataFrame") -> list[dict[str, Any]]:
    """The connection, then what its target calls with nearly as many errors, and so on."""
    import polars as pl

    path, seen = [edge], {edge["source"], edge["target"]}
    while True:
        below = failing.filter(
            (pl.col("source") == path[-1]["target"])
            & ~pl.col("asynchronous")  # who sends to a queue does not wait for the answer
            & (pl.col("errors") >= EXPLAINS * path[-1]["errors"])
            & ~pl.col("target").is_in(list(seen))
        )
        if below.is_empty():
            return path
        path.append(below.sort("errors", "target", descending=[True, False]).row(0, named=True))
        seen.add(path[-1]["target"])


def _slowest(edges: "pl.DataFrame", names: dict[str, str]) -> _Part:
    import polars as pl

    waited = edges.filter(~pl.col("asynchronous") & pl.col("p95_ms").is_not_null())
    if waited.is_empty():
        return [], []
    edge = waited.sort("p95_ms", "source", "target", descending=[True, False, False]).row(0, named=True)
    half, slow = milliseconds(edge["p50_ms"]), milliseconds(edge["p95_ms"])
    sentence = f"Slowest to answer: {names[edge['target']]}, called by {names[edge['source']]}: "
    sentence += f"half of the answers took {half} or more, 5{FIXED_SPACE}% took {slow} or more."
    path = [edge]
    while True:
        seen = [step["source"] for step in path] + [path[-1]["target"]]
        below = waited.filter(
            (pl.col("source") == path[-1]["target"])
            & ~pl.col("target").is_in(seen)
            & (pl.col("p95_ms") >= EXPLAINS * path[-1]["p95_ms"])
        )
        if below.is_empty():
            break
        path.append(below.sort("p95_ms", "target", descending=[True, False]).row(0, named=True))
    if len(path) > 1:
        last = path[-1]
        sentence += f" Most of the wait may be for {names[last['target']]}, called by {names[last['source']]}"
        sentence += f" (5{FIXED_SPACE}% took {milliseconds(last['p95_ms'])} or more)."
    return [sentence], [("slowest", edge)]


def _unknown(nodes: "pl.DataFrame") -> list[str]:
    orphans, unanswered = int(nodes["orphan_calls"].sum()), int(nodes["unanswered_calls"].sum())
    sentences = []
    if orphans:
        sentences.append(
            f"The caller of {_count(orphans, 'request')} is not in the lake: not instrumented, or not sampled."
        )
    if unanswered:
        sentences.append(f"{_count(unanswered, 'call')} to services left no trace there: down, or not sampled.")
    return sentences


def _census(nodes: "pl.DataFrame") -> str:
    counts = dict(nodes["kind"].value_counts().iter_rows())
    parts = [f"{counts[kind]} {words[counts[kind] > 1]}" for kind, words in KINDS.items() if kind in counts]
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _name(node: dict[str, Any]) -> str:
    kind = "" if node["kind"] == "service" else f"{KINDS.get(node['kind'], (node['kind'],))[0]} "
    return kind + marked(node["name"])


def _arrow(edge: dict[str, Any], names: dict[str, str]) -> str:
    return f"{names[edge['source']]} to {names[edge['target']]}"
