"""How long after its acknowledgement can a span be found?"""

import gzip
import http.client
import json
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import workbench as wb
from benchmarks import payloads
from benchmarks.receiving import Receiver, receiver, scratch
from workbench.lake import LakeError

CLAIM = "A span is found by a query 4 s after its acknowledgement (p99), at 70 % of what the receiver can drain."
TARGET_SECONDS = 4.0
SHARE = 0.7
PROBE_SECONDS, LOOK_SECONDS = 0.2, 0.1
DIFFERENT, WARM_UP = 256, 64
SERVICE = "probe"
FOUND = "select name from spans where service_name = 'probe'"


class Probes:
    """Spans that are sent one by one beside the load, each found again by a fresh window."""

    def __init__(self, server: Receiver, seconds: float) -> None:
        self._server, self._end = server, time.monotonic() + seconds
        self._acknowledged: dict[str, tuple[float, int]] = {}  # name -> when (monotonic), start of the span (ns)
        self.seconds: list[float] = []
        self._sender = threading.Thread(target=self._send, daemon=True)

    def watch(self) -> None:
        """Send until the time is over, look until all are found."""
        warnings.simplefilter("ignore", wb.EmptyWindow)  # while the first probes are on their way
        self._sender.start()
        lake = wb.open(self._server.lake)
        while self._sender.is_alive() or self._acknowledged:
            time.sleep(LOOK_SECONDS)
            waiting = dict(self._acknowledged)
            if not waiting:
                continue
            try:
                window = lake.window(min(start for _, start in waiting.values()), time.time_ns() + 10**9)
                names = set(window.sql(FOUND)["name"].to_list())
            except LakeError:  # no table yet, or its files were merged while it was read: the next look is a fresh one
                continue
            now = time.monotonic()
            for name in names & waiting.keys():
                self.seconds.append(now - waiting[name][0])
                del self._acknowledged[name]
            if now > self._end + 60:
                raise RuntimeError(f"{len(self._acknowledged)} acknowledged spans were never found")

    def _send(self) -> None:
        host, port = self._server.http.split(":")
        connection = http.client.HTTPConnection(host, int(port))
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        number = 0
        while time.monotonic() < self._end:
            number, start = number + 1, time.time_ns()
            connection.request("POST", "/v1/traces", _span(f"probe-{number}", start), headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"the receiver answers {answer.status}")
            self._acknowledged[f"probe-{number}"] = time.monotonic(), start
            time.sleep(PROBE_SECONDS)


def _span(name: str, start: int) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    payloads.put(group.resource.attributes, service__name=SERVICE)
    group.scope_spans.add().spans.add(
        name=name,
        trace_id=start.to_bytes(16, "big"),
        span_id=start.to_bytes(8, "big"),
        start_time_unix_nano=start,
        end_time_unix_nano=start + 1,
    )
    return gzip.compress(request.SerializeToString())


def run(quick: bool) -> list[dict[str, Any]]:
    """Rows of the table: p50 and p99 of the time to be found; the load is 70 % of the drain rate measured before."""
    with scratch() as folder:
        files = payloads.stored(folder / "requests", "traces", DIFFERENT)
        with receiver(folder) as server:
            warm = server.load(files, "traces", requests=WARM_UP)["acknowledged"]
            server.drained("traces", warm)
            drain = _drain_rate(server, files, warm, requests=512 if quick else 2048)
            probes = Probes(server, 15 if quick else 60)
            with server.loading(files, "traces", rate=SHARE * drain, seconds=15 if quick else 60) as client:
                probes.watch()
                told = json.loads(client.communicate()[0])
    found = sorted(probes.seconds)
    rate = told["acknowledged"] / told["seconds"]
    note = f"{len(found)} probes beside {rate:,.0f} spans/s; drain rate {drain:,.0f} spans/s"
    note += f"; slowest {found[-1]:.2f} s; looked every {LOOK_SECONDS} s through a fresh window"
    return [
        {
            "name": f"acknowledged to found, {name}",
            "value": round(found[int(len(found) * share)], 2),
            "unit": "s",
            "target": f"<= {TARGET_SECONDS:g}" if name == "p99" else "",
            "baseline_name": "",
            "baseline_value": None,
            "note": note if name == "p99" else "",
        }
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


def _drain_rate(server: Receiver, files: list[Path], before: int, *, requests: int) -> float:
    began = time.monotonic()
    sent = server.load(files, "traces", requests=requests)["acknowledged"]
    return float(sent / (server.drained("traces", before + sent) - began))
