"""When the lake takes nothing: acknowledged requests wait, new ones are refused for a while, and all recovers."""

import asyncio
import contextlib
import os
import resource
import shutil
import socket
import threading

import grpc
import grpc.aio
import psutil
import pytest
from google.rpc import error_details_pb2

from collectors.otlp import child, segments, servers
from collectors.otlp import receiver as receiver_module
from collectors.otlp.health import Health
from collectors.otlp.intake import IN_FLIGHT_BYTES, Intake, Refused
from collectors.otlp.options import Options
from collectors.otlp.wal import WriteAheadLog
from tests.otlp_clients import JSON, METHOD_OF, Refusal, export, payload, post
from tests.receiver_process import ReceiverProcess, receiver, services_in, wait_until
from workbench.lake import Writer


def test_over_its_budget_it_refuses_with_a_time_to_retry_and_recovers_when_the_lake_does(tmp_path):
    lake = tmp_path / "lake"
    lake.mkdir()
    (lake / "spans").write_text("in the way")
    with receiver(lake, "--wal-budget-bytes", "1000", "--metrics-every", "never") as running:
        accepted = []

        def refused():
            answer = post(running.http, "traces", payload("traces", f"waiting {len(accepted)}"))
            if answer.status == 200:
                accepted.append(f"waiting {len(accepted)}")
            return answer if answer.status != 200 else None

        answer = wait_until(refused)
        assert len(accepted) > 1
        assert (answer.status, answer.headers["retry-after"], answer.error[0]) == (503, "5", 14)
        assert "over its budget of 1000" in answer.error[1]
        answer = post(running.http, "logs", b"{}", content_type=JSON)
        assert (answer.status, answer.error[0]) == (503, 14)
        with pytest.raises(Refusal, match="over its budget of 1000") as refusal:
            export(running.grpc, "traces", payload("traces", "grpc"))
        assert refusal.value.code == grpc.StatusCode.UNAVAILABLE
        (detail,) = refusal.value.status.details
        retry = error_details_pb2.RetryInfo()
        assert detail.Unpack(retry)
        assert retry.retry_delay.seconds == 5

        _, facts = wait_until(
            lambda: (found := running.healthz())[0] == 503 and len(found[1]["trouble"]) == 2 and found
        )
        assert "over its budget" in facts["trouble"][0]
        assert "spans" in facts["trouble"][1]
        assert facts["queue_bytes"] > facts["queue_limit_bytes"] == 1000

        (lake / "spans").unlink()
        wait_until(lambda: running.healthz()[0] == 200)
        assert post(running.http, "traces", payload("traces", "recovered")).status == 200
        running.stop()
    assert services_in(lake) == {**dict.fromkeys(accepted, 1), "recovered": 1}


@contextlib.asynccontextmanager
async def serving(root):
    """The servers and their intake in this process, without a lake."""
    directory, lock = segments.claimed(root)
    wal = WriteAheadLog(directory, lock, budget_bytes=1 << 30)
    intake = Intake(wal)
    both = servers.Servers(Options(str(root), "127.0.0.1:0", "127.0.0.1:0"), intake, Health(intake))
    await both.start()
    try:
        yield both, intake
    finally:
        await both.stop()
        wal.close()
        os.close(lock)


def test_requests_of_grpc_clients_that_gave_up_count_until_the_log_is_done_with_them(tmp_path, monkeypatch):
    disk_is_well, sync = threading.Event(), os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (disk_is_well.wait(60), sync(file)))
    body = payload("traces", "x" * 1_000_000)

    async def give_up():
        async with serving(tmp_path) as (both, intake):
            async with grpc.aio.insecure_channel(str(both.grpc)) as channel:
                for _ in range(3):
                    with pytest.raises(grpc.aio.AioRpcError):
                        await channel.unary_unary(METHOD_OF["traces"])(body, timeout=0.5)
            with intake.holding("traces", "grpc") as held, pytest.raises(Refused):
                held.add(IN_FLIGHT_BYTES - 3 * len(body) + 1)
            disk_is_well.set()
            while sum(intake.received.values()) < 3:
                await asyncio.sleep(0.05)
            with intake.holding("traces", "grpc") as held:
                held.add(IN_FLIGHT_BYTES)

    asyncio.run(asyncio.wait_for(give_up(), 60))


