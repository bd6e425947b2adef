"""Rows of the lake to OTLP requests: the way back, equal to what came in after the last of repeated keys wins."""

import itertools
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from workbench.formats.otlp.columns import KINDS, STATUS_CODES, TEMPORALITIES, number_of
from workbench.formats.otlp.requests import REQUESTS
from workbench.formats.otlp.values import any_value

ROWS_PER_REQUEST = 512
RESOURCE = ("resource_attributes", "resource_attribute_types", "resource_dropped_attributes", "resource_schema_url")
SCOPE = (
    "scope_name",
    "scope_version",
    "scope_attributes",
    "scope_attribute_types",
    "scope_dropped_attributes",
    "scope_schema_url",
)
METRIC = ("name", "description", "unit", "type", "temporality", "monotonic", "metadata", "metadata_types")
Row = dict[str, Any]


def encode(signal: str, rows: pa.Table) -> Iterator[bytes]:
    """Requests of at most 512 rows each, in the order of the rows; neighbours share their resource and scope."""
    fill = {"traces": _span, "logs": _log}
    for batch in rows.to_batches(max_chunksize=ROWS_PER_REQUEST):
        request = REQUESTS[signal]()
        for resource_key, in_resource in itertools.groupby(batch.to_pylist(), lambda row: key_of(row, RESOURCE)):
            group = _group(request, signal, resource_key)
            for scope_key, in_scope in itertools.groupby(in_resource, lambda row: key_of(row, SCOPE)):
                scope = _scope(group, signal, scope_key)
                if signal == "metrics":
                    for metric_key, in_metric in itertools.groupby(in_scope, lambda row: key_of(row, METRIC)):
                        _metric(scope.metrics.add(), metric_key, list(in_metric))
                else:
                    items = scope.spans if signal == "traces" else scope.log_records
                    for row in in_scope:
                        fill[signal](items.add(), row)
        yield request.SerializeToString()


def key_of(row: Row, names: tuple[str, ...]) -> Row:
    """The part of a row that neighbours share."""
    return {name: row[name] for name in names}


def _attributes(into: Any, pairs: list[tuple[str, str | None]] | None, types: str | None) -> None:
    for (key, text), letter in zip(pairs or [], types or "", strict=True):
        pair = into.add()
        pair.key = key
        pair.value.CopyFrom(any_value(text, letter))


def _group(request: Any, signal: str, key: Row) -> Any:
    group = {"traces": "resource_spans", "logs": "resource_logs", "metrics": "resource_metrics"}[signal]
    found = getattr(request, group).add()
    fill_resource(found, key)
    return found


def fill_resource(group: Any, key: Row) -> None:
    """Set resource and schema of a group of any signal."""
    group.schema_url = key["resource_schema_url"] or ""
    group.resource.SetInParent()
    _attributes(group.resource.attributes, key["resource_attributes"], key["resource_attribute_types"])
    group.resource.dropped_attributes_count = key["resource_dropped_attributes"] or 0


def _scope(group: Any, signal: str, key: Row) -> Any:
    scopes = {"traces": "scope_spans", "logs": "scope_logs", "metrics": "scope_metrics"}[signal]
    found = getattr(group, scopes).add()
    fill_scope(found, key)
    return found


def fill_scope(holder: Any, key: Row) -> None:
    """Set scope and schema of what holds the leaves of any signal."""
    holder.schema_url = key["scope_schema_url"] or ""
    holder.scope.SetInParent()
    holder.scope.name, holder.scope.version = key["scope_name"] or "", key["scope_version"] or ""
    _attributes(holder.scope.attributes, key["scope_attributes"], key["scope_attribute_types"])
    holder.scope.dropped_attributes_count = key["scope_dropped_attributes"] or 0


def _span(span: Any, row: Row) -> None:
    span.trace_id, span.span_id = bytes.fromhex(row["trace_id"] or ""), bytes.fromhex(row["span_id"] or "")
    span.parent_span_id = bytes.fromhex(row["parent_span_id"] or "")
    span.name, span.trace_state = row["name"] or "", row["trace_state"] or ""
    span.kind = number_of(row["kind"], KINDS)
    span.flags = row["flags"] or 0
    span.start_time_unix_nano, span.end_time_unix_nano = row["start_time_unix_nano"], row["end_time_unix_nano"] or 0
    span.status.code = number_of(row["status_code"], STATUS_CODES)
    span.status.message = row["status_message"] or ""
    _attributes(span.attributes, row["attributes"], row["attribute_types"])
    for name in ("attributes", "events", "links"):
        setattr(span, f"dropped_{name}_count", row[f"dropped_{name}"] or 0)
    for each in row["events"] or []:
        event = span.events.add(time_unix_nano=each["time_unix_nano"], name=each["name"])
        _attributes(event.attributes, each["attributes"], each["attribute_types"])
        event.dropped_attributes_count = each["dropped_attributes"] or 0
    for each in row["links"] or []:
        link = span.links.add(trace_id=bytes.fromhex(each["trace_id"]), span_id=bytes.fromhex(each["span_id"]))
        link.trace_state, link.flags = each["trace_state"] or "", each["flags"] or 0
        _attributes(link.attributes, each["attributes"], each["attribute_types"])
        link.dropped_attributes_count = each["dropped_attributes"] or 0


