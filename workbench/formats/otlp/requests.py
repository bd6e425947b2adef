"""The four export requests as protobuf messages: does a payload parse, and how much is in it?"""

from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from workbench.lake.errors import BadInput

REQUESTS: dict[str, Any] = {
    "traces": trace_service_pb2.ExportTraceServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "profiles": profiles_service_pb2.ExportProfilesServiceRequest,
}
SIGNALS = tuple(REQUESTS)
_REMEDY = "send an OTLP Export*ServiceRequest in protobuf; nesting ends at about 45 levels"


def parsed(signal: str, payload: bytes) -> Any:
    """The request as a protobuf message.

    Raises:
        BadInput: not such a request: truncated, random, of another type, invalid UTF-8, nested too deep.
    """
    try:
        return REQUESTS[signal].FromString(payload)
    except (DecodeError, RecursionError) as error:
        raise BadInput(f"not an OTLP {signal} request: {error}", f"{len(payload)} bytes", _REMEDY) from error


def validate(signal: str, payload: bytes) -> int:
    """Parse fully, throw away, and tell how many spans, records, points or samples there were.

    Raises:
        BadInput: the payload does not parse.
    """
    if signal == "profiles":
        from workbench.formats.otlp.profiles import validate as validate_profiles

        return validate_profiles(payload)
    request = parsed(signal, payload)
    if signal == "traces":
        return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
    if signal == "logs":
        return sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)
    return sum(
        len(getattr(metric, kind).data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
    )
