"""Which spans are calls? One row per call, from the spans of a window and the margin around it.

The rules, in the order in which they apply:

1. A span *arrives* at its service when its parent belongs to another service, when it is a server or consumer span
   whose caller is known, or when it is a root. A server or consumer span inside its own service, with no client or
   producer span between, is a second instrumentation of one request and does not arrive again. Of several arriving
   spans that are neither server nor consumer, with the same client span above, only the first arrives.
2. Its *client span* is the nearest client or producer span at or above its parent, looking through internal spans of
   the parent's service. Client span and arriving span are one call: it starts and lasts as the client says, and has
   failed if either of them says so. Without a client span the arriving span stands for the call.
3. What arrives as a consumer span, or below a producer span, is a *delivery*: it comes from the queue (its own
   destination, else that of the producer above or linked), and starts when it arrives; the producer span is a call of
   its own, to the queue. Where no queue is named, the producer's service is the source.
4. An arrival whose parent is not there is an *orphan* (only server and consumer spans: of others nobody knows whether
   they arrived), one that names no parent a *root*. They have no source.
5. A client or producer span that nothing arrived from is a call to the destination it names. Of client spans inside
   one another in a service (HTTP below a database client, attempts below a retry) the inner ones that arrived
   somewhere are calls; if none has, the outer one is. Inner and outer spans that name different addresses are
   different calls.
6. A call belongs to the window in which it starts.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from workbench.lake import Window
from workbench.topology.destinations import Destination
from workbench.topology.span_tree import CLIENT, CONSUMER, INTERNAL, NONE, PRODUCER, SERVER, Ints, SpanTree

# Ids are hashed as in workbench.topology.span_tree.
LINKS = """
select distinct consumer_key, xor(hash(link.span_id), hash(link.trace_id, 0)) as producer_key
from (
    select xor(hash(span_id), hash(trace_id, 0)) as consumer_key, unnest(links) as link
    from spans_around
    where kind = 'consumer' and len(links) > 0
)
"""


@dataclass(frozen=True)
class Calls:
    """Positions of spans in the tree, one entry per call in each array; -1 where there is none."""

    entry: Ints  # the span that arrived
    client: Ints  # the span of the caller
    source: Ints  # a span of the service that called
    delivery: Ints  # came through a queue, or could have
    queue_key: Ints  # deliveries: destination key that names the queue, 0 where none does
    outgoing: Ints  # client and producer spans that nothing arrived from (an array of its own)


def calls(window: Window, tree: SpanTree, named: dict[int, Destination]) -> Calls:
    """The calls that start in the window."""
    above = _outgoing_at_or_above(tree)
    entry, source, client, delivery = _arrivals(tree, above)
    queue_key = np.zeros(len(entry), np.uint64)
    if delivery.any():
        source, client, queue_key = _queues(window, tree, named, (entry, source, client, delivery))
    answered = np.zeros(len(tree.parent), bool)
    answered[client[(client >= 0) & (~delivery | (queue_key == 0))]] = True
    outgoing = _unanswered(tree, above, answered, named)
    outgoing = outgoing[_inside(window, tree.start[outgoing])]
    start = np.where((client >= 0) & ~delivery, tree.start[client], tree.start[entry])
    here = _inside(window, start)
    return Calls(entry[here], client[here], source[here], delivery[here], queue_key[here], outgoing)


def _inside(window: Window, start: Ints) -> Ints:
    return (start >= window.from_unix_nano) & (start < window.to_unix_nano)


def _outgoing_at_or_above(tree: SpanTree) -> Ints:
    """For every span the nearest client or producer span, itself or through internal spans above, in its service.

    Pointers are doubled: a chain of n internal spans takes log2(n) rounds, and a cycle ends with the rounds.
    """
    going_out = (tree.role == CLIENT) | (tree.role == PRODUCER)
    above = np.where(going_out, np.arange(len(going_out), dtype=np.int32), NONE)
    waiting = np.flatnonzero((tree.role == INTERNAL) & (tree.parent >= 0))
    waiting = waiting[tree.same_service(waiting, tree.parent[waiting])]
    above[waiting] = tree.parent[waiting]
    for _ in range(len(above).bit_length() + 1):
        if not len(waiting):
            break
        at = above[waiting]
        further = np.where(at >= 0, above[at], NONE)
        above[waiting] = further
        waiting = waiting[(further != at) & (further >= 0)]
    return np.where((above >= 0) & going_out[above], above, NONE)


def _arrivals(tree: SpanTree, above: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Rules 1, 2 and 4: (entry, source, client, delivery) of what arrived at a service."""
    everyone = np.arange(len(tree.parent), dtype=np.int32)
    elsewhere = (tree.parent >= 0) & ~tree.same_service(everyone, tree.parent)
    entry = everyone[elsewhere | (tree.role >= SERVER) | tree.root]
    parent = tree.parent[entry]
    client = np.where(parent >= 0, above[parent], NONE)
    consumer, elsewhere = tree.role[entry] == CONSUMER, elsewhere[entry]
    within = (parent >= 0) & ~elsewhere & (client < 0)
    again = within & (~consumer | (tree.role[parent] == CONSUMER))
    again |= _fragments(tree, entry, client, elsewhere)
    sent = (client >= 0) & (tree.role[client] == PRODUCER)
    source = np.where(consumer & (parent >= 0) & ~elsewhere & ~sent, NONE, parent)  # its own loop sent it nothing
    return entry[~again], source[~again], client[~again], (consumer | sent)[~again]


