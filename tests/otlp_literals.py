"""OTLP requests for tests: made by hypothesis, and compared by a canonical form."""

import math
import struct
from typing import Any

from google.protobuf.message import Message
from hypothesis import strategies as st
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from workbench.formats.otlp.requests import REQUESTS

AnyValue, KeyValue = common_pb2.AnyValue, common_pb2.KeyValue
NOW = 1_790_000_000_000_000_000
SHARED = {"resource_spans", "scope_spans", "resource_logs", "scope_logs", "resource_metrics", "scope_metrics"}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
words = st.sampled_from(["", "a", "service.name", "thread.id", "$bytes", "$", "é", "http.route", "x y"])
ints64 = st.sampled_from([0, 1, -1, -(2**63), 2**63 - 1, 7]) | st.integers(-(2**63), 2**63 - 1)
doubles = st.sampled_from([0.0, -0.0, 1.0, 1e10, 1e21, 1e-7, 5e-324, math.nan, math.inf, -math.inf]) | st.floats()
times = st.integers(1, 2**63 - 1) | st.just(NOW)
counts32 = st.sampled_from([0, 1, 2**31 - 1])
flags = st.sampled_from([0, 1, 0x301, 2**32 - 1])
trace_ids = st.binary(min_size=16, max_size=16) | st.just(b"")
span_ids = st.binary(min_size=8, max_size=8) | st.just(b"")


def pairs(values: Any) -> Any:
    return st.lists(st.builds(lambda key, value: KeyValue(key=key, value=value), words | texts, values), max_size=4)


plain = (
    st.just(AnyValue())
    | st.builds(lambda x: AnyValue(string_value=x), texts)
    | st.builds(lambda x: AnyValue(bool_value=x), st.booleans())
    | st.builds(lambda x: AnyValue(int_value=x), ints64)
    | st.builds(lambda x: AnyValue(double_value=x), doubles)
    | st.builds(lambda x: AnyValue(bytes_value=x), st.binary(max_size=5))
)
any_values = st.recursive(
    plain,
    lambda inner: (
        st.builds(lambda x: AnyValue(array_value=common_pb2.ArrayValue(values=x)), st.lists(inner, max_size=3))
        | st.builds(lambda x: AnyValue(kvlist_value=common_pb2.KeyValueList(values=x)), pairs(inner))
    ),
    max_leaves=5,
)
attributes = pairs(any_values)
resources = st.builds(resource_pb2.Resource, attributes=attributes, dropped_attributes_count=counts32)
scopes = st.builds(
    common_pb2.InstrumentationScope,
    name=texts,
    version=texts,
    attributes=attributes,
    dropped_attributes_count=counts32,
)
events = st.builds(
    trace_pb2.Span.Event,
    time_unix_nano=times,
    name=texts,
    attributes=attributes,
    dropped_attributes_count=counts32,
)
links = st.builds(
    trace_pb2.Span.Link,
    trace_id=trace_ids,
    span_id=span_ids,
    trace_state=texts,
    attributes=attributes,
    dropped_attributes_count=counts32,
    flags=flags,
)
spans = st.builds(
    trace_pb2.Span,
    trace_id=trace_ids | st.binary(max_size=20),
    span_id=span_ids,
    parent_span_id=span_ids,
    trace_state=texts,
    name=texts,
    kind=st.integers(-1, 9),
    start_time_unix_nano=times | st.just(0),
    end_time_unix_nano=times | st.just(0),
    attributes=attributes,
    events=st.lists(events, max_size=2),
    links=st.lists(links, max_size=2),
    dropped_attributes_count=counts32,
    dropped_events_count=counts32,
    dropped_links_count=counts32,
    status=st.none() | st.builds(trace_pb2.Status, code=st.integers(0, 4), message=texts),
    flags=flags,
)
records = st.builds(
    logs_pb2.LogRecord,
    time_unix_nano=times | st.just(0),
    observed_time_unix_nano=times | st.just(0),
    severity_number=st.integers(0, 30),
    severity_text=texts,
    body=st.none() | any_values,
    attributes=attributes,
    dropped_attributes_count=counts32,
    flags=flags,
    trace_id=trace_ids,
    span_id=span_ids,
    event_name=texts,
)
exemplars = st.builds(
    lambda number, **rest: metrics_pb2.Exemplar(**number, **rest),
    st.just({}) | st.builds(lambda x: {"as_int": x}, ints64) | st.builds(lambda x: {"as_double": x}, doubles),
    time_unix_nano=times,
    filtered_attributes=attributes,
    trace_id=trace_ids,
    span_id=span_ids,
)
point = {
    "time_unix_nano": times | st.just(0),
    "start_time_unix_nano": times | st.just(0),
    "attributes": attributes,
    "flags": flags,
}
with_exemplars = {**point, "exemplars": st.lists(exemplars, max_size=2)}
numbers = st.builds(
    lambda number, **rest: metrics_pb2.NumberDataPoint(**number, **rest),
    st.just({}) | st.builds(lambda x: {"as_int": x}, ints64) | st.builds(lambda x: {"as_double": x}, doubles),
    **with_exemplars,
)
counts64 = st.integers(0, 2**63 - 1)
maybe_double = st.none() | doubles
totals = {**with_exemplars, "count": counts64, "sum": maybe_double, "min": maybe_double, "max": maybe_double}
histograms = st.builds(
    metrics_pb2.HistogramDataPoint,
    **totals,
    explicit_bounds=st.lists(doubles, max_size=3),
    bucket_counts=st.lists(counts64, max_size=3),
)
buckets = st.none() | st.builds(
    metrics_pb2.ExponentialHistogramDataPoint.Buckets,
    offset=st.integers(-(2**31), 2**31 - 1),
    bucket_counts=st.lists(counts64, max_size=3),
)
exponential = st.builds(
    metrics_pb2.ExponentialHistogramDataPoint,
    **totals,
    scale=st.integers(-10, 20),
    zero_count=counts64,
    zero_threshold=doubles,
    positive=buckets,
    negative=buckets,
)
summaries = st.builds(
    metrics_pb2.SummaryDataPoint,
    **point,
    count=counts64,
    sum=doubles,
    quantile_values=st.lists(
        st.builds(metrics_pb2.SummaryDataPoint.ValueAtQuantile, quantile=doubles, value=doubles), max_size=2
    ),
)
temporality = st.integers(0, 4)