def _log(record: Any, row: Row) -> None:
    if not _invented_time(row):
        record.time_unix_nano = row["time_unix_nano"]
    record.observed_time_unix_nano = row["observed_time_unix_nano"] or 0
    record.severity_number, record.severity_text = row["severity_number"] or 0, row["severity_text"] or ""
    if row["body_type"] not in (None, "n"):
        record.body.CopyFrom(any_value(row["body"], row["body_type"]))
    record.event_name, record.flags = row["event_name"] or "", row["flags"] or 0
    record.trace_id, record.span_id = bytes.fromhex(row["trace_id"] or ""), bytes.fromhex(row["span_id"] or "")
    _attributes(record.attributes, row["attributes"], row["attribute_types"])
    record.dropped_attributes_count = row["dropped_attributes"] or 0


def _invented_time(row: Row) -> bool:
    return "time_from_" in (row["repairs"] or "")


def _metric(metric: Any, key: Row, rows: list[Row]) -> None:
    metric.name, metric.description, metric.unit = key["name"], key["description"] or "", key["unit"] or ""
    _attributes(metric.metadata, key["metadata"], key["metadata_types"])
    data = getattr(metric, key["type"])
    data.SetInParent()
    if key["temporality"] is not None:
        data.aggregation_temporality = number_of(key["temporality"], TEMPORALITIES)
    if key["monotonic"] is not None:
        data.is_monotonic = key["monotonic"]
    for row in rows:
        point = data.data_points.add()
        if not _invented_time(row):
            point.time_unix_nano = row["time_unix_nano"]
        point.start_time_unix_nano, point.flags = row["start_time_unix_nano"] or 0, row["flags"] or 0
        _attributes(point.attributes, row["attributes"], row["attribute_types"])
        _POINT[key["type"]](point, row)
        for each in row["exemplars"] or []:
            _exemplar(point.exemplars.add(), each)


def _number(point: Any, row: Row) -> None:
    if row["int_value"] is not None:
        point.as_int = row["int_value"]
    elif row["value"] is not None:
        point.as_double = row["value"]


def _totals(point: Any, row: Row) -> None:
    point.count = row["count"]
    for name in ("sum", "min", "max"):
        if row[name] is not None:
            setattr(point, name, row[name])


def _histogram(point: Any, row: Row) -> None:
    _totals(point, row)
    point.explicit_bounds.extend(row["bounds"] or [])
    point.bucket_counts.extend(row["bucket_counts"] or [])


def _exponential_histogram(point: Any, row: Row) -> None:
    _totals(point, row)
    point.scale, point.zero_count, point.zero_threshold = row["scale"], row["zero_count"], row["zero_threshold"]
    for side in ("positive", "negative"):
        if row[f"{side}_offset"] is not None:
            buckets = getattr(point, side)
            buckets.SetInParent()
            buckets.offset = row[f"{side}_offset"]
            buckets.bucket_counts.extend(row[f"{side}_counts"] or [])


def _summary(point: Any, row: Row) -> None:
    point.count, point.sum = row["count"], row["sum"]
    for each in row["quantiles"] or []:
        point.quantile_values.add(quantile=each["quantile"], value=each["value"])


def _exemplar(exemplar: Any, row: Row) -> None:
    exemplar.time_unix_nano = row["time_unix_nano"]
    exemplar.trace_id, exemplar.span_id = bytes.fromhex(row["trace_id"]), bytes.fromhex(row["span_id"])
    if row["int_value"] is not None:
        exemplar.as_int = row["int_value"]
    elif row["value"] is not None:
        exemplar.as_double = row["value"]
    _attributes(exemplar.filtered_attributes, row["attributes"], row["attribute_types"])


_POINT = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential_histogram,
    "summary": _summary,
}
