"""The files of a write-ahead log: what a segment holds, whose directory it is, which segments wait.

    identity.json                random application id, made with the directory
    lock, worker.lock            held by the receiving and by the decoding process
    0000000000000007.done        committed (empty); the newest one stays, so that no number is used twice
    0000000000000008.wal         sealed: belongs to the decoding process
    0000000000000009.open        being written
    quarantine/                  payloads that make no rows, with the reason

One segment is one batch of the lake, under the segment's number: the same number always holds the same payloads,
whatever crashes in between.
"""

import contextlib
import fcntl
import json
import logging
import os
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from workbench.lake.disk import fsync_path, listed, write_durably
from workbench.lake.errors import LakeError

log = logging.getLogger("workbench.otlp.wal")

HEADER = struct.Struct("<IIBQ")  # payload bytes, crc32 of what follows, signal, receipt in ns
_CHECKED = struct.Struct("<BQ")
SIGNAL_CODES = {"traces": 1, "logs": 2, "metrics": 3, "profiles": 4}
SIGNALS = {code: signal for signal, code in SIGNAL_CODES.items()}
IDENTITY = "identity.json"
_NUMBER = "[0-9]" * 16


@dataclass(frozen=True)
class Record:
    """One payload (protobuf) as it was received."""

    signal: str
    received_unix_nano: int
    payload: bytes


def header(record: Record) -> bytes:
    """What stands before the payload in a segment."""
    code = SIGNAL_CODES[record.signal]
    crc = isal_zlib.crc32(record.payload, isal_zlib.crc32(_CHECKED.pack(code, record.received_unix_nano)))
    return HEADER.pack(len(record.payload), crc, code, record.received_unix_nano)


def records(segment: Path) -> tuple[list[Record], int]:
    """The whole records of a segment, and how many bytes behind them are damaged.

    A damaged end of an `.open` segment was never acknowledged; of a sealed one it was.
    """
    found: list[Record] = []
    with segment.open("rb") as file:  # record by record: never the whole segment twice in memory
        left = os.fstat(file.fileno()).st_size
        while left >= HEADER.size:
            head = file.read(HEADER.size)
            length, _, code, received = HEADER.unpack(head)
            if length > left - HEADER.size or code not in SIGNALS:
                break
            record = Record(SIGNALS[code], received, file.read(length))
            if header(record) != head:
                break
            found.append(record)
            left -= HEADER.size + length
    return found, left


def segment_path(directory: Path, sequence: int, suffix: str) -> Path:
    """The file of one segment in one of its states."""
    return directory / f"{sequence:016d}{suffix}"


def sealed(directory: Path) -> list[tuple[int, Path]]:
    """Segments that wait for the decoding process, in order: (sequence, path)."""
    return sorted((int(path.stem), path) for path in listed(directory, f"{_NUMBER}.wal"))


def waiting(directory: Path) -> list[Path]:
    """All segments with something that is not in the lake."""
    left = [path for path in listed(directory, f"{_NUMBER}.open") if path.stat().st_size]
    return left + [path for _, path in sealed(directory)]


def last_sequence(directory: Path) -> int:
    """The highest number that was ever given to a segment here, 0 if none."""
    states = (".open", ".wal", ".done")
    return max((int(path.stem) for state in states for path in listed(directory, f"{_NUMBER}{state}")), default=0)


def committed(directory: Path, sequence: int) -> None:
    """The rows of a segment are in the lake: forget its bytes, keep its number."""
    segment = segment_path(directory, sequence, ".wal")
    os.truncate(segment, 0)
    segment.rename(segment.with_suffix(".done"))
    fsync_path(directory)
    for old in listed(directory, f"{_NUMBER}.done"):
        if int(old.stem) < sequence:
            old.unlink(missing_ok=True)


def application_id(directory: Path) -> str:
    """The random name under which this directory's batches are committed.

    Raises:
        OSError: the directory is gone.
    """
    return str(json.loads((directory / IDENTITY).read_text())["app_id"])


def prepare(directory: Path) -> None:
    """Make the directory and its identity; seal what an earlier process left open, without its torn end."""
    directory.mkdir(parents=True, exist_ok=True)
    for parent in directory.parents[:3]:  # the logs' place, the lake, what it is in: all of them may be new
        with contextlib.suppress(PermissionError):  # may be entered and not listed
            fsync_path(parent)
    if not (directory / IDENTITY).exists():
        write_durably(directory / IDENTITY, json.dumps({"app_id": f"otlp-{uuid.uuid4().hex}"}).encode())
    for left in listed(directory, f"{_NUMBER}.open"):
        whole, damaged = records(left)
        if damaged:
            log.warning("%s ends in %s bytes that were never acknowledged", left, damaged)
            os.truncate(left, left.stat().st_size - damaged)
        fsync_path(left)
        left.rename(left.with_suffix(".wal" if whole else ".done"))
    fsync_path(directory)


def hold(directory: Path, name: str = "lock") -> int | None:
    """A handle that locks the directory until it is closed or the process ends; None when another process has it."""
    handle = os.open(directory / name, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def claimed(root: Path) -> tuple[Path, int]:
    """The first directory `<root>/<N>` that no other receiver holds, and its lock.

    Raises:
        LakeError: the place cannot be written to.
    """
    try:
        for number in range(1000):
            directory = root / str(number)
            directory.mkdir(parents=True, exist_ok=True)
            lock = hold(directory)
            if lock is not None:
                return directory, lock
    except OSError as error:
        raise LakeError(
            f"no write-ahead log here: {error}", str(root), "make it writable, or give --wal DIR"
        ) from error
    raise LakeError("1000 receivers have a write-ahead log here", str(root), "give --wal DIR")


def orphans(root: Path, own: Path) -> Iterator[tuple[Path, int]]:
    """Directories beside our own in which a receiver that is gone left something; locked, close the handle after."""
    for identity in sorted(root.glob(f"*/{IDENTITY}")):
        directory = identity.parent
        if directory == own or not waiting(directory):
            continue
        lock = hold(directory)
        if lock is not None:
            yield directory, lock
