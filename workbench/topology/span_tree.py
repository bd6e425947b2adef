"""Whose child is each span? All spans around a window as columns of numbers, with the position of every parent.

Mechanism. DuckDB reads the files once and turns what must be compared (trace and span id, service, destination) into
64-bit hashes, so that only numbers leave it: 42 bytes a span. That two of ten million spans get the same hash has a
chance of three in a million. The spans of a trace lie together in a compacted lake, by start, so a parent is mostly
one of the few rows before its child; who is not found there is looked up in its piece of the scan, whose hash table
stays in the processor's cache, and who is not there either (traces over its edge, absent parents) among all spans. Any
order of rows gives the same answer.

Repeated span ids: rows that agree in trace, id, kind and service are one span sent twice, and one stays. A server span
with the id of a client span (Zipkin's shared ids) becomes its child, and their common children belong to the server.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from workbench.lake import Window

# `hash` is the engine's own: equal within one answer, never stored, never compared over two windows.
SPANS = """
select
    xor(hash(span_id), hash(trace_id, 0)) as span_key,
    case when coalesce(parent_span_id, '') = '' then 0 else xor(hash(parent_span_id), hash(trace_id, 0)) end
        as parent_key,
    hash(service_name) as service_key,
    hash(
        peer_service, db_system_name, db_namespace, messaging_system, messaging_destination_name, rpc_system_name,
        server_address, server_port, http_request_method is not null,
        case when server_address in ('localhost', '127.0.0.1', '::1', '[::1]') then host_name end
    ) as destination_key,
    cast(case kind when 'client' then 1 when 'producer' then 2 when 'server' then 3 when 'consumer' then 4 else 0 end
         as utinyint) as role,
    coalesce(status_code = 'error', false) as error,
    start_time_unix_nano as start,
    duration_ns as duration
from spans_around
"""
SERVICES = """
select hash(service_name) as service_key,
       case when service_name is null then 'missing-service-name' when service_name = '' then 'empty-service-name'
            else service_name end as service_name
from (
    select distinct service_name
    from spans_around
    where start_time_unix_nano between $first and $last
      and start_time_unix_nano in (select unnest(cast($starts as bigint[])))
)
"""

INTERNAL, CLIENT, PRODUCER, SERVER, CONSUMER = range(5)
NONE = np.int32(-1)
PIECE = 1 << 16
NEAR = 8  # rows before a child in which its parent is looked for without a hash table

Ints = npt.NDArray[Any]


@dataclass(frozen=True)
class SpanTree:
    """Spans around a window, one entry per span in each array."""

    span_key: Ints
    parent: Ints  # position of the parent, -1: none is there
    root: Ints  # no parent is named, or the span names itself
    service: Ints  # position in `services`
    destination_key: Ints
    role: Ints
    error: Ints
    start: Ints
    duration: Ints
    services: list[str]

    def same_service(self, spans: Ints, others: Ints) -> Ints:
        """Where both are there (>= 0) and of one service."""
        same: Ints = self.service[spans] == self.service[others]
        return (others >= 0) & same


def span_tree(window: Window) -> SpanTree:
    """All spans of the window and of the margin around it, with the position of each one's parent."""
    table = window.arrow(SPANS)
    rows = {name: table[name].to_numpy() for name in table.column_names}
    known = window.sql(SERVICES, **first_starts(rows["service_key"], rows["start"])).sort("service_key")
    services = sorted(set(known["service_name"]))
    codes = np.array([services.index(name) for name in known["service_name"]], np.int32)
    in_order = np.sort(rows["span_key"])  # a quarter of what a hash table costs
    repeated = bool((in_order[1:] == in_order[:-1]).any())
    del in_order
    if repeated:
        stays = _one_of_each(rows)
        rows = {name: column[stays] for name, column in rows.items()}
    span_key, parent_key = rows["span_key"], rows.pop("parent_key")
    service = codes[np.searchsorted(known["service_key"].to_numpy(), rows.pop("service_key"))]
    if repeated:
        findable, servers, clients = _shared_ids(span_key, rows["role"], rows["start"], service)
        parent = _parents(findable, parent_key)
        parent[servers] = clients
    else:
        parent = _parents(span_key, parent_key)
    parent[parent == np.arange(len(parent))] = NONE
    root = (parent < 0) & ((parent_key == 0) | (parent_key == span_key))
    return SpanTree(parent=parent, root=root, service=service, services=services, **rows)