def _fragments(tree: SpanTree, entry: Ints, client: Ints, elsewhere: Ints) -> Ints:
    """Rule 1, last sentence: which entries are parts of a call whose server span is missing or stands beside them."""
    again = np.zeros(len(entry), bool)
    doubtful = np.flatnonzero(elsewhere & (client >= 0) & (tree.role[entry] < SERVER))
    if not len(doubtful):
        return again
    spans = entry[doubtful]
    frame = pl.DataFrame(
        {
            "at": doubtful,
            "client": client[doubtful],
            "service": tree.service[spans],
            "start": tree.start[spans],
            "duration": tree.duration[spans],
            "key": tree.span_key[spans],
            "role": tree.role[spans],
        }
    )
    sure = np.flatnonzero((client >= 0) & (tree.role[entry] >= SERVER))
    served = pl.DataFrame({"client": client[sure], "service": tree.service[entry[sure]]})
    first = frame.join(served, on=["client", "service"], how="anti").sort("start", "duration", "key", "role")
    first = first.unique(["client", "service"], keep="first", maintain_order=True)
    again[doubtful] = True
    again[first["at"].to_numpy()] = False
    return again


def _queues(
    window: Window, tree: SpanTree, named: dict[int, Destination], arrived: tuple[Ints, Ints, Ints, Ints]
) -> tuple[Ints, Ints, Ints]:
    """Rule 3: (source, client, queue_key) of all arrivals; a link counts where nothing else is known."""
    entry, source, client, delivery = arrived
    names_queue = np.array(sorted(key for key, each in named.items() if each.queue), np.uint64)
    queue_key = np.zeros(len(entry), np.uint64)
    own, sent = tree.destination_key[entry], np.where(client >= 0, tree.destination_key[client], np.uint64(0))
    for keys in (sent, own):  # the consumer's own word goes last and so counts
        known = delivery & np.isin(keys, names_queue)
        queue_key[known] = keys[known]
    lost = np.flatnonzero(delivery & (queue_key == 0) & (source < 0))
    if len(lost):
        linked = _linked_producers(window, tree, entry[lost])
        keys = np.where(linked >= 0, tree.destination_key[linked], np.uint64(0))
        queue_key[lost] = np.where(np.isin(keys, names_queue), keys, np.uint64(0))
        source, client = source.copy(), client.copy()
        source[lost] = client[lost] = linked
    return source, client, queue_key


def _linked_producers(window: Window, tree: SpanTree, consumers: Ints) -> Ints:
    """The span that each consumer span links to (of several the first to start), -1 where none is there."""
    links = window.sql(LINKS)
    asked = pl.DataFrame({"consumer_key": tree.span_key[consumers]}).with_row_index("row")
    spans = pl.DataFrame(
        {"producer_key": tree.span_key, "start": tree.start, "role": tree.role, "service": tree.service}
    ).with_row_index("at")
    found = asked.join(links, on="consumer_key").join(spans, on="producer_key")
    found = found.sort("row", "start", "producer_key", "role", "service")
    found = found.unique("row", keep="first", maintain_order=True)
    producers = np.full(len(consumers), NONE, np.int32)
    producers[found["row"].to_numpy()] = found["at"].to_numpy()
    return producers


def _unanswered(tree: SpanTree, above: Ints, answered: Ints, named: dict[int, Destination]) -> Ints:
    """Rule 5: the client and producer spans that are calls by themselves."""
    spans = np.flatnonzero((tree.role == CLIENT) | (tree.role == PRODUCER)).astype(np.int32)
    parent = tree.parent[spans]
    outer = np.where(tree.same_service(spans, parent), above[parent], NONE)
    nested = np.flatnonzero(outer >= 0)
    nested = nested[_same_address(tree, named, spans[nested], outer[nested])]
    inside, outside = spans[nested], outer[nested]
    arrived = answered.copy()
    while True:  # from inner to outer spans, one level a round
        more = outside[arrived[inside] & ~arrived[outside]]
        if not len(more):
            break
        arrived[more] = True
    beneath = np.zeros(len(answered), bool)  # something inside it arrived
    beneath[outside[arrived[inside]]] = True
    swallowed = np.zeros(len(answered), bool)
    swallowed[inside[~beneath[outside]]] = True
    return spans[~arrived[spans] & ~swallowed[spans]]


def _same_address(tree: SpanTree, named: dict[int, Destination], inside: Ints, outside: Ints) -> Ints:
    """Whether two nested spans can mean one call: not when both tell an address and these differ."""
    keys = np.array(sorted(named), np.uint64)
    addresses = {address: code for code, address in enumerate(sorted({d.address for d in named.values() if d.address}))}
    code = np.array([addresses.get(named[int(key)].address or "", -1) for key in keys], np.int32)
    one, other = (code[np.searchsorted(keys, tree.destination_key[spans])] for spans in (inside, outside))
    possible: Ints = (one == other) | (one < 0) | (other < 0)
    return possible
