"""The decoding process: sealed segments of a write-ahead log become rows of the lake, each exactly once.

It shares nothing with the receiving process but files. Killed at any moment, it starts again at the oldest segment;
what a table already has of it is refused there by its sequence number.
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from types import FrameType

import pyarrow as pa

from collectors.otlp import child, report, segments
from collectors.otlp.attempts import Attempts
from collectors.otlp.segments import Record
from workbench.formats.otlp import Decoded, decode
from workbench.lake import LakeError, WorkbenchError, Writer
from workbench.lake.disk import write_durably

log = logging.getLogger("workbench.otlp.worker")

IDLE_SECONDS = 0.05
BACKOFF_SECONDS = (0.5, 1, 2, 5, 10)
QUARANTINE_BYTES = 64 << 20


class Worker:
    """Drains one write-ahead log directory into one lake."""

    def __init__(self, lake: str, directory: Path, parent: int) -> None:
        self.lake, self.directory, self.parent = lake, directory, parent
        self.writer: Writer | None = None
        self.app_id = ""
        self.error: list[str] = []  # what, where, remedy of why the lake takes nothing
        self.lag_seconds = 0.0  # receipt to commit, oldest row of the latest segment
        before = report.read(directory, parent)  # of another worker of the same receiver: its counts go on
        self.repaired: Counter[str] = Counter(before["repaired"])
        self.quarantined = before["quarantined"]
        self.rows: Counter[str] = Counter(before["rows"])

    def drain(self) -> bool:
        """Open the lake, commit the oldest sealed segment; False when there was none.

        Raises:
            LakeError: the lake did not take it; the segment waits, and so do those behind it.
            OSError: the write-ahead log is gone, or moved on meanwhile.
        """
        app_id = segments.application_id(self.directory)
        if self.writer is None or app_id != self.app_id:  # a deleted log may mean that the lake around it is new too
            self.writer, self.app_id = Writer(self.lake), app_id
        waiting = segments.sealed(self.directory)
        if waiting:
            self._commit(*waiting[0])
            self._well()
        elif self.error:
            self._well()
        return bool(waiting)

    def _well(self) -> None:
        if self.error:
            log.info("the lake takes rows again")
        self.error = []
        self.report()

    def _commit(self, sequence: int, segment: Path) -> None:
        found, damaged = segments.records(segment)
        if segments.application_id(self.directory) != self.app_id:
            raise FileNotFoundError("the write-ahead log was replaced while it was read")
        by_signal: dict[str, list[Record]] = defaultdict(list)
        for record in found:
            by_signal[record.signal].append(record)
        tables: dict[str, pa.Table] = {}
        repaired: Counter[str] = Counter()
        aside: list[tuple[str, bytes, str]] = []
        attempts = Attempts(self.directory, sequence)
        for name, each in sorted(by_signal.items()):
            decoded = rows_of(name, each, attempts)
            tables |= decoded.tables
            repaired.update(decoded.repaired)
            aside += [(f"{position}-{name}.otlp", each[position].payload, why) for position, why in decoded.refused]
        attempts.survived()
        if damaged:
            tail = segment.read_bytes()[-damaged:]
            aside.append(("damaged.bytes", tail, "the disk gave back other bytes than were written"))
        for suffix, payload, reason in aside:
            self._quarantine(f"{sequence:016d}-{suffix}", payload, reason)
        assert self.writer is not None  # noqa: S101 - for the type checker: `drain` opened it
        written = self.writer.append(tables, app_id=self.app_id, sequence=sequence)
        segments.committed(self.directory, sequence)
        self.rows.update(written)
        self.repaired.update(repaired)
        self.quarantined += len(aside)
        oldest = min((record.received_unix_nano for record in found), default=time.time_ns())
        self.lag_seconds = (time.time_ns() - oldest) / 1e9

    def _quarantine(self, name: str, payload: bytes, reason: str) -> None:
        """What parsed and still makes no rows is kept aside, within bounds, with its reason."""
        directory = self.directory / "quarantine"
        directory.mkdir(exist_ok=True)
        held = sum(path.stat().st_size for path in directory.iterdir() if path.name != name)
        kept = held + len(payload) <= QUARANTINE_BYTES
        if kept:
            write_durably(directory / name, payload)
            write_durably(directory / f"{name}.txt", reason.encode())
        where = directory / name if kept else f"nowhere: {directory} is full, empty it"
        log.error("%s bytes make no rows (%s); kept in %s", len(payload), reason, where)

    def failed(self, error: Exception) -> None:
        """Say in the log and in the report why nothing goes on."""
        parts = [error.what, error.where, error.remedy] if isinstance(error, WorkbenchError) else None
        parts = parts or [f"{type(error).__name__}: {error}", self.lake, "see the log of the receiver"]
        if parts != self.error:
            log.error("the lake takes no rows, they wait in the write-ahead log: %s", error)
        self.error = parts
        self.report()

    def report(self) -> None:
        """State and counts for the receiving process."""
        facts = report.Report(
            pid=os.getpid(),
            parent=self.parent,
            error=self.error,
            rows=dict(self.rows),
            repaired=dict(self.repaired),
            quarantined=self.quarantined,
            lag_seconds=round(self.lag_seconds, 3),
        )
        try:
            report.write(self.directory, facts)
        except OSError as error:
            log.warning("cannot report: %s", error)


def rows_of(signal_name: str, found: list[Record], attempts: Attempts) -> Decoded:
    """Records of one signal as rows, in as few runs as the attempts before allow; what makes no rows is refused."""
    runs = list(attempts.runs(signal_name, len(found)))
    whole = Decoded({})
    parts: dict[str, list[pa.Table]] = defaultdict(list)
    while runs:
        run = runs.pop(0)
        if attempts.given_up(signal_name, run):
            whole.refused.append((run.start, "the decoding process died of it"))
            continue
        attempts.note(signal_name, run)
        some = [found[position] for position in run]
        try:
            # Dictionaries of different runs do not fit together; one run, the usual case, keeps them.
            one = decode(
                signal_name,
                [record.payload for record in some],
                [record.received_unix_nano for record in some],
                packed=len(run) == len(found),
            )
        except MemoryError:  # says nothing about the payloads; tried again later
            raise
        except Exception as error:  # whatever it is, it must not stop the others
            if len(run) == 1:
                whole.refused.append((run.start, f"{type(error).__name__}: {error}"[:500]))
                continue
            log.exception("%s payloads of %s do not decode together, trying halves", len(run), signal_name)
            half = len(run) // 2
            runs[:0] = [run[:half], run[half:]]
            continue
        whole.refused += [(run[position], reason) for position, reason in one.refused]
        whole.repaired = dict(Counter(whole.repaired) + Counter(one.repaired))
        for table, rows in one.tables.items():
            parts[table].append(rows)
    whole.tables.update({table: each[0] if len(each) == 1 else pa.concat_tables(each) for table, each in parts.items()})
    return whole


class _Stop:
    """SIGTERM: from the receiver, to drain what is sealed and end; from the kernel, because the receiver is gone."""

    def __init__(self, parent: int, *, once: bool) -> None:
        self._parent, self.asked = parent, once
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True

    def orphaned(self) -> bool:
        return os.getppid() != self._parent


def run(lake: str, directory: Path, parent: int, *, once: bool) -> int:
    """Work until SIGTERM and then to the end of what is sealed, or with `once` the latter only. Exit status."""
    stop = _Stop(parent, once=once)
    while segments.hold(directory, "worker.lock") is None:  # a killed receiver's worker may still be ending
        time.sleep(IDLE_SECONDS)
        if stop.orphaned():
            return 1
    worker = Worker(lake, directory, parent)
    failures, reported = 0, False
    while not stop.orphaned():
        last = stop.asked
        try:
            busy = worker.drain()
        except Exception as error:  # the log keeps the rows; told, and tried again
            worker.failed(error)
            if last:
                return 1
            _wait(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)], stop)
            failures += 1
            continue
        failures = 0
        if not reported:
            worker.report()
            reported = True
        if not busy:
            if last:
                return 0
            time.sleep(IDLE_SECONDS)
    return 1


def _wait(seconds: float, stop: _Stop) -> None:
    """Sleep, but not through a wish to stop."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stop.asked:
        time.sleep(IDLE_SECONDS)


def main() -> None:
    """`python -m collectors.otlp.worker PARENT LAKE DIRECTORY [--once]`, started by the receiver."""
    parent = child.begin()
    parser = argparse.ArgumentParser(description="The decoding process of the OTLP receiver.")
    parser.add_argument("lake")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--once", action="store_true")
    given = parser.parse_args()
    pa.set_cpu_count(1)  # one core decodes; the others belong to what is observed
    try:
        sys.exit(run(given.lake, given.directory, parent, once=given.once))
    except (LakeError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 - three lines that say it all
        sys.exit(1)


if __name__ == "__main__":
    main()
