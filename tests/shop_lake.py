"""A lake of a small made-up shop, for tests that need a whole picture: eight services, ten minutes, one fault.

From minute 6 to minute 8 the payments database is eight times slower, and every third payment fails.
"""

import random
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from workbench.formats.otlp import decode
from workbench.lake import Writer

START = 1_795_521_600  # 2026-11-24T12:00:00Z
MINUTES = 10
FAULT = (START + 6 * 60, START + 8 * 60)

# What a request does: service, operation, own time in ms, how it is called, what it calls. Payments' database is slow
# during the fault.
SQL = {"db.system.name": "postgresql", "server.address": "pg", "server.port": 5432}
REDIS = {"db.system.name": "redis", "server.address": "cache", "server.port": 6379}
BANK = {"server.address": "api.bank.example", "server.port": 443, "http.request.method": "POST"}
QUEUE = {"messaging.system": "redis", "messaging.destination.name": "orders"}
HTTP = {"http.request.method": "GET"}
BROWSE = (
    "storefront",
    "GET /products",
    4,
    HTTP,
    [
        ("catalogue", "GET /items", 3, HTTP, [("", "SELECT items", 6, SQL | {"db.namespace": "catalogue"}, [])]),
        ("recommendations", "GET /similar", 18, HTTP, [("", "GET", 1, REDIS, [])]),
    ],
)
BUY = (
    "storefront",
    "POST /checkout",
    5,
    HTTP,
    [
        (
            "checkout",
            "POST /orders",
            6,
            HTTP,
            [
                ("inventory", "GET /stock", 2, HTTP, [("", "HGET", 1, REDIS, [])]),
                (
                    "payments",
                    "POST /charge",
                    4,
                    HTTP,
                    [
                        ("", "INSERT payments", 9, SQL | {"db.namespace": "payments"}, []),
                        ("", "POST", 30, BANK, []),
                    ],
                ),
                ("mailer", "orders process", 12, QUEUE, []),
            ],
        )
    ],
)
SEARCH = ("storefront", "GET /search", 3, HTTP, [("search", "GET /query", 14, HTTP, [])])


def write_shop(lake: Path, *, rate: float = 2.0, fault: bool = True, seed: int = 7) -> Path:
    """Ten minutes at `rate` requests a second; the same arguments give the same spans."""
    chance = random.Random(seed)
    made = _Spans(chance, fault)
    at = float(START)
    while (at := at + chance.expovariate(rate)) < START + MINUTES * 60:
        plan = chance.choices((BROWSE, BUY, SEARCH), (6, 3, 2))[0]
        made.trace_id = chance.getrandbits(128).to_bytes(16)
        made.call(plan, b"", at, "")
    payload = made.request().SerializeToString()
    decoded = decode("traces", [payload], (START + MINUTES * 60) * 10**9)
    Writer(lake).append(decoded.tables, app_id="shop", sequence=0)
    return lake


class _Spans:
    def __init__(self, chance: random.Random, fault: bool) -> None:
        self.chance, self.fault = chance, fault
        self.trace_id = b""
        self.spans: dict[str, list[Any]] = {}

    def call(self, step: Any, parent: bytes, at: float, caller: str) -> tuple[float, bool]:
        """Make the spans of one step and of what it calls; when it ends, and whether it failed."""
        service, operation, own, attributes, calls = step
        client = self.chance.getrandbits(64).to_bytes(8)
        server = self.chance.getrandbits(64).to_bytes(8)
        queued = "messaging.system" in attributes
        spent = own * self.chance.lognormvariate(0, 0.35) / 1e3
        failed = False
        slow = self.fault and FAULT[0] <= at < FAULT[1] and attributes.get("db.namespace") == "payments"
        if slow:
            spent *= 8
            failed = self.chance.random() < 1 / 3
        begin = at + (0.0 if not caller else 0.05 if queued else 0.0004)
        end = begin + spent / 2
        for each in calls:
            ended, bad = self.call(each, server, end, service)
            failed |= bad
            end = end if "messaging.system" in each[3] else ended
        end += spent / 2
        if service:
            kind = Span.SPAN_KIND_CONSUMER if queued else Span.SPAN_KIND_SERVER
            own_parent = client if caller else parent
            self.add(service, operation, kind, server, own_parent, begin, end, failed, attributes)
        if caller:
            kind = Span.SPAN_KIND_PRODUCER if queued else Span.SPAN_KIND_CLIENT
            self.add(caller, operation, kind, client, parent, at, at + 0.001 if queued else end, failed, attributes)
        return end + 0.0004, failed

    def add(
        self, service: str, name: str, kind: Any, span_id: bytes, parent: bytes, begin: float, end: float, failed: bool,
        attributes: dict[str, Any],
    ) -> None:  # fmt: skip
        span = Span(name=name, kind=kind, span_id=span_id, trace_id=self.trace_id, parent_span_id=parent)
        span.start_time_unix_nano, span.end_time_unix_nano = int(begin * 1e9), int(end * 1e9)
        span.attributes.extend(_attributes(attributes))
        span.status.code = 2 if failed else 0
        self.spans.setdefault(service, []).append(span)

    def request(self) -> Any:
        parts = []
        for service, spans in sorted(self.spans.items()):
            resource = Resource(attributes=_attributes({"service.name": service, "host.name": "shop-1"}))
            parts.append(ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)]))
        return ExportTraceServiceRequest(resource_spans=parts)


def _attributes(values: dict[str, Any]) -> list[Any]:
    return [
        KeyValue(key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for key, value in values.items()
    ]
