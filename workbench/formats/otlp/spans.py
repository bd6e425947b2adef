"""ExportTraceServiceRequest as rows of the table `spans`."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.formats.otlp.attributes import attributes
from workbench.formats.otlp.columns import (
    KINDS,
    STATUS_CODES,
    Repairs,
    hex_text,
    list_column,
    microseconds,
    offsets_of,
    parents_of,
    signed,
    small_count,
    words,
)
from workbench.formats.otlp.context import Context, mark
from workbench.lake.schema import SPAN_PROMOTED


def spans(batch: pa.RecordBatch, received: np.ndarray) -> tuple[dict[str, pa.Array], Repairs]:
    """Columns of the spans of a nested batch. A span that ends before it starts keeps both times: the lake stores."""
    context = Context(batch, "resource_spans", "scope_spans", "spans", received)
    span = context.leaves
    repairs = Repairs(len(span))
    context.repair(repairs)
    own = attributes(span.field("attributes"))
    mark(repairs, own)
    overflow = np.zeros(len(span), bool)
    start, end = (signed(span.field(f"{edge}_time_unix_nano"), overflow) for edge in ("start", "end"))
    events = _events(span.field("events"), repairs, overflow)
    links = _links(span.field("links"), repairs)
    repairs.mark("time_overflow", overflow)
    status = span.field("status")
    return {
        "start_time": microseconds(start),
        "start_time_unix_nano": start,
        "end_time_unix_nano": end,
        "duration_ns": pc.subtract(end, start),
        "trace_id": hex_text(span.field("trace_id")),
        "span_id": hex_text(span.field("span_id")),
        "parent_span_id": hex_text(span.field("parent_span_id")),
        "name": span.field("name"),
        "kind": words(span.field("kind"), KINDS, "kind"),
        "status_code": words(status.field("code"), STATUS_CODES, "status"),
        "status_message": pc.fill_null(status.field("message"), ""),
        "trace_state": span.field("trace_state"),
        "flags": span.field("flags").cast(pa.int64()),
        **own.promoted(SPAN_PROMOTED),
        "attributes": own.maps(),
        "attribute_types": own.types(),
        **context.columns(),
        "events": events,
        "links": links,
        "dropped_attributes": small_count(span.field("dropped_attributes_count")),
        "dropped_events": small_count(span.field("dropped_events_count")),
        "dropped_links": small_count(span.field("dropped_links_count")),
    }, repairs


def _events(lists: pa.Array, repairs: Repairs, overflow: np.ndarray) -> pa.Array:
    event = lists.flatten()
    of = parents_of(lists)
    own = attributes(event.field("attributes"))
    mark(repairs, own, of)
    broken = np.zeros(len(event), bool)
    time = signed(event.field("time_unix_nano"), broken)
    overflow[of[broken]] = True
    fields = {
        "time_unix_nano": time,
        "name": event.field("name"),
        "attributes": own.maps(),
        "attribute_types": own.types(),
        "dropped_attributes": small_count(event.field("dropped_attributes_count")),
    }
    return list_column(offsets_of(lists), pa.StructArray.from_arrays(list(fields.values()), list(fields)))


def _links(lists: pa.Array, repairs: Repairs) -> pa.Array:
    link = lists.flatten()
    own = attributes(link.field("attributes"))
    mark(repairs, own, parents_of(lists))
    fields = {
        "trace_id": hex_text(link.field("trace_id")),
        "span_id": hex_text(link.field("span_id")),
        "trace_state": link.field("trace_state"),
        "flags": link.field("flags").cast(pa.int64()),
        "attributes": own.maps(),
        "attribute_types": own.types(),
        "dropped_attributes": small_count(link.field("dropped_attributes_count")),
    }
    return list_column(offsets_of(lists), pa.StructArray.from_arrays(list(fields.values()), list(fields)))
