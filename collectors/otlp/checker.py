"""Large requests are parsed in a process of their own, under a memory limit.

A few kilobytes of gzip can hold millions of empty spans, which take gigabytes as objects: the receiving process must
neither pay for them nor stand still meanwhile. Small requests cannot do that harm and are parsed where they arrive.
"""

import asyncio
import contextlib
import resource
import struct
import sys
from pathlib import Path
from typing import IO

from collectors.otlp import child
from collectors.otlp.segments import SIGNAL_CODES, SIGNALS
from workbench.formats.otlp import json_to_protobuf, validate
from workbench.lake.errors import BadInput

MEMORY_BYTES = 1 << 30  # for one request; honest ones take four times their size
CHECK_SECONDS = 60.0
QUESTION = struct.Struct("<IBB")  # payload bytes, signal, is it JSON
ANSWER = struct.Struct("<BQI")  # verdict, items, bytes that follow
GOOD, MALFORMED, TOO_LARGE = range(3)


class TooMuchInIt(Exception):
    """A request that cannot be parsed within the limits."""


class Checker:
    """Checks one request after the other in a process that is started with the first."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def check(self, signal: str, payload: bytes, *, json: bool) -> tuple[int, bytes]:
        """How many items a request has, and its protobuf.

        Raises:
            BadInput: it does not parse.
            TooMuchInIt: not within the limits of memory and time.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    verdict, items, rest = await self._asked(signal, payload, json=json)
            except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
                await self.close()
                raise TooMuchInIt("it cannot be parsed within the limits of memory and time") from error
            except BaseException:  # the caller went away: the answer must not become that of the next one
                await self.close()
                raise
            if verdict == TOO_LARGE:
                await self.close()  # whatever memory it still holds goes with it
        if verdict == MALFORMED:
            raise BadInput(rest.decode(), f"{len(payload)} bytes", "send an OTLP Export*ServiceRequest")
        if verdict == TOO_LARGE:
            raise TooMuchInIt("parsing it takes too much memory")
        return items, rest if json else payload

    async def _asked(self, signal: str, payload: bytes, *, json: bool) -> tuple[int, int, bytes]:
        if self._process is None or self._process.returncode is not None:
            self._process = await child.started("collectors.otlp.checker", pipes=True)
        questions, answers = self._process.stdin, self._process.stdout
        if questions is None or answers is None:
            raise ConnectionError("no pipes")
        questions.write(QUESTION.pack(len(payload), SIGNAL_CODES[signal], json))
        questions.write(payload)
        await questions.drain()
        verdict, items, length = ANSWER.unpack(await answers.readexactly(ANSWER.size))
        return verdict, items, await answers.readexactly(length)

    async def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def answer(signal: str, payload: bytes, *, json: bool) -> tuple[int, int, bytes]:
    """Verdict, items, and the protobuf of a JSON request or the reason why there is none."""
    try:
        protobuf = json_to_protobuf(signal, payload) if json else payload
        return GOOD, validate(signal, protobuf), protobuf if json else b""
    except MemoryError:
        return TOO_LARGE, 0, b""
    except BadInput as error:
        if "alloc failed" in error.what:  # upb's way to say MemoryError
            return TOO_LARGE, 0, b""
        return MALFORMED, 0, error.what.encode(errors="replace")


def _serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    while len(head := questions.read(QUESTION.size)) == QUESTION.size:
        length, code, json = QUESTION.unpack(head)
        payload = questions.read(length)
        if len(payload) < length:
            return
        verdict, items, rest = answer(SIGNALS[code], payload, json=bool(json))
        answers.write(ANSWER.pack(verdict, items, len(rest)) + rest)
        answers.flush()


def main() -> None:
    """Answer the receiving process until it closes the pipe."""
    child.begin()
    for name in SIGNALS.values():
        validate(name, b"")
        json_to_protobuf(name, b"{}")  # all is loaded before the limit
    base = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (base + MEMORY_BYTES, base + MEMORY_BYTES))
    _serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
