"""What happened in one trace? All its spans, in the order of the call tree.

A root is a span that names no parent, names itself, or names one that is not in the trace (an orphan). Roots come by
start, below each its children by start, depth first; ties go by arrival and id. Spans in a cycle of parents have no
root: they come last and are marked.

Span ids that occur twice: rows that agree in id, kind, service, name and times are one span sent twice, and one stays.
A server span with the id of a client span (Zipkin's shared ids) is the client's child, and their common children are
the server's. Otherwise children belong to the first span of their parent's id. Ids stay as they were stored, so the
tree is told by positions of rows.
"""

import re
from typing import TYPE_CHECKING

from workbench.lake import BadParameter, Window

if TYPE_CHECKING:
    import polars as pl

FULL_LENGTH = 32
SPANS = """
select * exclude (day) from spans
order by start_time_unix_nano, received_time_unix_nano, span_id, kind, service_name, name, end_time_unix_nano
"""
BY_PREFIX = """
select trace_id, min(start_time) as first from spans where starts_with(trace_id, $prefix)
group by trace_id order by first desc, trace_id limit 11
"""
ONE_SPAN = ["span_id", "parent_span_id", "kind", "service_name", "name", "start_time_unix_nano", "end_time_unix_nano"]


def trace(window: Window, trace_id: str) -> "pl.DataFrame":
    """All spans of one trace, whole: also what lies up to 15 minutes beyond the window's edge.

    Args:
        trace_id: its hexadecimal digits, or as many of the first ones as tell it from the other traces in the window.

    Returns:
        One row per span, in the order of the call tree: position (i64, 0..n-1), parent_position (i64; null: a root),
        depth (i64, 0 for roots), offset_ns (i64, from the start of the trace), duration_ns, self_ns (i64, duration
        less the time in which a child runs; never negative), orphan (its parent is not in the trace), unreachable
        (part of a cycle, or below one; depth 0), repeated_id (an earlier row has its span id), then every other column
        of `spans`. A span without a start is placed at its parent's. No such trace: no rows, the same columns.

    Raises:
        BadParameter: the text is no trace id, or the beginning of several.

    Source: Jaeger's trace assembly; ours keeps ids as stored and reports cycles, where Jaeger leaves them out.
    """
    digits = trace_id.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        what = f"{trace_id!r} is no trace id"
        raise BadParameter(what, "trace", "give its hexadecimal digits, 32 of them or the first few")
    rows = window.traces([digits]).sql(SPANS)
    if rows.is_empty() and len(digits) < FULL_LENGTH:
        found: list[str] = window.sql(BY_PREFIX, prefix=digits)["trace_id"].to_list()
        if len(found) > 1:
            shown = ", ".join(found[:10]) + (", ..." if len(found) > 10 else "")
            raise BadParameter(f"several traces begin with {digits}", window.lake.uri, f"give more digits: {shown}")
        if found:
            rows = window.traces(found).sql(SPANS)
    return _tree(rows.unique(ONE_SPAN, keep="first", maintain_order=True))


def _tree(rows: "pl.DataFrame") -> "pl.DataFrame":
    """The rows of one trace, sorted by start, in the order of the call tree."""
    import polars as pl

    parent, repeated = _parents(rows)
    starts = _starts(rows["start_time_unix_nano"].to_list(), parent)
    order, depth, reached = _depth_first(parent, starts)
    position = [0] * len(order)
    for at, row in enumerate(order):
        position[row] = at
    first = min((starts[row] for row in order[:reached]), default=min(starts, default=0))
    orphan = [above is None and _names_parent(*ids) for above, *ids in zip(parent, *_ids(rows), strict=True)]
    tree = pl.DataFrame(
        {
            "position": range(len(order)),
            "parent_position": [None if (above := parent[row]) is None else position[above] for row in order],
            "depth": [depth[row] for row in order],
            "offset_ns": [starts[row] - first for row in order],
            "orphan": [orphan[row] for row in order],
            "unreachable": [at >= reached for at in range(len(order))],
            "repeated_id": [repeated[row] for row in order],
        },
        schema={
            **dict.fromkeys(("position", "parent_position", "depth", "offset_ns"), pl.Int64),
            **dict.fromkeys(("orphan", "unreachable", "repeated_id"), pl.Boolean),
        },
    )
    spans = rows[order] if order else rows
    whole = pl.concat([tree, spans], how="horizontal")
    numbers = ["position", "parent_position", "depth", "offset_ns", "duration_ns", "self_ns"]
    told = [*numbers, "orphan", "unreachable", "repeated_id"]
    return whole.join(_self_times(whole), on="position", how="left", maintain_order="left").select(
        *told, pl.exclude(told)
    )


