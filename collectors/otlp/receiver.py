"""The receiver: both servers in this process, the decoding process and the maintenance runs beside it.

    clients -> HTTP, gRPC -> intake -> write-ahead log --(files)--> worker -> lake

This process never loads the store's libraries. SIGTERM or Ctrl-C: stop listening, commit what was acknowledged, end.
"""

import asyncio
import contextlib
import json
import logging
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

from collectors.otlp import child, segments
from collectors.otlp.health import Health
from collectors.otlp.intake import Intake
from collectors.otlp.options import Options, address_of, seconds
from collectors.otlp.segments import Record
from collectors.otlp.servers import Servers
from collectors.otlp.wal import WalRefused, WriteAheadLog
from workbench.lake.errors import LakeError
from workbench.lake.locations import lake_uri

log = logging.getLogger("workbench.otlp")

DRAIN_SECONDS = 120
LOOK_FOR_ORPHANS_SECONDS = 30
STEADY_SECONDS = 30  # a worker that ran so long and then died did not fail at once
CRASHES_WHILE_STOPPING = 3


def serve(options: Options, *, listening: Callable[[str, str], None] | None = None) -> int:
    """Receive until SIGTERM or Ctrl-C.

    Args:
        listening: called with the addresses of HTTP and gRPC when both take requests.

    Returns:
        Exit status: 0, or 1 when acknowledged data still waits in the log.

    Raises:
        BadParameter: an option cannot be used.
        LakeError: the lake's directory or the write-ahead log cannot be written, or an address is taken.
    """
    options.checked()
    child.keep_memory()
    _allow_connections()
    uri = lake_uri(options.lake)
    _writable(uri)
    directory, lock = segments.claimed(options.wal_root)
    try:
        wal = WriteAheadLog(directory, lock, budget_bytes=options.wal_budget_bytes)
    except OSError as error:
        remedy = "make its files readable and writable, or give --wal DIR"
        raise LakeError(f"the write-ahead log cannot be opened: {error}", str(directory), remedy) from error
    return asyncio.run(_Receiver(options, uri, wal).run(listening))


