"""ExportMetricsServiceRequest as rows of the table `metric_points`: one row per data point, all five kinds."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.formats.otlp.attributes import attributes
from workbench.formats.otlp.columns import (
    INT64_MAX,
    TEMPORALITIES,
    Repairs,
    hex_text,
    list_column,
    microseconds,
    offsets_of,
    parents_of,
    repeated,
    signed,
    words,
)
from workbench.formats.otlp.context import Context, mark
from workbench.formats.otlp.logs import with_time
from workbench.lake.schema import POINT_PROMOTED

METRIC_TYPES = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
# So that requests without a point give all columns too.
NO_VALUES = pa.schema(
    {
        "pairs": pa.list_(pa.field("item", pa.binary(), nullable=False)),
        "start_time_unix_nano": pa.int64(),
        "time_unix_nano": pa.int64(),
    }
).empty_table()


def points(batch: pa.RecordBatch, received: np.ndarray) -> tuple[dict[str, pa.Array], Repairs]:
    """Columns of the data points of a nested batch, one kind of metric after the other."""
    context = Context(batch, "resource_metrics", "scope_metrics", "metrics", received)
    metric = context.leaves
    kinds = {kind: metric.field(kind) for kind in METRIC_TYPES if metric.field(kind).null_count < len(metric)}
    lists = {kind: data.field("data_points") for kind, data in kinds.items()}
    parents = {kind: parents_of(each) for kind, each in lists.items()}
    kinds = {kind: data for kind, data in kinds.items() if len(parents[kind])}
    of = np.concatenate([np.zeros(0, np.int64), *(parents[kind] for kind in kinds)])
    repairs = Repairs(len(of))
    parts, before = [NO_VALUES], 0
    for kind, data in kinds.items():
        part, own = _kind(kind, data, lists[kind].flatten(), parents[kind])
        for word, mask in own.masks.items():
            repairs.mark(word, before + np.flatnonzero(mask))
        parts.append(part)
        before += part.num_rows
    values = pa.concat_tables(parts, promote_options="default").combine_chunks()
    columns = {name: values[name] for name in values.column_names if name != "pairs"}
    columns |= _shared(context, of, values["pairs"].combine_chunks(), repairs)
    columns["time_unix_nano"] = with_time(
        values["time_unix_nano"].combine_chunks(), None, context.received(of), repairs
    )
    columns["time"] = microseconds(columns["time_unix_nano"])
    return columns, repairs


def _shared(context: Context, of: np.ndarray, pairs: pa.Array, repairs: Repairs) -> dict[str, pa.Array]:
    """The columns that every kind has, for all of them at once: attributes and what their metric says."""
    metric, of_metric = context.leaves, pa.array(of)
    metadata, own = attributes(metric.field("metadata")), attributes(pairs)
    context.repair(repairs, of)
    for word, rows in metadata.repaired.items():
        repairs.mark(word, np.isin(of, rows))
    mark(repairs, own)
    return {
        **{name: repeated(metric.field(name), of_metric) for name in ("name", "description", "unit")},
        "metadata": metadata.of(of).maps(),
        "metadata_types": repeated(metadata.types(), of_metric),
        **own.promoted(POINT_PROMOTED),
        "attributes": own.maps(),
        "attribute_types": own.types(),
        **context.columns(of),
    }


def _kind(kind: str, data: pa.Array, point: pa.Array, of: np.ndarray) -> tuple[pa.Table, Repairs]:
    """The columns of one kind that are its own; attributes still as they came, in the column `pairs`."""
    of_metric, repairs = pa.array(of), Repairs(len(point))
    overflow = np.zeros(len(point), bool)
    start, time = (signed(point.field(f"{edge}time_unix_nano"), overflow) for edge in ("start_", ""))
    columns = {
        "pairs": point.field("attributes"),
        "start_time_unix_nano": start,
        "time_unix_nano": time,
        "type": pa.repeat(pa.scalar(kind), len(point)).dictionary_encode(),
        "flags": point.field("flags").cast(pa.int64()),
        **_values(kind, point, repairs),
    }
    names = {field.name for field in data.type}
    if "aggregation_temporality" in names:
        temporality = data.field("aggregation_temporality").take(of_metric)
        columns["temporality"] = words(temporality, TEMPORALITIES, "temporality")
    if "is_monotonic" in names:
        columns["monotonic"] = data.field("is_monotonic").take(of_metric)
    if kind != "summary":
        columns["exemplars"] = _exemplars(point.field("exemplars"), repairs, overflow)
    repairs.mark("time_overflow", overflow)
    return pa.table(columns), repairs


def _values(kind: str, point: pa.Array, repairs: Repairs) -> dict[str, pa.Array]:
    """The columns that only this kind of metric has."""
    if kind in ("gauge", "sum"):
        whole = point.field("as_int")
        return {
            "value": pc.coalesce(point.field("as_double"), whole.cast(pa.float64(), safe=False)),
            "int_value": whole,
        }
    broken = np.zeros(len(point), bool)
    found: dict[str, Any] = {"count": signed(point.field("count"), broken, INT64_MAX), "sum": point.field("sum")}
    if kind == "summary":
        found["quantiles"] = point.field("quantile_values")
        repairs.mark("count_overflow", broken)
        return found
    found |= {"min": point.field("min"), "max": point.field("max")}
    if kind == "histogram":
        found["bounds"] = point.field("explicit_bounds")
        found["bucket_counts"] = _counts(point.field("bucket_counts"), broken)
    else:
        found["scale"] = point.field("scale")
        found["zero_count"] = signed(point.field("zero_count"), broken, INT64_MAX)
        found["zero_threshold"] = point.field("zero_threshold")
        for side in ("positive", "negative"):
            buckets = point.field(side)
            absent = pa.array(buckets.is_null().to_numpy(zero_copy_only=False))
            found[f"{side}_offset"] = pc.if_else(absent, pa.scalar(None, pa.int32()), buckets.field("offset"))
            found[f"{side}_counts"] = _counts(buckets.field("bucket_counts"), broken)
    repairs.mark("count_overflow", broken)
    return found


def _counts(lists: pa.Array, broken: np.ndarray) -> pa.Array:
    over = np.zeros(len(lists.flatten()), bool)
    counts = signed(lists.flatten(), over, INT64_MAX)
    if over.any():
        broken[parents_of(lists)[over]] = True
    return list_column(offsets_of(lists), counts)


def _exemplars(lists: pa.Array, repairs: Repairs, overflow: np.ndarray) -> pa.Array:
    exemplar, of = lists.flatten(), parents_of(lists)
    own = attributes(exemplar.field("filtered_attributes"))
    mark(repairs, own, of)
    broken = np.zeros(len(exemplar), bool)
    fields = {
        "time_unix_nano": signed(exemplar.field("time_unix_nano"), broken),
        "value": exemplar.field("as_double"),
        "int_value": exemplar.field("as_int"),
        "trace_id": hex_text(exemplar.field("trace_id")),
        "span_id": hex_text(exemplar.field("span_id")),
        "attributes": own.maps(),
        "attribute_types": own.types(),
    }
    overflow[of[broken]] = True
    return list_column(offsets_of(lists), pa.StructArray.from_arrays(list(fields.values()), list(fields)))
