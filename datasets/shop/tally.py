"""How often did this service really call whom? Counted beside OpenTelemetry, not by it: the truth to compare with."""

import collections
import json
import os
import threading
from pathlib import Path

SERVICE = os.environ.get("OTEL_SERVICE_NAME", "")
_calls: collections.Counter[tuple[str, str]] = collections.Counter()
_lock = threading.Lock()


def call(target: str, *, source: str = SERVICE) -> None:
    """Count one call; a name is a service's, or `stock`, `ledger`, `stream`."""
    with _lock:
        _calls[source, target] += 1


def write() -> None:
    """Leave the counts for the shop, which makes the truth of them."""
    counts = [[source, target, calls] for (source, target), calls in sorted(_calls.items())]
    Path(os.environ["SHOP_TALLIES"], f"{SERVICE}.json").write_text(json.dumps(counts))
