"""How much memory do all processes of the receiver take together under full load, compaction included?"""

import json
import time
from typing import Any

from benchmarks import machine, payloads
from benchmarks.receiving import Receiver, receiver, scratch

CLAIM = "Resident memory of all processes stays under 1.5 GiB through ten minutes of full load, compaction included."
TARGET_MIB = 1536
DIFFERENT = 256
LOOK_SECONDS = 0.5


def run(quick: bool) -> list[dict[str, Any]]:
    """Rows of the table: the highest sum of resident memory, and of each process."""
    seconds, maintain_every = (60, "20s") if quick else (600, "1m")
    with scratch() as folder:
        files = payloads.stored(folder / "requests", "traces", DIFFERENT)
        with receiver(folder, maintain_every=maintain_every, metrics_every="10s") as server:
            with server.loading(files, "traces", seconds=seconds) as client:
                most, roles, compactions = _watched(server, time.monotonic() + seconds)
                told = json.loads(client.communicate()[0])
            server.drained("traces", told["acknowledged"])
    if not compactions:
        raise RuntimeError("no compaction ran: nothing can be said about its memory")
    parts = ", ".join(f"{role} {size >> 20}" for role, size in sorted(roles.items()))
    note = f"{told['acknowledged']:,} spans in {seconds} s, {compactions} runs of compaction; MiB each at most: {parts}"
    return [
        {
            "name": f"all processes, {seconds} s at full load",
            "value": most >> 20,
            "unit": "MiB",
            "target": f"<= {TARGET_MIB}",
            "baseline_name": "",
            "baseline_value": None,
            "note": f"{note}; pages that processes share are counted in each",
        }
    ]


def _watched(server: Receiver, end: float) -> tuple[int, dict[str, int], int]:
    """The highest sum of resident bytes, the highest of each role, and how many compaction processes were seen."""
    most, roles, compactions = 0, {}, set()
    while time.monotonic() < end:
        total = 0
        for pid, role in server.roles():
            size = machine.resident_bytes(pid)
            total += size
            roles[role] = max(roles.get(role, 0), size)
            if role == "maintenance":
                compactions.add(pid)
        most = max(most, total)
        time.sleep(LOOK_SECONDS)
    return most, roles, len(compactions)