def some(points: Any) -> Any:
    return st.lists(points, min_size=1, max_size=2)


data = (
    st.builds(lambda p: {"gauge": metrics_pb2.Gauge(data_points=p)}, some(numbers))
    | st.builds(
        lambda p, t, m: {"sum": metrics_pb2.Sum(data_points=p, aggregation_temporality=t, is_monotonic=m)},
        some(numbers),
        temporality,
        st.booleans(),
    )
    | st.builds(
        lambda p, t: {"histogram": metrics_pb2.Histogram(data_points=p, aggregation_temporality=t)},
        some(histograms),
        temporality,
    )
    | st.builds(
        lambda p, t: {
            "exponential_histogram": metrics_pb2.ExponentialHistogram(data_points=p, aggregation_temporality=t)
        },
        some(exponential),
        temporality,
    )
    | st.builds(lambda p: {"summary": metrics_pb2.Summary(data_points=p)}, some(summaries))
)
metrics = st.builds(
    lambda kind, **rest: metrics_pb2.Metric(**kind, **rest),
    data,
    name=texts,
    description=texts,
    unit=texts,
    metadata=attributes,
)
LEAVES = {"traces": ("spans", spans), "logs": ("log_records", records), "metrics": ("metrics", metrics)}


def requests(signal: str) -> Any:
    """Strategy of export requests (messages) of a signal."""
    stem = {"traces": "spans", "logs": "logs", "metrics": "metrics"}[signal]
    request = REQUESTS[signal]
    module = {"traces": trace_pb2, "logs": logs_pb2, "metrics": metrics_pb2}[signal]
    word = stem.capitalize()
    leaf, leaves = LEAVES[signal]
    scoped = st.builds(
        getattr(module, f"Scope{word}"),
        scope=st.none() | scopes,
        schema_url=texts,
        **{leaf: st.lists(leaves, max_size=2)},
    )
    grouped = st.builds(
        getattr(module, f"Resource{word}"),
        resource=st.none() | resources,
        schema_url=texts,
        **{f"scope_{stem}": st.lists(scoped, max_size=2)},
    )
    return st.builds(request, **{f"resource_{stem}": st.lists(grouped, max_size=2)})


def canonical(value: Any) -> Any:
    """A message as nested tuples: absent submessages of the protocol are empty ones, the last of repeated keys wins."""
    if isinstance(value, Message):
        found = []
        for field in value.DESCRIPTOR.fields:
            inner = getattr(value, field.name)
            if field.is_repeated:
                items = list(inner)
                if items and isinstance(items[0], KeyValue):
                    last = {}
                    for each in items:
                        last.pop(each.key, None)
                        last[each.key] = canonical(each.value)
                    found.append((field.name, tuple(last.items())))
                else:
                    found.append((field.name, tuple(map(canonical, items))))
            elif field.message_type and field.has_presence and not value.HasField(field.name):
                blank = field.name in ("resource", "scope", "status", "value", "body")
                found.append((field.name, canonical(inner) if blank else None))
            elif field.has_presence and not value.HasField(field.name):
                found.append((field.name, None))
            else:
                found.append((field.name, canonical(inner)))
        return tuple(found)
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack(">d", value)
    return value


def leaves_of(message: Any) -> list[Any]:
    """Every span, record or data point with its resource, scope and metric, in canonical form, sorted."""
    found = []
    for group in message.ListFields()[0][1] if message.ListFields() else []:
        group_field = next(f.name for f in group.DESCRIPTOR.fields if f.name.startswith("scope_"))
        for scope in getattr(group, group_field):
            outer = (canonical(group.resource), group.schema_url, canonical(scope.scope), scope.schema_url)
            name = next(f.name for f in scope.DESCRIPTOR.fields if f.is_repeated)
            for leaf in getattr(scope, name):
                if name != "metrics":
                    found.append((*outer, canonical(leaf)))
                    continue
                kind = leaf.WhichOneof("data")
                points = list(getattr(leaf, kind).data_points)
                bare = type(leaf)()
                bare.CopyFrom(leaf)
                del getattr(bare, kind).data_points[:]
                found += [(*outer, canonical(bare), canonical(each)) for each in points]
    return sorted(found, key=repr)
