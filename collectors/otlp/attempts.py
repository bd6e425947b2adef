"""Which payload does the decoding process die of? It is found after some deaths and put aside; the others go on.

Payloads are decoded in runs: all of a signal in a segment at once. A note says which run is being decoded, and is gone
when the rows of the segment are made; a note that a new process finds is a death. A run that took a process with it is
cut into at most 64 smaller ones; a payload that did so twice, alone, is given up. So six deaths find one among a
million, and a process that is killed from outside at random moments only works in smaller pieces for a while.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "decoding.json"
PARTS = 64
CHANCE = 1  # deaths at one payload alone that are put down to chance


class Attempts:
    """The attempts at one segment, this one included. No fsync: after a power cut nobody died of a payload."""

    def __init__(self, directory: Path, sequence: int) -> None:
        self._file, self._sequence = directory / NAME, sequence
        before = self._read()
        self._died: dict[str, int] = before["died"] if before.get("sequence") == sequence else {}
        if before.get("sequence") == sequence and before["run"]:
            self._died[before["run"]] = self._died.get(before["run"], 0) + 1

    def runs(self, signal: str, count: int) -> Iterator[range]:
        """Positions of `count` payloads in runs that no process died of, or of one payload each."""
        pending = [range(count)]
        while pending:
            run = pending.pop()
            if len(run) > 1 and _name(signal, run) in self._died:
                size = -(-len(run) // PARTS)
                pending += [run[start : start + size] for start in range(0, len(run), size)][::-1]
            else:
                yield run

    def given_up(self, signal: str, run: range) -> bool:
        """This one payload took the process with it too often."""
        return len(run) == 1 and self._died.get(_name(signal, run), 0) > CHANCE

    def note(self, signal: str, run: range) -> None:
        """Decoding of a run begins."""
        self._file.write_text(json.dumps({"sequence": self._sequence, "died": self._died, "run": _name(signal, run)}))

    def survived(self) -> None:
        """The rows are made."""
        self._file.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._file.read_text())
            if isinstance(found, dict) and found.keys() == {"sequence", "died", "run"}:
                return found
        return {}


def _name(signal: str, run: range) -> str:
    return f"{signal} {run.start}..{run.stop}"
