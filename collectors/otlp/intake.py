"""One way in for both protocols: bound, check, append to the log, count."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from collectors.otlp.checker import Checker, TooMuchInIt
from collectors.otlp.options import MOST_REQUEST_BYTES
from collectors.otlp.segments import Record
from collectors.otlp.wal import WalRefused, WriteAheadLog
from workbench.formats.otlp import json_to_protobuf, validate
from workbench.lake.errors import BadInput

IN_FLIGHT_BYTES = 2 * MOST_REQUEST_BYTES  # of all requests that are being received or wait for their fsync
REASONS = ("malformed", "too_large", "busy", "unauthorized", "unsupported", "timeout")
LARGE_BYTES, LARGE_JSON_BYTES = 2 << 20, 64 << 10  # from here on another process parses; JSON is pure Python
# A row takes 700 bytes while it is decoded, however little was sent: what is nearly nothing is refused in masses.
MOST_ITEMS = 1_000_000
FEW_ITEMS = 4096
SMALLEST_BYTES = {"traces": 16, "logs": 8, "metrics": 16, "profiles": 4}  # of an item that says something


class Refused(Exception):
    """A request of which nothing is kept. `reason` is one of REASONS."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Intake:
    """Accepts payloads: `accept` returns when they are on the disk. The counts are the receiver's own metrics."""

    def __init__(self, wal: WriteAheadLog) -> None:
        self.wal = wal
        self.checker = Checker()
        self.received: Counter[tuple[str, str]] = Counter()  # (signal, transport) -> items acknowledged
        self.refused: Counter[tuple[str, str, str]] = Counter()  # (signal, transport, reason) -> requests
        self._in_flight = 0

    def admit(self, signal: str, transport: str) -> None:
        """Refuse before the body is read when the log takes nothing."""
        reason = self.wal.refusal()
        if reason:
            raise self.refusal(signal, transport, "busy", f"{reason}; try again later")

    @contextlib.contextmanager
    def holding(self, signal: str, transport: str) -> "Iterator[Held]":
        """Account for the memory that a request takes while it is worked on."""
        held = Held(self, signal, transport)
        try:
            yield held
        finally:
            self._in_flight -= held.size

    def hold(self, size: int) -> bool:
        """Take room for so many bytes, if there is some."""
        if self._in_flight + size > IN_FLIGHT_BYTES:
            return False
        self._in_flight += size
        return True

    async def accept(self, signal: str, transport: str, payload: bytes, *, json: bool = False) -> None:
        """Acknowledge a payload: it is on the disk when this returns.

        Raises:
            Refused: nothing of it was kept.
        """
        try:
            items, protobuf = await self._checked(signal, payload, json=json)
            if items or (protobuf and signal == "profiles"):  # an empty request is valid and has nothing to keep
                await asyncio.wrap_future(self.wal.append(Record(signal, time.time_ns(), protobuf)))
        except BadInput as error:
            raise self.refusal(signal, transport, "malformed", error.what) from error
        except TooMuchInIt as error:
            raise self.refusal(signal, transport, "too_large", f"{error}; send smaller batches") from error
        except (WalRefused, OSError) as error:  # the latter: no process can be started to check it
            raise self.refusal(signal, transport, "busy", str(error)) from error
        self.received[signal, transport] += items

    async def _checked(self, signal: str, payload: bytes, *, json: bool) -> tuple[int, bytes]:
        """How many items a payload has, and its protobuf: it parses, and its rows will fit into memory."""
        if len(payload) > (LARGE_JSON_BYTES if json else LARGE_BYTES):
            items, protobuf = await self.checker.check(signal, payload, json=json)
        else:
            protobuf = json_to_protobuf(signal, payload) if json else payload
            items = validate(signal, protobuf)
        if items > FEW_ITEMS and (items > MOST_ITEMS or items * SMALLEST_BYTES[signal] > len(protobuf)):
            raise TooMuchInIt(f"{items} items in {len(protobuf)} bytes")
        return items, protobuf

    def refusal(self, signal: str, transport: str, reason: str, message: str) -> Refused:
        """Count a refusal and give it to raise."""
        self.refused[signal, transport, reason] += 1
        return Refused(reason, message)

    def totals(self) -> dict[str, Any]:
        """Counts since the start, as JSON values."""
        return {
            "received": [{"signal": s, "transport": t, "items": n} for (s, t), n in sorted(self.received.items())],
            "refused": [
                {"signal": s, "transport": t, "reason": r, "requests": n}
                for (s, t, r), n in sorted(self.refused.items())
            ],
        }


class Held:
    """Bytes in memory for one request."""

    def __init__(self, intake: Intake, signal: str, transport: str) -> None:
        self._intake, self._signal, self._transport = intake, signal, transport
        self.size = 0

    def add(self, size: int) -> None:
        """Account for more.

        Raises:
            Refused: all requests together take too much.
        """
        if not self._intake.hold(size):
            message = "too many bytes in flight at once; try again later"
            raise self._intake.refusal(self._signal, self._transport, "busy", message)
        self.size += size
