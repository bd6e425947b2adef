"""Appends to a write-ahead log: what was acknowledged is on the disk until its rows are in the lake.

Many requests wait for one fsync: a single thread takes all that are waiting, writes, syncs, and answers them together.
A segment is sealed when it is full, or a second old while the decoding process has nothing else to do: batches grow
with the load. A failed fsync is final (the kernel may have dropped the pages): everything is refused until a restart.
"""

import concurrent.futures
import contextlib
import logging
import os
import queue
import threading
import time
from pathlib import Path

from collectors.otlp import segments
from collectors.otlp.segments import Record
from workbench.lake.disk import fsync_path

log = logging.getLogger("workbench.otlp.wal")

SEGMENT_BYTES = 20 << 20  # more, and the buffers of a batch pass what malloc keeps: each would be zeroed anew
SEAL_SECONDS = 1.0
TICK_SECONDS = 0.1
GROUP_RECORDS = 512  # two parts each: os.writev takes 1024
LOOK_SECONDS = 0.2  # how old the answer of `refusal` may be: looking at the disk for each request is dear
RESERVE_BYTES = 256 << 20  # kept free for the rows: a log that fills the disk could never be emptied
Acknowledgement = concurrent.futures.Future[None]


class WalRefused(Exception):
    """The log cannot take the record now; nothing of it is kept."""


