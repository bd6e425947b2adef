"""OTLP requests as an instrumented shop sends them: 512 items each, from four processes.

How often an attribute value repeats decides what a column costs, so the pools are stated here: methods 3, routes 24,
statuses 6, user agents 5, hosts 9, statements 16, users 2,000, paths with one of 600 products or an order of their own,
ports of clients 28,232 (Linux's ephemeral range), order numbers unique. Trace and span ids are random, times have
random nanoseconds, traces are chains of eight spans, 4 % of the spans failed and carry an exception event, 2 % carry a
link. `repetition` measures the outcome; benchmarks/README.md sets it beside the shop's own.
"""

import gzip
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ITEMS = 512
RESOURCES = 4
SPANS_PER_TRACE = 8
ROUTES = [
    f"/{area}/{{{key}}}/{act}"
    for area in ("products", "orders", "users", "cart")
    for key in ("id",)
    for act in ("view", "edit", "list", "pay", "ship", "rate")
]
SERVICES = ("storefront", "checkout", "inventory", "payments", "recommendations", "mailer")
STATEMENTS = [
    f"SELECT a, b, c FROM {table} WHERE {column} = $1"
    for table in ("items", "orders", "users", "stock")
    for column in ("id", "owner", "state", "created")
]
AGENTS = [f"Mozilla/5.0 (X11; Linux x86_64) Shop/{version}" for version in range(5)]
HOSTS = [f"10.4.{number // 3}.{10 + number % 3}" for number in range(9)]


def put(attributes: Any, **values: Any) -> None:
    """Add attributes; double underscores in a name are dots."""
    for name, value in values.items():
        target = attributes.add(key=name.replace("__", ".")).value
        if isinstance(value, bool):
            target.bool_value = value
        elif isinstance(value, int):
            target.int_value = value
        elif isinstance(value, float):
            target.double_value = value
        else:
            target.string_value = value


def _resource(holder: Any, chance: random.Random) -> None:
    service = chance.choice(SERVICES)
    number = chance.randrange(3)
    put(
        holder.resource.attributes,
        service__name=service,
        service__version="1.4.2",
        service__instance__id=f"{service}-{number}",
        host__name=f"host-{number}",
        process__pid=4000 + SERVICES.index(service) * 10 + number,
        telemetry__sdk__language="python",
        telemetry__sdk__name="opentelemetry",
        telemetry__sdk__version="1.45.2",
    )


def _path(chance: random.Random, route: str) -> str:
    number = chance.randrange(600) if route.startswith("/products") else chance.randrange(10**9)
    return route.replace("{id}", str(number))