def _ids(rows: "pl.DataFrame") -> tuple[list[str | None], list[str | None]]:
    return rows["span_id"].to_list(), rows["parent_span_id"].to_list()


def _names_parent(span_id: str | None, parent_id: str | None) -> bool:
    return bool(parent_id) and parent_id != span_id


def _parents(rows: "pl.DataFrame") -> tuple[list[int | None], list[bool]]:
    """For every row the row of its parent, and whether an earlier row has its id."""
    ids, parent_ids = _ids(rows)
    kinds = rows["kind"].to_list()
    first: dict[str | None, int] = {}
    clients: dict[str | None, int] = {}
    servers: dict[str | None, int] = {}
    repeated = []
    for row, (id_, kind) in enumerate(zip(ids, kinds, strict=True)):
        repeated.append(first.setdefault(id_, row) != row)
        if kind == "client":
            clients.setdefault(id_, row)
        elif kind == "server":
            servers.setdefault(id_, row)
    shared = {id_: row for id_, row in servers.items() if id_ in clients}
    answering = set(shared.values())
    parent: list[int | None] = []
    for row, (id_, parent_id) in enumerate(zip(ids, parent_ids, strict=True)):
        if row in answering:
            parent.append(clients[id_])
        elif _names_parent(id_, parent_id):
            parent.append(shared.get(parent_id, first.get(parent_id)))
        else:
            parent.append(None)
    return parent, repeated


def _starts(starts: list[int], parent: list[int | None]) -> list[int]:
    """Starts; where one is missing, that of the nearest span above that has one."""
    placed = list(starts)
    for row in range(len(starts)):
        above = parent[row]
        for _ in starts:  # a cycle ends with the steps
            if placed[row] > 0 or above is None:
                break
            placed[row], above = starts[above], parent[above]
    return placed


def _depth_first(parent: list[int | None], starts: list[int]) -> tuple[list[int], list[int], int]:
    """(rows in the order of the tree, depth of each row, how many of them a root reaches).

    A loop with a stack of its own: one trace has thousands of spans, not millions, and a chain of calls may be deeper
    than Python's.
    """
    children: dict[int | None, list[int]] = {}
    by_start = sorted(range(len(parent)), key=starts.__getitem__)
    for row in reversed(by_start):  # the last one on the stack is the first to be taken
        children.setdefault(parent[row], []).append(row)
    order: list[int] = []
    depth, seen = [0] * len(parent), [False] * len(parent)
    waiting = list(children.get(None, []))
    while waiting:
        row = waiting.pop()
        seen[row] = True
        order.append(row)
        for child in children.get(row, []):
            depth[child] = depth[row] + 1
            waiting.append(child)
    reached = len(order)
    order += [row for row in by_start if not seen[row]]
    return order, depth, reached


def _self_times(rows: "pl.DataFrame") -> "pl.DataFrame":
    """`self_ns` by position: the duration less the union of the children's times, each cut to the parent's."""
    import polars as pl

    begin = pl.col("offset_ns")
    end = begin + pl.col("duration_ns")
    spans = rows.select("position", "parent_position", begin.alias("begin"), end.alias("end"))
    inside = (
        spans.drop("position")
        .join(spans.drop("parent_position"), left_on="parent_position", right_on="position", suffix="_of_parent")
        .with_columns(
            begin=pl.max_horizontal("begin", "begin_of_parent"), end=pl.min_horizontal("end", "end_of_parent")
        )
        .filter(pl.col("end") > pl.col("begin"))
        .sort("parent_position", "begin", "end")
        .with_columns(cursor=pl.col("end").cum_max().shift(1).over("parent_position"))
        .with_columns(new=pl.col("end") - pl.max_horizontal("begin", "cursor"))
        .group_by("parent_position")
        .agg(covered=pl.col("new").clip(lower_bound=0).sum())
    )
    return (
        rows.select("position", "duration_ns")
        .join(inside, left_on="position", right_on="parent_position", how="left")
        .select("position", self_ns=(pl.col("duration_ns") - pl.col("covered").fill_null(0)).clip(lower_bound=0))
    )