@pytest.mark.parametrize("sent", [b"", b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_without_a_whole_request_head_is_closed_after_a_while(tmp_path, monkeypatch, sent):
    monkeypatch.setattr(servers, "IDLE_SECONDS", 0.5)

    async def wait():
        async with serving(tmp_path) as (both, _):
            reader, writer = await asyncio.open_connection(*both.http)
            writer.write(sent)
            assert await reader.read() == b""
            writer.close()

    asyncio.run(asyncio.wait_for(wait(), 60))


def test_more_clients_than_the_usual_limit_of_file_handles_may_be_connected(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        it = ReceiverProcess(tmp_path / "lake", "--metrics-every", "never")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with contextlib.ExitStack() as stack:
        stack.callback(it.kill)
        host, _, port = it.http.rpartition(":")
        for _ in range(300):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
        assert post(it.http, "traces", payload("traces", "a")).status == 200
        it.stop()


def test_a_worker_that_is_being_started_when_the_receiver_stops_is_told_too(tmp_path, monkeypatch):
    real = child.started

    async def slowly(*arguments, **options):
        process = await real(*arguments, **options)
        await asyncio.sleep(1)
        return process

    async def stop_meanwhile():
        directory, lock = segments.claimed(tmp_path / "_wal")
        wal = WriteAheadLog(directory, lock, budget_bytes=1 << 30)
        it = receiver_module._Receiver(Options(str(tmp_path), metrics_every="never"), str(tmp_path), wal)
        worker = asyncio.create_task(it._keep_worker())
        await asyncio.sleep(0.2)
        assert await it._drain(worker) == 0
        assert worker.done()
        os.close(lock)

    monkeypatch.setattr(child, "started", slowly)
    monkeypatch.setattr(receiver_module, "DRAIN_SECONDS", 30)
    asyncio.run(stop_meanwhile())


def test_a_lake_of_a_newer_schema_is_not_touched_and_what_was_acknowledged_waits(tmp_path):
    lake = tmp_path / "lake"
    Writer(lake)
    (entry,) = (lake / "spans" / "_delta_log").glob("*.json")
    text = entry.read_text()
    assert "workbench, schema 1" in text
    entry.write_text(text.replace("workbench, schema 1", "workbench, schema 999"))
    with receiver(lake, "--metrics-every", "never") as running:
        assert post(running.http, "traces", payload("traces", "a")).status == 200
        _, facts = wait_until(lambda: (found := running.healthz())[0] == 503 and found)
        assert "the lake has schema 999" in facts["trouble"][0]
        assert "pip install --upgrade" in facts["trouble"][0]
        running.stop(status=1)
    assert "the lake has schema 999" in running.log.read_text()
    assert "1 segments wait in" in running.log.read_text()
    entry.write_text(text)
    with receiver(lake, "--metrics-every", "never") as again:
        again.stop()
    assert services_in(lake) == {"a": 1}


def test_asked_twice_it_ends_without_waiting_for_the_lake_and_nothing_is_lost(tmp_path):
    lake = tmp_path / "lake"
    with receiver(lake, "--metrics-every", "never") as running:
        wait_until((lake / "_wal" / "0" / "worker.json").exists)  # it is at work
        (worker,) = psutil.Process(running.process.pid).children()
        worker.suspend()  # as if the lake's disk hung
        assert post(running.http, "traces", payload("traces", "a")).status == 200
        running.process.terminate()
        wait_until(lambda: "stopping" in running.log.read_text())
        running.process.terminate()
        assert running.process.wait(30) == 1
        worker.kill()
    with receiver(lake, "--metrics-every", "never") as again:
        again.stop()
    assert services_in(lake) == {"a": 1}


def test_a_log_that_is_deleted_while_it_runs_is_told_and_what_comes_after_is_kept(tmp_path):
    lake = tmp_path / "lake"
    with receiver(lake, "--metrics-every", "never") as running:
        assert post(running.http, "traces", payload("traces", "before")).status == 200
        wait_until(lambda: services_in(lake) == {"before": 1})
        shutil.rmtree(lake / "_wal")
        assert post(running.http, "traces", payload("traces", "after")).status == 200
        wait_until(lambda: services_in(lake) == {"before": 1, "after": 1})
        assert running.healthz()[1]["log_deletions"] == 1
        running.stop()
    assert "was deleted under the receiver" in running.log.read_text()
