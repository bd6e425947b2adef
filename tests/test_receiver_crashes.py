"""SIGKILL at random moments under load: every acknowledged row is in the lake once, whatever else happens."""

import contextlib
import http.client
import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.otlp import segments
from tests.otlp_clients import post
from tests.receiver_process import ReceiverProcess, wait_until
from tests.small_disk import small_disk
from workbench.lake import Lake
from workbench.lake.verify import verify

KILLS = 20
CLIENTS = 3
ITEMS = 25  # per request
OPTIONS = ("--metrics-every", "never", "--maintain-every", "2s")


class Load:
    """Clients that send spans and log lines with names of their own, and note which request was acknowledged."""

    def __init__(self, address: str) -> None:
        self.address = address  # changes when the receiver does
        self.acknowledged: list[str] = []
        self.doubtful: list[str] = []  # the connection broke: either way is right, but not twice
        self._numbers = itertools.count()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(signal,)) for signal in ("traces", "logs") * CLIENTS]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _send(self, kind: str) -> None:
        while not self._stopped.is_set():
            name = f"{kind}-{next(self._numbers)}"
            try:
                answer = post(self.address, kind, body(kind, name))
            except ConnectionRefusedError:
                time.sleep(0.05)  # not sent at all
                continue
            except (OSError, http.client.HTTPException):
                self.doubtful.append(name)
                continue
            if answer.status == 200:
                self.acknowledged.append(name)
            else:
                assert answer.status == 503, answer.error
                time.sleep(0.05)


def body(kind: str, name: str) -> bytes:
    now = time.time_ns()
    if kind == "traces":
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        for number in range(ITEMS):
            spans.add(name=name, span_id=number.to_bytes(8), start_time_unix_nano=now, end_time_unix_nano=now + 1)
    else:
        request = ExportLogsServiceRequest()
        records = request.resource_logs.add().scope_logs.add().log_records
        for number in range(ITEMS):
            records.add(time_unix_nano=now, severity_number=9).body.string_value = f"{name} {number}"
    data: bytes = request.SerializeToString()
    return data


def in_the_lake(lake: Path) -> dict[str, tuple[int, int]]:
    """Rows and distinct rows of each request."""
    window = Lake(lake).whole()
    found = window.sql("select name, count(*), count(distinct span_id) from spans group by 1").rows()
    found += window.sql("select split_part(body, ' ', 1), count(*), count(distinct body) from logs group by 1").rows()
    return {name: (rows, distinct) for name, rows, distinct in found}


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", 48) as place:
        yield place


@pytest.mark.slow
def test_twenty_kills_of_either_process_lose_and_double_nothing(tmp_path):
    chance = random.Random(20_261_124)
    lake = tmp_path / "lake"
    running = ReceiverProcess(lake, *OPTIONS)
    load = Load(running.http)
    killed: Counter[str] = Counter()
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.8))
            if chance.random() < 0.5:
                running.process.kill()
                running.process.wait()
                running = ReceiverProcess(lake, *OPTIONS)
                load.address = running.http
                killed["receiver"] += 1
            else:
                worker = wait_until(lambda: workers(running.process.pid))[0]  # noqa: B023 - asked at once
                time.sleep(chance.uniform(0, 1.5))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                killed["worker"] += 1
        wait_until(lambda: workers(running.process.pid))
        load.stop()
        running.stop()
    finally:
        load.stop()
        running.kill()
    found = in_the_lake(lake)
    whole = (ITEMS, ITEMS)
    assert min(killed["receiver"], killed["worker"]) >= 5
    assert len(load.acknowledged) > 10 * KILLS
    assert {name: found.get(name) for name in load.acknowledged if found.get(name) != whole} == {}
    assert {name: rows for name, rows in found.items() if rows != whole} == {}
    assert set(found) <= {*load.acknowledged, *load.doubtful}
    assert verify(lake)["ok"].all()


def workers(receiver: int) -> list[int]:
    """Decoding processes of a receiver."""
    found = []
    for child in psutil.Process(receiver).children():
        with contextlib.suppress(psutil.Error):
            if "collectors.otlp.worker" in child.cmdline():
                found.append(child.pid)
    return found


@pytest.mark.slow
def test_a_full_disk_refuses_and_keeps_what_was_acknowledged(disk):
    lake, filler = disk / "lake", disk / "filler"
    running = ReceiverProcess(lake, "--metrics-every", "never", "--maintain-every", "never")
    load = Load(running.http)
    try:
        wait_until(lambda: len(load.acknowledged) > 20)
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        _, facts = wait_until(lambda: (answer := running.healthz())[0] == 503 and answer)
        assert any("free" in text or "space" in text for text in facts["trouble"])
        wait_until(lambda: post(running.http, "traces", body("traces", "refused")).status == 503)
        time.sleep(1)
        assert running.process.poll() is None
        filler.unlink()
        before = len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) > before + 20)
        load.stop()
        running.stop()
    finally:
        load.stop()
        running.kill()
    found = in_the_lake(lake)
    found.pop("refused", None)  # sent until it was: the ones before had room
    assert set(found) == set(load.acknowledged)
    assert set(found.values()) == {(ITEMS, ITEMS)}
    assert verify(lake)["ok"].all()
    assert segments.sealed(lake / "_wal" / "0") == []