def first_starts(keys: Ints, start: Ints) -> dict[str, Any]:
    """Query parameters that find a row of every key without reading all rows again: when each key occurs first.

    What occurs at all mostly does so soon, so these rows lie close together and few row groups are opened.
    """
    found = pl.DataFrame({"key": keys, "start": start}).group_by("key").agg(pl.col("start").min())["start"].unique()
    return {"starts": found.to_list(), "first": found.min() or 0, "last": found.max() or 0}


def _parents(span_key: Ints, parent_key: Ints) -> Ints:
    """Position of the span whose key each parent key is, -1 where there is none. Span keys other than 0 are unique."""
    count = len(span_key)
    parent = np.full(count, NONE, np.int32)
    for first in range(0, count, PIECE):
        end = min(first + PIECE, count)
        spans, asked, found = span_key[first:end], parent_key[first:end], parent[first:end]
        for distance in range(1, min(NEAR, len(spans) - 1) + 1):
            at = np.flatnonzero(asked[distance:] == spans[:-distance])
            found[at + distance] = at + first
        found[asked == 0] = NONE
        _look_up(parent, np.flatnonzero((found < 0) & (asked != 0)) + first, parent_key, spans, first)
    if count > PIECE:
        _look_up(parent, np.flatnonzero((parent < 0) & (parent_key != 0)), parent_key, span_key, 0)
    return parent


def _look_up(parent: Ints, children: Ints, parent_key: Ints, span_key: Ints, first: int) -> None:
    """Fill in `parent` of these children from the spans `span_key`, which begin at position `first`."""
    if not len(children):
        return
    asked = pl.DataFrame({"key": parent_key[children], "child": children.astype(np.int32)})
    there = pl.DataFrame({"key": span_key, "at": np.arange(first, first + len(span_key), dtype=np.int32)})
    found = asked.join(there, on="key")
    parent[found["child"].to_numpy()] = found["at"].to_numpy()


def _one_of_each(rows: dict[str, Ints]) -> Ints:
    """Positions of the rows that stay: of those that agree in id, kind and service, the first by start and duration."""
    frame = pl.DataFrame(rows)
    identity = ["span_key", "role", "service_key"]
    order = [*identity, "start", "duration", "error", "parent_key", "destination_key"]
    chosen = frame.with_row_index("at").sort(order).unique(identity, keep="first", maintain_order=True)
    return np.sort(chosen["at"].to_numpy())


def _shared_ids(span_key: Ints, role: Ints, start: Ints, service: Ints) -> tuple[Ints, Ints, Ints]:
    """Of spans with one id: keys under which only one is found (0: not found), and servers with their clients.

    Found is the server, else the one that starts first.
    """
    frame = pl.DataFrame({"key": span_key, "role": role, "start": start, "service": service}).with_row_index("at")
    shared = frame.filter(pl.col("key").is_duplicated())
    shared = shared.sort("key", pl.col("role") != SERVER, "start", "role", "service")
    first = shared.unique("key", keep="first", maintain_order=True)
    findable = span_key.copy()
    findable[shared.join(first, on="at", how="anti")["at"].to_numpy()] = 0
    client = shared.filter(pl.col("role") == CLIENT).unique("key", keep="first", maintain_order=True)
    pairs = first.filter(pl.col("role") == SERVER).join(client, on="key", suffix="_of_client")
    return findable, pairs["at"].to_numpy(), pairs["at_of_client"].to_numpy()
