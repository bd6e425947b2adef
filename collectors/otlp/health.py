"""The receiver's own health: metrics in the lake (`workbench.collector.*`) and the answer of /healthz.

All sums count from the start of the process, zero included: silence then means "not running", never "all is well".
"""

import os
import socket
import time
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2

from collectors.otlp import report
from collectors.otlp.intake import REASONS, Intake
from collectors.otlp.report import Report
from collectors.otlp.segments import SIGNAL_CODES

SERVICE = "workbench-collector-otlp"
TRANSPORTS = ("grpc", "http")
TABLES = ("spans", "logs", "metric_points", "profiles")
# Words that decoding may add to a row's `repairs`; their module loads the decoder, which this process does not need.
REPAIRS = (
    "count_overflow",
    "repeated_keys",
    "time_from_observed",
    "time_from_receipt",
    "time_overflow",
    "undecodable_value",
)
Point = tuple[float, dict[str, str]]
# Sums count from the start of the receiver. docs/receiver.md lists them all.
METRICS = {
    "received": ("{item}", "Spans, log records, metric points and samples that were acknowledged."),
    "refused": ("{request}", "Requests of which nothing was kept, by reason."),
    "rows": ("{row}", "Rows committed to the lake, by table."),
    "repaired": ("{row}", "Rows that broke a rule and were changed to be stored, by what was done."),
    "quarantined": ("{payload}", "Acknowledged payloads that make no rows; they lie in the log's quarantine."),
    "log.deletions": ("{deletion}", "How often the write-ahead log was deleted under the receiver."),
    "queue": ("By", "Bytes in the write-ahead log that are not in the lake yet."),
    "lag": ("s", "From receipt to commit: the latest segment, or the oldest that waits."),
    "fsync.duration": ("s", "The slowest fsync of the write-ahead log since the point before."),
}


class Health:
    """Looks at the intake, the write-ahead log and the decoding process's report."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._started_unix_nano = time.time_ns()
        self._ended: tuple[int, str] = (0, "")  # process id of the worker that died last, and how

    def worker_ended(self, pid: int, status: int) -> str:
        """Remember how a worker died, until another one reports; in words."""
        self._ended = (pid, f"the decoding process ended with status {status}")
        return self._ended[1]

    def facts(self) -> tuple[bool, dict[str, Any]]:
        """Is it well (it takes requests and the lake takes rows), and the figures as JSON values."""
        worker, wal = self._worker(), self._intake.wal
        died = self._ended[1] if worker["pid"] in (0, self._ended[0]) else ""
        found = (wal.refusal(), wal.trouble(), died, "; ".join(worker["error"]))
        trouble = [text for text in found if text]
        return not trouble, {
            "status": "failing" if trouble else "ok",
            "trouble": trouble,
            "queue_bytes": wal.pending_bytes(),
            "queue_limit_bytes": wal.budget_bytes,
            "lag_seconds": self._lag(worker),
            "fsync_seconds": round(wal.fsync_seconds, 6),
            "log_deletions": wal.deletions,
            **self._intake.totals(),
            "rows": worker["rows"],
            "repaired": worker["repaired"],
            "quarantined": worker["quarantined"],
        }

    def metrics(self) -> bytes:
        """The same as an OTLP request, which takes the way of all metrics."""
        worker, wal, intake = self._worker(), self._intake.wal, self._intake
        request = ExportMetricsServiceRequest()
        group = request.resource_metrics.add()
        for key, value in (("service.name", SERVICE), ("host.name", socket.gethostname())):
            group.resource.attributes.add(key=key).value.string_value = value
        group.resource.attributes.add(key="process.pid").value.int_value = os.getpid()
        self._scope = group.scope_metrics.add()
        self._scope.scope.name = "workbench.collector"
        both = [(signal, transport) for signal in SIGNAL_CODES for transport in TRANSPORTS]
        received = [(intake.received[s, t], {"signal": s, "transport": t}) for s, t in both]
        refused = [
            (intake.refused[s, t, r], {"signal": s, "transport": t, "reason": r}) for s, t in both for r in REASONS
        ]
        repaired = dict.fromkeys(REPAIRS, 0) | worker["repaired"]
        rows = dict.fromkeys(TABLES, 0) | worker["rows"]
        self._sum("received", received)
        self._sum("refused", refused)
        self._sum("rows", [(n, {"table": table}) for table, n in sorted(rows.items())])
        self._sum("repaired", [(n, {"repair": word}) for word, n in sorted(repaired.items())])
        self._sum("quarantined", [(worker["quarantined"], {})])
        self._sum("log.deletions", [(wal.deletions, {})])
        self._gauge("queue", wal.pending_bytes())
        self._gauge("lag", self._lag(worker))
        self._gauge("fsync.duration", wal.slowest_fsync_seconds)
        wal.slowest_fsync_seconds = 0.0
        data: bytes = request.SerializeToString()
        return data

    def _worker(self) -> Report:
        return report.read(self._intake.wal.directory, os.getpid())

    def _lag(self, worker: Report) -> float:
        """From receipt to commit: of the latest segment, or of the one that waits longer already."""
        return round(max(worker["lag_seconds"], self._intake.wal.oldest_seconds()), 3)

    def _sum(self, name: str, points: Iterable[Point]) -> None:
        metric = self._metric(name)
        metric.sum.aggregation_temporality = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.is_monotonic = True
        now = time.time_ns()
        for value, attributes in points:
            point = metric.sum.data_points.add(
                start_time_unix_nano=self._started_unix_nano, time_unix_nano=now, as_int=int(value)
            )
            for key, text in attributes.items():
                point.attributes.add(key=key).value.string_value = text

    def _gauge(self, name: str, value: float) -> None:
        self._metric(name).gauge.data_points.add(time_unix_nano=time.time_ns(), as_double=float(value))

    def _metric(self, name: str) -> Any:
        unit, description = METRICS[name]
        return self._scope.metrics.add(name=f"workbench.collector.{name}", unit=unit, description=description)
