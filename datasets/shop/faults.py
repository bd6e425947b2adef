"""Is a fault switched on here and now? Asked by the services at the place where the fault would be in life.

The file named by SHOP_FAULTS lists the switches: fault, service, from and to. It is written when the load begins, and
read again whenever it changes, so a switch can be turned by hand while the shop runs. The faults themselves are real
and lie in the services: `card_network` of payments really waits, `rank` of recommendations really computes.
"""

import json
import os
import time
from pathlib import Path

FILE = Path(os.environ.get("SHOP_FAULTS", "no faults"))
SERVICE = os.environ.get("OTEL_SERVICE_NAME", "")
_known = {"changed": 0, "windows": []}


def active(fault: str) -> bool:
    """Whether this fault is on in this service."""
    now = time.time_ns()
    return any(begins <= now < ends for name, begins, ends in _windows() if name == fault)


def _windows() -> list[tuple[str, int, int]]:
    try:
        changed = FILE.stat().st_mtime_ns
    except FileNotFoundError:
        return []
    if changed != _known["changed"]:
        mine = [each for each in json.loads(FILE.read_text()) if each["service"] == SERVICE]
        _known["windows"] = [(each["fault"], each["from_unix_nano"], each["to_unix_nano"]) for each in mine]
        _known["changed"] = changed
    return _known["windows"]
