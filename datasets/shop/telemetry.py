"""OpenTelemetry in one service: traces, metrics and logs, exported by OTLP.

Where to and how often stands in the variables of the OpenTelemetry specification, which the SDK reads by itself:
OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_METRIC_EXPORT_INTERVAL, ...
"""

import logging
import os
import threading
import time
from pathlib import Path

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider, set_logger_provider
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter


class ThreadId(SpanProcessor):
    """Says which thread began a span, by the kernel's number: so it meets profiles and waits of the same thread."""

    def on_start(self, span, parent_context=None):  # noqa: ARG002
        """Called by the SDK for every span that begins."""
        span.set_attribute("thread.id", threading.get_native_id())


def start(*instrumentors) -> None:
    """Set up the three signals, then instrument the libraries that this service uses."""
    resource = Resource.create({"process.pid": os.getpid()})  # the rest comes from the variables

    tracer_provider = TracerProvider(resource=resource)
    tracer_provider.add_span_processor(ThreadId())
    tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracer_provider)

    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=resource))
    _observe_process()

    logger_provider = LoggerProvider(resource=resource)
    logger_provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(logger_provider)
    LoggingInstrumentor().instrument(log_code_attributes=True)  # adds a handler that knows the current span
    logging.getLogger().setLevel(logging.INFO)
    # What the exporters have to say must not go through the exporters.
    for name in ("opentelemetry", "urllib3"):
        logging.getLogger(name).addHandler(logging.StreamHandler())
        logging.getLogger(name).propagate = False
        logging.getLogger(name).setLevel(logging.ERROR)

    for instrumentor in instrumentors:
        instrumentor.instrument()


def end() -> None:
    """Export what is still waiting."""
    for handler in logging.getLogger().handlers:
        handler.flushOnClose = False  # it would start a thread for that, and an ending Python takes no new ones
    for provider in (trace.get_tracer_provider(), get_logger_provider(), metrics.get_meter_provider()):
        provider.shutdown()


def _observe_process() -> None:
    """Memory and processor time of this process, read whenever metrics are exported."""
    meter = metrics.get_meter("shop.process")

    def memory(_):
        resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
        yield Observation(resident_pages * os.sysconf("SC_PAGE_SIZE"))

    def cpu(_):
        yield Observation(time.process_time())

    meter.create_observable_up_down_counter("process.memory.usage", [memory], unit="By")
    meter.create_observable_counter("process.cpu.time", [cpu], unit="s")
