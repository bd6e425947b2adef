"""What stands out on a service map: the busiest connection, where errors begin, who answers slowest?"""

from typing import TYPE_CHECKING, Any

from workbench.metrics.findings import FIXED_SPACE, Findings, marked, milliseconds, share

if TYPE_CHECKING:
    import polars as pl

    from workbench.topology.service_map import Topology

EXPLAINS = 0.5  # a call further down explains an error when it has at least this share of the errors
MOST_PLACES = 3  # where errors seem to begin
# A further place is told if it has this share of the most errors, and of its own calls.
LEAST_ERRORS, LEAST_RATIO = 0.1, 0.01
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
        to what its target calls, where they seem to begin; what else fails, if that does not explain it; who takes
        longest to answer; what the map cannot know. The table has one row per connection spoken of: role (busiest,
        failing, origin, slowest), source, target, protocol, calls, errors, error_ratio, p50_ms, p95_ms.
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
    """Where calls fail: the most errors first, then what those do not explain, as long as it matters."""
    import polars as pl

    order = ["errors", "error_ratio", "source", "target"]
    failing = edges.filter(pl.col("errors") > 0).sort(order, descending=[True, True, False, False])
    if failing.is_empty():
        return ["No call failed."], []
    left = failing
    sentences: list[str] = []
    told: list[tuple[str, dict[str, Any]]] = []
    origins: set[tuple[str, str]] = set()
    while len(sentences) < MOST_PLACES and not left.is_empty():
        # Of connections that share their errors, the first in the direction of the calls: the others are on its way.
        path = _followed(_first_of(left.row(0, named=True), left), failing)
        explained = pl.DataFrame(path, schema=failing.schema).select("source", "target", "protocol", "asynchronous")
        left = left.join(explained, on=explained.columns, how="anti", maintain_order="left")
        many = pl.col("errors") >= LEAST_ERRORS * failing["errors"].item(0)
        left = left.filter(many & (pl.col("error_ratio") >= LEAST_RATIO))
        if (origin := (path[-1]["source"], path[-1]["target"])) in origins:
            continue  # another way to what was told to be the origin
        origins.add(origin)
        sentences.append(_failure("Also failing" if sentences else "Most errors", path, nodes, names))
        told += [("failing", path[0])] + ([("origin", path[-1])] if len(path) > 1 else [])
    return sentences, told


def _failure(begin: str, path: list[dict[str, Any]], nodes: "pl.DataFrame", names: dict[str, str]) -> str:
    import polars as pl

    edge, origin = path[0], path[-1]
    failed = f"{edge['errors']:,} of {_count(edge['calls'], 'call')} failed ({share(edge['error_ratio'])})"
    sentence = f"{begin}: {_arrow(edge, names)}, {failed}."
    if len(path) > 1:
        sentence += f" Followed to what is called next, they seem to begin at {names[origin['target']]}"
        failed = f"{origin['errors']:,} of {_count(origin['calls'], 'call')} failed"
        return f"{sentence} (called by {names[origin['source']]}; {failed})."
    own_errors = nodes.filter(pl.col("id") == edge["target"])["errors"].item()
    if own_errors is not None and own_errors < EXPLAINS * edge["errors"]:
        sentence += f" {names[edge['target']]} itself reports {'none' if not own_errors else 'few'} of these:"
        return f"{sentence} its callers stopped waiting (timeouts), or count an answer like 404 as failed."
    return f"{sentence} They seem to begin in {names[edge['target']]} itself: nothing it calls fails as often."


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
