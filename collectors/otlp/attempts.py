"""Which payload does the decoding process die of? It is found after some deaths and put aside; the others go on.

Before decoding a segment a note says so, and it is gone when the rows are made. A note that a new process finds is a
death. After two deaths at one segment its payloads are decoded one by one, each noted; one that took the process with
it twice is given up. A process that is killed from outside at random moments does not die twice of one payload.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

NAME = "decoding.json"
TOGETHER, ALONE = 2, 2  # deaths that are put down to chance: of a whole segment, of one payload


class Attempts:
    """The attempts at one segment, this one included. No fsync: after a power cut nobody died of a payload."""

    def __init__(self, directory: Path, sequence: int) -> None:
        self._file, self._sequence = directory / NAME, sequence
        before = self._read()
        died_here = before.get("sequence") == sequence
        self._deaths: int = before["deaths"] + 1 if died_here else 0
        self._died: dict[str, int] = before["died"] if died_here else {}
        if died_here and before["payload"]:
            self._died[before["payload"]] = self._died.get(before["payload"], 0) + 1

    @property
    def careful(self) -> bool:
        """Decode one by one."""
        return self._deaths >= TOGETHER

    def given_up(self, payload: str) -> bool:
        """This one took the process with it too often."""
        return self._died.get(payload, 0) >= ALONE

    def note(self, payload: str = "") -> None:
        """Decoding begins: of everything together, or of one payload."""
        facts = {"sequence": self._sequence, "deaths": self._deaths, "died": self._died, "payload": payload}
        self._file.write_text(json.dumps(facts))

    def survived(self) -> None:
        """The rows are made."""
        self._file.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._file.read_text())
            if isinstance(found, dict) and found.keys() == {"sequence", "deaths", "died", "payload"}:
                return found
        return {}