def traces(chance: random.Random, now_ns: int) -> Any:
    """512 spans of eight attributes each."""
    request = ExportTraceServiceRequest()
    for _ in range(RESOURCES):
        group = request.resource_spans.add()
        _resource(group, chance)
        scope = group.scope_spans.add()
        scope.scope.name, scope.scope.version = "opentelemetry.instrumentation.flask", "0.66b0"
        trace_id, parent = b"", b""
        for position in range(ITEMS // RESOURCES):
            if position % SPANS_PER_TRACE == 0:
                trace_id, parent = chance.randbytes(16), b""
            _span(scope.spans.add(), chance, position % SPANS_PER_TRACE, trace_id, parent, now_ns)
            parent = scope.spans[-1].span_id
    return request


def _span(span: Any, chance: random.Random, depth: int, trace_id: bytes, parent: bytes, now_ns: int) -> None:
    start = now_ns - chance.randrange(5 * 10**9)
    span.trace_id, span.span_id, span.parent_span_id, span.flags = trace_id, chance.randbytes(8), parent, 256
    span.start_time_unix_nano = start
    span.end_time_unix_nano = start + int(chance.lognormvariate(15, 1.2))
    route = chance.choice(ROUTES)
    failed = chance.random() < 0.04
    status = 500 if failed else chance.choices((200, 201, 204, 302, 404), (80, 8, 4, 4, 4))[0]
    if depth % 4 == 3:
        statement = chance.choice(STATEMENTS)
        span.name, span.kind = statement[:6], 3
        put(
            span.attributes,
            db__system__name="postgresql",
            db__namespace="shop",
            db__operation__name="SELECT",
            db__query__text=statement,
            server__address=chance.choice(HOSTS),
            server__port=5432,
            network__peer__port=chance.randrange(32768, 61000),
            order__id=f"{chance.getrandbits(48):012x}",
        )
    else:
        method = chance.choices(("GET", "POST", "PUT"), (80, 15, 5))[0]
        span.name, span.kind = f"{method} {route}", 3 if depth % 2 else 2
        put(
            span.attributes,
            http__request__method=method,
            http__route=route,
            http__response__status_code=status,
            url__path=_path(chance, route),
            server__address=chance.choice(HOSTS),
            client__port=chance.randrange(32768, 61000),
            user__id=f"user-{chance.randrange(2000)}",
            user_agent__original=chance.choice(AGENTS),
        )
    if failed:
        span.status.code, span.status.message = 2, "upstream did not answer"
        event = span.events.add(name="exception", time_unix_nano=span.end_time_unix_nano)
        text = f"no answer within {chance.randrange(3000)} ms"
        put(event.attributes, exception__type="TimeoutError", exception__message=text)
    if chance.random() < 0.02:
        span.links.add(trace_id=chance.randbytes(16), span_id=chance.randbytes(8))


def logs(chance: random.Random, now_ns: int) -> Any:
    """512 records with trace context, a text of its own each, and five attributes."""
    request = ExportLogsServiceRequest()
    for _ in range(RESOURCES):
        group = request.resource_logs.add()
        _resource(group, chance)
        scope = group.scope_logs.add()
        scope.scope.name = "shop.orders"
        for _ in range(ITEMS // RESOURCES):
            time_ns = now_ns - chance.randrange(5 * 10**9)
            level, text = chance.choices(((9, "INFO"), (13, "WARN"), (17, "ERROR")), (90, 6, 4))[0]
            record = scope.log_records.add(
                time_unix_nano=time_ns,
                observed_time_unix_nano=time_ns + chance.randrange(10**6),
                severity_number=level,
                severity_text=text,
                trace_id=chance.randbytes(16),
                span_id=chance.randbytes(8),
                flags=1,
            )
            order, user, taken = chance.getrandbits(32), chance.randrange(2000), chance.randrange(900)
            record.body.string_value = f"order {order} of user-{user} priced in {taken} ms"
            put(
                record.attributes,
                code__function__name=chance.choice(("handle", "price", "reserve", "charge")),
                code__file__path="/srv/shop/orders.py",
                code__line__number=chance.randrange(40, 400),
                thread__name=f"worker-{chance.randrange(8)}",
                user__id=f"user-{user}",
            )
    return request


def metrics(chance: random.Random, now_ns: int) -> Any:
    """512 points of three attributes: sums, gauges, histograms, exponential histograms, a quarter each."""
    request = ExportMetricsServiceRequest()
    for _ in range(RESOURCES):
        group = request.resource_metrics.add()
        _resource(group, chance)
        scope = group.scope_metrics.add()
        scope.scope.name = "shop.http"
        for kind, name, unit in (
            ("sum", "http.server.requests", "{request}"),
            ("gauge", "process.memory.usage", "By"),
            ("histogram", "http.server.request.duration", "s"),
            ("exponential_histogram", "http.client.request.duration", "s"),
        ):
            data = getattr(scope.metrics.add(name=name, unit=unit), kind)
            if kind != "gauge":
                data.aggregation_temporality = 2
            if kind == "sum":
                data.is_monotonic = True
            for _ in range(ITEMS // RESOURCES // 4):
                _point(data.data_points.add(), kind, chance, now_ns)
    return request


def _point(point: Any, kind: str, chance: random.Random, now_ns: int) -> None:
    point.time_unix_nano, point.start_time_unix_nano = now_ns, now_ns - 3600 * 10**9
    put(
        point.attributes,
        http__route=chance.choice(ROUTES),
        http__response__status_code=chance.choice((200, 201, 404, 500)),
        network__peer__address=f"10.5.0.{chance.randrange(32)}",
    )
    if kind == "sum":
        point.as_int = chance.randrange(10**6)
    elif kind == "gauge":
        point.as_double = chance.uniform(1e6, 1e9)
    else:
        counts = [chance.randrange(200) for _ in range(15)]
        point.count, point.sum = sum(counts), chance.uniform(1, 500)
        point.min, point.max = chance.uniform(0, 0.01), chance.uniform(1, 10)
        if kind == "histogram":
            point.explicit_bounds.extend((0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
            point.bucket_counts.extend(counts)
        else:
            point.scale, point.zero_count, point.positive.offset = 3, 1, chance.randrange(-40, 10)
            point.positive.bucket_counts.extend(counts)


MAKERS: dict[str, Callable[[random.Random, int], Any]] = {"traces": traces, "logs": logs, "metrics": metrics}


def requests(signal: str, count: int, *, seed: int = 7) -> list[bytes]:
    """So many different requests, serialized."""
    chance = random.Random(seed)
    return [MAKERS[signal](chance, time.time_ns()).SerializeToString() for _ in range(count)]


def stored(folder: Path, signal: str, count: int) -> list[Path]:
    """The same, each in a gzip file, made once."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{signal}-{number}.gz" for number in range(count)]
    if not files[-1].exists():
        for file, payload in zip(files, requests(signal, count), strict=True):
            file.write_bytes(gzip.compress(payload, 6))
    return files
