"""A file to be read: compressed or not, from its start, with the place of every byte known for the error message."""

import contextlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import xxhash
from backports import zstd
from isal import igzip

from workbench.lake.errors import BadInput

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
HEAD_BYTES = 1 << 16
LONGEST = 512 << 20  # of one line or message: a few kilobytes can stand for gigabytes of the same letter
REMEDY = "nothing of this file is in the lake: fetch it again, or cut it off before this place"


class Source:
    """One file. It may be read several times: once to be checked, once to be stored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
        self.compression = "gzip" if start.startswith(GZIP) else "zstd" if start == ZSTD else ""

    def content_id(self) -> str:
        """A hash of the bytes of the file."""
        digest = xxhash.xxh3_128()
        with self.path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    def head(self) -> bytes:
        """The first bytes, decompressed."""
        with self.opened() as reader:
            return reader.read_up_to(HEAD_BYTES)

    @contextlib.contextmanager
    def opened(self, progress: Callable[[int], None] | None = None) -> Iterator["Reader"]:
        """The content from its start; `progress` is told how many bytes of the file have been read."""
        with contextlib.ExitStack() as stack:
            raw: BinaryIO = stack.enter_context(self.path.open("rb"))
            content: Any = raw
            if self.compression:
                opener: Any = igzip.open if self.compression == "gzip" else zstd.open
                content = stack.enter_context(opener(raw, "rb"))
            yield Reader(self, raw, content, progress)

    def damaged(self, what: str, offset: int) -> BadInput:
        """The error for a place in the content."""
        inside = f" of the {self.compression} content" if self.compression else ""
        return BadInput(what, f"{self.path}, byte {offset}{inside}", REMEDY)


class Reader:
    """The decompressed content of a source; `offset` is the place of the next byte."""

    def __init__(
        self, source: Source, raw: BinaryIO, content: Any, progress: Callable[[int], None] | None = None
    ) -> None:
        self.source, self.offset = source, 0
        self._raw, self._content, self._progress = raw, content, progress

    def read_up_to(self, size: int) -> bytes:
        """So many bytes, or fewer at the end.

        Raises:
            BadInput: the compressed stream is damaged or cut off.
        """
        return self._got(lambda: self._content.read(size))

    def line(self) -> bytes:
        """The next line with its end; empty at the end of the content.

        Raises:
            BadInput: it is longer than `LONGEST`, or like `read_up_to`.
        """
        return self._bounded(self._content.readline)

    def rest(self) -> bytes:
        """All that is left; raises like `line`."""
        return self._bounded(self._content.read)

    def exactly(self, size: int, what: str) -> bytes:
        """So many bytes.

        Raises:
            BadInput: the content ends before.
        """
        start, parts, left = self.offset, [], size
        while left:
            part = self.read_up_to(min(left, 1 << 24))  # a damaged length allocates nothing
            if not part:
                raise self.source.damaged(f"the file ends inside {what}, {left} bytes are missing", start)
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _bounded(self, read: Callable[[int], bytes]) -> bytes:
        start = self.offset
        found = self._got(lambda: read(LONGEST + 1))
        if len(found) > LONGEST:
            raise self.source.damaged(f"a line or message of more than {LONGEST:,} bytes", start)
        return found

    def _got(self, read: Callable[[], bytes]) -> bytes:
        try:
            found = read()
        except (OSError, EOFError, zlib.error, zstd.ZstdError, ValueError) as error:
            if isinstance(error, OSError) and error.errno:  # the disk, not the content
                raise
            raise self.source.damaged(
                f"the {self.source.compression} stream is damaged: {error}", self.offset
            ) from error
        self.offset += len(found)
        if self._progress is not None:
            self._progress(self._raw.tell())
        return found
