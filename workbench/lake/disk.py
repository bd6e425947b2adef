"""What is on the disk for good: fsync of files and directories, and locks between processes."""

import contextlib
import fcntl
import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from workbench.lake.errors import LakeBusy, LakeError


def fsync_path(path: Path) -> None:
    """Return when a file's bytes, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def listed(directory: Path, pattern: str) -> list[Path]:
    """The files of a directory whose names fit, in order; none where it is not there.

    `Path.glob` takes a directory that cannot be read for an empty one, since Python 3.13 whatever the reason; a caller
    would take it for "nothing waits here".

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        return sorted(path for path in directory.iterdir() if fnmatch.fnmatch(path.name, pattern))
    except FileNotFoundError:
        return []


def write_durably(path: Path, data: bytes) -> None:
    """A whole file or none: temporary name, fsync, rename, fsync of the directory."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    fsync_path(temporary)
    temporary.replace(path)
    fsync_path(path.parent)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; the kernel lets go of it when the process ends, however it ends.

    Raises:
        LakeBusy: `wait` is false and another process holds it.
        LakeError: the file cannot be made.
    """
    try:
        file = path.open("a")
    except OSError as error:
        raise LakeError(f"cannot lock: {error}", str(path), "make the directory writable") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise LakeBusy("another process holds the lock", str(path), "wait until it has finished") from None
        yield
