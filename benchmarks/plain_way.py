"""The plain way to store OTLP requests: protobuf objects, a Python loop over them, one Parquet file, one fsync.

No server, no log, no table format, no columns for single attributes, no types of values: the least that answers the
same questions slowly. It is the baseline of the ingest benchmark.
"""

import gzip
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MAP = pa.map_(pa.string(), pa.string())


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    return "" if kind is None else str(getattr(value, kind))


def _pairs(attributes: Any) -> list[tuple[str, str]]:
    return [(pair.key, _text(pair.value)) for pair in attributes]


def _spans(payload: bytes) -> list[dict[str, Any]]:
    return [
        {
            "trace_id": span.trace_id.hex(),
            "span_id": span.span_id.hex(),
            "parent_span_id": span.parent_span_id.hex(),
            "name": span.name,
            "kind": span.kind,
            "start": span.start_time_unix_nano,
            "end": span.end_time_unix_nano,
            "status": span.status.code,
            "message": span.status.message,
            "attributes": _pairs(span.attributes),
            "events": [
                {"time": event.time_unix_nano, "name": event.name, "attributes": _pairs(event.attributes)}
                for event in span.events
            ],
            "links": [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links],
            "resource": resource,
            "scope": scope.scope.name,
        }
        for group in ExportTraceServiceRequest.FromString(payload).resource_spans
        for resource in [_pairs(group.resource.attributes)]
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _logs(payload: bytes) -> list[dict[str, Any]]:
    return [
        {
            "time": record.time_unix_nano,
            "observed": record.observed_time_unix_nano,
            "severity": record.severity_number,
            "severity_text": record.severity_text,
            "body": _text(record.body),
            "trace_id": record.trace_id.hex(),
            "span_id": record.span_id.hex(),
            "attributes": _pairs(record.attributes),
            "resource": resource,
            "scope": scope.scope.name,
        }
        for group in ExportLogsServiceRequest.FromString(payload).resource_logs
        for resource in [_pairs(group.resource.attributes)]
        for scope in group.scope_logs
        for record in scope.log_records
    ]


def _points(payload: bytes) -> list[dict[str, Any]]:
    found = []
    for group in ExportMetricsServiceRequest.FromString(payload).resource_metrics:
        resource = _pairs(group.resource.attributes)
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    row = {
                        "name": metric.name,
                        "unit": metric.unit,
                        "type": kind,
                        "time": point.time_unix_nano,
                        "start": point.start_time_unix_nano,
                        "attributes": _pairs(point.attributes),
                        "resource": resource,
                        "scope": scope.scope.name,
                        "value": None,
                        "count": None,
                        "sum": None,
                        "buckets": None,
                    }
                    if kind in ("sum", "gauge"):
                        row["value"] = float(getattr(point, point.WhichOneof("value")))
                    else:
                        row["count"], row["sum"] = point.count, point.sum
                        buckets = point.bucket_counts if kind == "histogram" else point.positive.bucket_counts
                        row["buckets"] = list(buckets)
                    found.append(row)
    return found


def _schema(*, texts: str, numbers: str, **others: pa.DataType) -> pa.Schema:
    fields = {name: pa.string() for name in texts.split()} | {name: pa.int64() for name in numbers.split()}
    return pa.schema({**fields, "attributes": MAP, "resource": MAP, **others})


READERS = {"traces": _spans, "logs": _logs, "metrics": _points}
SCHEMAS = {
    "traces": _schema(
        texts="trace_id span_id parent_span_id name message scope",
        numbers="kind start end status",
        events=pa.list_(pa.struct([("time", pa.int64()), ("name", pa.string()), ("attributes", MAP)])),
        links=pa.list_(pa.struct([("trace_id", pa.string()), ("span_id", pa.string())])),
    ),
    "logs": _schema(
        texts="severity_text body trace_id span_id scope",
        numbers="time observed severity",
    ),
    "metrics": _schema(
        texts="name unit type scope",
        numbers="time start count",
        value=pa.float64(),
        sum=pa.float64(),
        buckets=pa.list_(pa.int64()),
    ),
}


def store(files: list[Path], signal: str, target: Path) -> tuple[int, float]:
    """Rows written and the CPU seconds of this process for it."""
    began = time.process_time()
    rows = [row for file in files for row in READERS[signal](gzip.decompress(file.read_bytes()))]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMAS[signal]), target, compression="zstd")
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return len(rows), time.process_time() - began
