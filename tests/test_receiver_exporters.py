"""The official OpenTelemetry Python exporters deliver every kind of value unharmed, over gRPC and over HTTP."""

import grpc
import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc import _log_exporter as grpc_logs
from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc_metrics
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_traces
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http import _log_exporter as http_logs
from opentelemetry.exporter.otlp.proto.http import metric_exporter as http_metrics
from opentelemetry.exporter.otlp.proto.http import trace_exporter as http_traces
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

import workbench as wb
from tests.receiver_process import receiver
from workbench.formats.otlp import encode
from workbench.formats.otlp.requests import REQUESTS

VALUES = {
    "text": "naïve ☃ \x00",
    "no text": "",
    "true": True,
    "false": False,
    "smallest": -(2**63),
    "largest": 2**63 - 1,
    "fraction": 0.1,
    "tiny": 5e-324,
    "infinite": float("inf"),
    "bytes": b"\x00\xff",
    "texts": ["a", "", "b"],
    "integers": [1, -2],
    "fractions": [1.0, 2.5],
    "truths": [True, False],
}
NESTED = {**VALUES, "mixed": [1, "one", 1.0, True, b"1", None], "tree": {"of": {"dicts": [{"deep": [[1], [2]]}]}}}
TRANSPORTS = {
    "grpc": (
        lambda it: grpc_traces.OTLPSpanExporter(it.grpc, insecure=True),
        lambda it: grpc_logs.OTLPLogExporter(it.grpc, insecure=True, compression=grpc.Compression.Gzip),
        lambda it: grpc_metrics.OTLPMetricExporter(it.grpc, insecure=True),
    ),
    "http": (
        lambda it: http_traces.OTLPSpanExporter(f"http://{it.http}/v1/traces", compression=Compression.Gzip),
        lambda it: http_logs.OTLPLogExporter(f"http://{it.http}/v1/logs", compression=Compression.Deflate),
        lambda it: http_metrics.OTLPMetricExporter(f"http://{it.http}/v1/metrics"),
    ),
}


def send_all(running, transport):
    traces, logs, metrics = (make(running) for make in TRANSPORTS[transport])
    resource = Resource({"service.name": transport, **VALUES})

    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(traces))
    tracer = tracers.get_tracer("scope", "1.0", attributes={"in": "scope"})
    with tracer.start_as_current_span("parent", kind=SpanKind.SERVER, attributes=VALUES) as parent:
        parent.add_event("event", VALUES, timestamp=1_790_000_000_000_000_001)
        child = tracer.start_span("child", kind=SpanKind.CLIENT, links=[Link(parent.get_span_context(), VALUES)])
        child.set_status(Status(StatusCode.ERROR, "no luck"))
        child.end()
    tracers.shutdown()

    loggers = LoggerProvider(resource=resource)
    loggers.add_log_record_processor(BatchLogRecordProcessor(logs))
    record = {"timestamp": 1_790_000_000_000_000_001, "severity_number": SeverityNumber.WARN, "severity_text": "WARN"}
    loggers.get_logger("scope").emit(LogRecord(body=NESTED, attributes=NESTED, **record))
    loggers.shutdown()

    views = [View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation())]
    reader = PeriodicExportingMetricReader(metrics, export_interval_millis=3_600_000)
    meters = MeterProvider([reader], resource=resource, views=views)
    meter = meters.get_meter("scope")
    meter.create_counter("sum").add(3, VALUES)
    meter.create_gauge("gauge").set(0.5, VALUES)
    for name in ("histogram", "exponential"):
        histogram = meter.create_histogram(name, explicit_bucket_boundaries_advisory=[1.0, 10.0])
        for value in (0.5, 5, 50):
            histogram.record(value, VALUES)
    meters.shutdown()


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    with receiver(tmp_path_factory.mktemp("exporters") / "lake", "--metrics-every", "never") as running:
        for transport in TRANSPORTS:
            send_all(running, transport)
        running.stop()
    return wb.open(running.lake).whole()


def value_of(any_value):
    """An OTLP value as Python has it."""
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(each) for each in any_value.array_value.values]
    if kind == "kvlist_value":
        return values_of(any_value.kvlist_value.values)
    return getattr(any_value, kind) if kind else None


def values_of(pairs):
    return {pair.key: value_of(pair.value) for pair in pairs}


def sent_back(window, signal, table, transport):
    """The rows of one service as an OTLP request again."""
    rows = window.arrow(f"select * exclude (day) from {table} where service_name = $service", service=transport)
    (payload,) = encode(signal, rows)
    return REQUESTS[signal].FromString(payload)


@pytest.fixture(params=[*TRANSPORTS])
def transport(request):
    return request.param


def exactly(found):
    """Types too: 1, 1.0 and True are equal in Python."""
    return repr(sorted(found.items()))


def test_spans_arrive_with_all_values(window, transport):
    (resource,) = sent_back(window, "traces", "spans", transport).resource_spans
    found = {span.name: span for span in resource.scope_spans[0].spans}
    parent, child = found["parent"], found["child"]
    assert exactly(values_of(parent.attributes)) == exactly(VALUES)
    assert exactly(values_of(parent.events[0].attributes)) == exactly(VALUES)
    assert exactly(values_of(child.links[0].attributes)) == exactly(VALUES)
    assert (parent.events[0].name, parent.events[0].time_unix_nano) == ("event", 1_790_000_000_000_000_001)
    assert child.parent_span_id == parent.span_id == child.links[0].span_id
    assert child.trace_id == parent.trace_id
    assert (child.kind, child.status.code, child.status.message) == (3, 2, "no luck")
    resources = values_of(resource.resource.attributes)
    assert exactly({key: resources[key] for key in VALUES}) == exactly(VALUES)
    scope = resource.scope_spans[0].scope
    assert (scope.name, scope.version, values_of(scope.attributes)) == ("scope", "1.0", {"in": "scope"})


def test_logs_arrive_with_all_values_nested_ones_too(window, transport):
    (resource,) = sent_back(window, "logs", "logs", transport).resource_logs
    (record,) = resource.scope_logs[0].log_records
    assert exactly(values_of(record.attributes)) == exactly(NESTED)
    assert exactly(value_of(record.body)) == exactly(NESTED)
    assert (record.time_unix_nano, record.severity_number, record.severity_text) == (
        1_790_000_000_000_000_001,
        13,
        "WARN",
    )


def test_metrics_arrive_with_all_kinds_and_values(window, transport):
    (resource,) = sent_back(window, "metrics", "metric_points", transport).resource_metrics
    found = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    points = {name: getattr(metric, metric.WhichOneof("data")).data_points[0] for name, metric in found.items()}
    assert {name: metric.WhichOneof("data") for name, metric in found.items()} == {
        "sum": "sum",
        "gauge": "gauge",
        "histogram": "histogram",
        "exponential": "exponential_histogram",
    }
    for point in points.values():
        assert exactly(values_of(point.attributes)) == exactly(VALUES)
    assert (points["sum"].as_int, found["sum"].sum.is_monotonic) == (3, True)
    assert points["gauge"].as_double == 0.5
    assert [*points["histogram"].explicit_bounds] == [1.0, 10.0]
    assert [*points["histogram"].bucket_counts] == [1, 1, 1]
    for name in ("histogram", "exponential"):
        assert (points[name].count, points[name].sum, points[name].min, points[name].max) == (3, 55.5, 0.5, 50)
    assert sum(points["exponential"].positive.bucket_counts) == 3