def _allow_connections() -> None:
    """As many as the system permits: each takes a file handle, and the usual 1024 are few for a fleet of clients."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # not permitted here: the usual ones must do
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _writable(uri: str) -> None:
    """A lake that cannot be written is told before anything is acknowledged; one that breaks later is no reason to end.

    Raises:
        LakeError: it is a local directory that cannot be made or written.
    """
    if "://" in uri:
        return
    remedy = "give --lake a directory that you may write to"
    try:
        Path(uri).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LakeError(f"the lake cannot be made: {error}", uri, remedy) from error
    if not os.access(uri, os.W_OK | os.X_OK):
        raise LakeError("the lake cannot be written to", uri, remedy)


class _Receiver:
    def __init__(self, options: Options, uri: str, wal: WriteAheadLog) -> None:
        self.options, self.uri, self.wal = options, uri, wal
        self.directory = wal.directory
        self.intake = Intake(wal)
        self.health = Health(self.intake)
        self.stopping = asyncio.Event()
        self.hurried = asyncio.Event()  # asked twice: end without waiting for the lake
        self.sealed = asyncio.Event()  # nothing comes behind what the log holds now
        self.worker: asyncio.subprocess.Process | None = None

    async def run(self, listening: Callable[[str, str], None] | None) -> int:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._asked_to_stop)
        servers = Servers(self.options, self.intake, self.health)
        try:
            await servers.start()
        except Exception:
            await servers.stop()
            await asyncio.to_thread(self.wal.close)
            raise
        worker = asyncio.create_task(self._keep_worker())
        beside = [asyncio.create_task(each) for each in (self._adopt(), self._tell_health(), self._maintain())]
        for task in (worker, *beside):
            task.add_done_callback(_tell_failure)
        self._announce(str(servers.http), str(servers.grpc), listening)
        await self.stopping.wait()
        log.info("stopping: no new requests, committing what was acknowledged")
        await servers.stop()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await self.intake.checker.close()
        return await self._drain(worker)

    def _asked_to_stop(self) -> None:
        if self.stopping.is_set():
            self.hurried.set()
        self.stopping.set()

    def _announce(self, http: str, grpc: str, listening: Callable[[str, str], None] | None) -> None:
        log.info("OTLP/HTTP on %s, OTLP/gRPC on %s, lake %s, log %s", http, grpc, self.uri, self.directory)
        if self.options.token is None:
            for address in {self.options.http, self.options.grpc}:
                if not address_of(address).loopback:
                    log.warning("%s is reachable from other machines without a token; give --token-file", address)
        if self.options.ready_file is not None:
            _write_whole(self.options.ready_file, json.dumps({"http": http, "grpc": grpc}))
        if listening is not None:
            listening(http, grpc)

    async def _drain(self, worker: "asyncio.Task[None]") -> int:
        """Let the worker end when all that was acknowledged is in the lake; the exit status."""
        if seconds(self.options.metrics_every):
            with contextlib.suppress(WalRefused):
                await self._append_health()
        await asyncio.to_thread(self.wal.close)
        self.sealed.set()
        if self.worker is not None:
            _terminate(self.worker)
        hurried = asyncio.create_task(self.hurried.wait())
        await asyncio.wait([worker, hurried], timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not worker.done():
            log.error("the decoding process has not ended%s", "" if self.hurried.is_set() else f" in {DRAIN_SECONDS} s")
            worker.cancel()
        left = segments.waiting(self.directory)
        if not left:
            return 0
        remedy = "start the receiver again when the lake takes rows"
        log.error("%s segments wait in %s: %s", len(left), self.directory, remedy)
        return 1

    async def _keep_worker(self) -> None:
        """A worker, and another one when it dies; when all is sealed, until one has drained the log or given up."""
        failures = 0
        while True:
            began = time.monotonic()
            # One that is told to end before it listens dies of it; the next one needs no telling.
            once = ["--once"] if self.sealed.is_set() else []
            try:
                self.worker = await child.started("collectors.otlp.worker", self.uri, str(self.directory), *once)
                if self.sealed.is_set() and not once:  # it was being started when the one before it was told
                    _terminate(self.worker)
                pid, status = self.worker.pid, await self.worker.wait()
            except OSError as error:  # no memory, too many processes
                log.warning("the decoding process does not start: %s", error)
                pid, status = 0, 1
            if self.sealed.is_set() and (status >= 0 or failures >= CRASHES_WHILE_STOPPING):
                return
            failures = failures + 1 if time.monotonic() - began < STEADY_SECONDS else 1
            if self.sealed.is_set() and status == -signal.SIGTERM:
                continue
            how = self.health.worker_ended(pid, status)
            log.error("%s; nothing is lost, starting another", how)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.sealed.wait(), min(10, 0.2 * 2**failures))

    async def _adopt(self) -> None:
        """Logs of receivers that died and did not come back: their rows belong into the lake as well."""
        while True:
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                for directory, lock in segments.orphans(self.directory.parent, self.directory):
                    await self._bring_in(directory, lock)
            await asyncio.sleep(LOOK_FOR_ORPHANS_SECONDS)

    async def _bring_in(self, directory: Path, lock: int) -> None:
        log.info("committing what a receiver that is gone left in %s", directory)
        try:
            segments.prepare(directory)
            await _to_its_end("collectors.otlp.worker", self.uri, str(directory), "--once")
        except OSError as error:
            log.warning("%s waits: %s", directory, error)
        finally:
            os.close(lock)

    async def _tell_health(self) -> None:
        every = seconds(self.options.metrics_every)
        while every:
            await asyncio.sleep(every)
            with contextlib.suppress(WalRefused):  # the log says so itself, once
                await self._append_health()

    async def _append_health(self) -> None:
        record = Record("metrics", time.time_ns(), self.health.metrics())
        await asyncio.wrap_future(self.wal.append(record))

    async def _maintain(self) -> None:
        """Compaction and retention in a process of their own that ends: its memory goes with it."""
        every = seconds(self.options.maintain_every)
        while every and "://" not in self.uri:
            await asyncio.sleep(every)
            try:
                status = child.MORE_TO_DO
                while status == child.MORE_TO_DO:
                    status = await _to_its_end("collectors.otlp.maintenance", self.uri, self.options.retention)
            except OSError as error:
                log.warning("maintenance does not start: %s", error)
                continue
            if status:
                log.error("maintenance of %s ended with status %s, again in %s s", self.uri, status, every)


async def _to_its_end(module: str, *arguments: str) -> int:
    """Run a child and wait; it is told to end when the waiting is."""
    process = await child.started(module, *arguments)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        _terminate(process)
        await process.wait()
        raise


def _terminate(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended
        process.terminate()


def _tell_failure(task: "asyncio.Task[None]") -> None:
    """What ends in the background of a receiver that goes on must not end in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a part of the receiver has ended", exc_info=error)


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.new")
    if path.exists() and not path.is_file():  # a device or a directory: a rename would take its place
        raise LakeError("the ready file is there and is no file", str(path), "give another --ready-file")
    try:
        temporary.write_text(text)
        temporary.rename(path)
    except OSError as error:
        raise LakeError(f"the ready file cannot be written: {error}", str(path), "give another --ready-file") from error