class WriteAheadLog:
    """Appends with group commit. Thread-safe; one instance per directory, whose lock it is given."""

    def __init__(self, directory: Path, lock: int, *, budget_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.directory, self.budget_bytes, self.segment_bytes = directory, budget_bytes, segment_bytes
        self._lock: int | None = lock
        self.fsync_seconds = 0.0  # the latest
        self.slowest_fsync_seconds = 0.0  # since the reader set it to 0
        self.deletions = 0  # how often the directory was deleted under us
        self._deleted = False  # and could not be made again yet
        self._broken = ""  # final
        self._trouble = ""  # of the latest write; the next one may succeed
        self._looked: tuple[float, int, str] = (0.0, 0, "")  # when, bytes waiting, reason to refuse
        self._file: int | None = None
        self._size, self._opened = 0, 0.0
        segments.prepare(directory)
        self._sequence = segments.last_sequence(directory)
        self._queue: queue.SimpleQueue[tuple[Record, Acknowledgement] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="wal", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> Acknowledgement:
        """Done when the record is on the disk; fails with WalRefused."""
        done: Acknowledgement = concurrent.futures.Future()
        done.set_running_or_notify_cancel()  # a client that goes away cannot take a record out of a group
        self._queue.put((record, done))
        return done

    def close(self) -> None:
        """Write what waits, seal, stop. The lock stays until the process ends: the decoding process is not done yet."""
        self._queue.put(None)
        self._thread.join()

    def refusal(self) -> str:
        """Why new records cannot be taken, empty when they can."""
        return self._broken or self._look()[2]

    def trouble(self) -> str:
        """Why the latest write failed, empty when it did not; another one may succeed."""
        return self._trouble

    def pending_bytes(self) -> int:
        """Bytes that are not in the lake yet."""
        return self._look()[1]

    def oldest_seconds(self) -> float:
        """Age of the oldest sealed segment, 0 when none waits."""
        with contextlib.suppress(OSError):
            for _, path in segments.sealed(self.directory):
                return max(0.0, time.time() - path.stat().st_mtime)
        return 0.0

    def _look(self) -> tuple[float, int, str]:
        now = time.monotonic()
        if now - self._looked[0] > LOOK_SECONDS:
            pending, reason = self._size, ""
            try:
                pending += sum(path.stat().st_size for _, path in segments.sealed(self.directory))
                disk = os.statvfs(self.directory)
                reserve = min(RESERVE_BYTES, disk.f_blocks * disk.f_frsize // 20)
                if pending > self.budget_bytes:
                    reason = f"{pending} bytes wait in the write-ahead log, over its budget of {self.budget_bytes}"
                elif disk.f_bavail * disk.f_frsize < reserve:
                    reason = f"less than {reserve} bytes are free on the disk of the write-ahead log"
            except FileNotFoundError:
                pass  # committed meanwhile, or deleted: the thread notices
            except OSError as error:
                reason = f"the write-ahead log cannot be looked at: {error}"
            self._looked = now, pending, reason
        return self._looked

    def _run(self) -> None:
        ended = False
        while not ended:
            group, ended = self._waiting()
            with contextlib.suppress(OSError, WalRefused):
                self._check_directory()
            if group:
                self._commit(group)
            with contextlib.suppress(OSError):  # no handle left to look with: looked again at the next tick
                if self._size and (ended or self._due()):
                    self._seal()
        if self._file is not None:
            os.close(self._file)

    def _waiting(self) -> tuple[list[tuple[Record, Acknowledgement]], bool]:
        """The records that wait now, and whether `close` was called."""
        group, size = [], 0
        try:
            found = self._queue.get(timeout=TICK_SECONDS)
            while found is not None:
                group.append(found)
                size += len(found[0].payload)
                if len(group) == GROUP_RECORDS or size >= self.segment_bytes:  # the worker decodes a segment at once
                    return group, False
                found = self._queue.get_nowait()
        except queue.Empty:
            return group, False
        return group, True

    def _commit(self, group: list[tuple[Record, Acknowledgement]]) -> None:
        try:
            self._write([part for record, _ in group for part in (segments.header(record), record.payload)])
        except (OSError, MemoryError, WalRefused) as error:
            text = str(error) or type(error).__name__
            if text != self._trouble:
                log.error("the write-ahead log refuses: %s", text)  # noqa: TRY400 - the cause is in its text
            self._trouble = text
            for _, done in group:
                done.set_exception(WalRefused(f"the write-ahead log cannot take it: {text}"))
            return
        if self._trouble:
            log.info("the write-ahead log takes requests again")
            self._trouble = ""
        for _, done in group:
            done.set_result(None)

    def _write(self, parts: list[bytes]) -> None:
        """On the disk when it returns; as if it never came when it raises."""
        if self._broken:
            raise WalRefused(self._broken)
        self._check_directory()
        file = self._segment()
        try:
            _write_all(file, parts)
        except (OSError, MemoryError):
            self._cut(file)
            raise
        began = time.monotonic()
        try:
            os.fdatasync(file)
        except OSError as error:
            self._cut(file)
            self._broken = f"fsync failed ({error}); restart the receiver when the disk is well"
            raise
        self.fsync_seconds = time.monotonic() - began
        self.slowest_fsync_seconds = max(self.slowest_fsync_seconds, self.fsync_seconds)
        if not self._size:
            self._opened = began
        self._size += sum(map(len, parts))
        if self._is_gone():
            raise WalRefused("it was deleted while it was written")

    def _cut(self, file: int) -> None:
        """Take back what a failed write left, or later records behind it could not be read."""
        try:
            os.ftruncate(file, self._size)
        except OSError as error:
            self._broken = f"a torn record cannot be cut off ({error}); restart the receiver when the disk is well"

    def _segment(self) -> int:
        """The open segment; a new one, its name on the disk, when there is none."""
        if self._file is None:
            self._sequence += 1  # also when this fails: a number is never used for two files
            path = segments.segment_path(self.directory, self._sequence, ".open")
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
            try:
                fsync_path(self.directory)
            except OSError:
                os.close(file)
                path.unlink(missing_ok=True)
                raise
            self._file, self._size = file, 0
        return self._file

    def _due(self) -> bool:
        if self._size >= self.segment_bytes:
            return True
        return time.monotonic() - self._opened >= SEAL_SECONDS and not segments.sealed(self.directory)

    def _seal(self) -> None:
        path = segments.segment_path(self.directory, self._sequence, ".open")
        try:
            path.rename(path.with_suffix(".wal"))
        except OSError as error:  # tried again at the next tick
            if str(error) != self._trouble:
                log.error("cannot seal %s: %s", path, error)  # noqa: TRY400 - the cause is in its text
            self._trouble = str(error)
            return
        if self._file is not None:  # from here on the worker may empty it: not a byte more may go there
            os.close(self._file)
        self._file, self._size = None, 0
        # Should this fail and the power go, it is an open segment again: with the same number and the same records.
        with contextlib.suppress(OSError):
            fsync_path(self.directory)

    def _is_gone(self) -> bool:
        """Someone deleted the directory, or the segment that is being written."""
        return not (self.directory / segments.IDENTITY).exists() or (
            self._file is not None and os.fstat(self._file).st_nlink == 0
        )

    def _check_directory(self) -> None:
        """Go on in new files (in a new directory under a new application id) when someone deleted ours."""
        if not self._deleted and not self._is_gone():
            return
        if not self._deleted:
            self._deleted = True
            self.deletions += 1
            log.error(
                "the write-ahead log %s was deleted under the receiver: what was acknowledged and is not yet in the "
                "lake is lost; going on in new files",
                self.directory,
            )
            for handle in (self._file, self._lock):
                if handle is not None:
                    os.close(handle)
            self._file, self._lock, self._size = None, None, 0
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = segments.hold(self.directory)
        if self._lock is None:
            raise WalRefused("another receiver has taken its directory")
        segments.prepare(self.directory)
        self._sequence = max(self._sequence, segments.last_sequence(self.directory))
        self._deleted = False


def _write_all(file: int, parts: list[bytes]) -> None:
    left = sum(map(len, parts)) - os.writev(file, parts)
    if left:  # a short write, as before a full disk
        rest = memoryview(b"".join(parts))[-left:]
        while rest:
            rest = rest[os.write(file, rest) :]
