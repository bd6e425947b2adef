"""How many spans, log records and metric points does one CPU-second carry from the socket into the lake?"""

import time
from pathlib import Path
from typing import Any

import workbench as wb
from benchmarks import payloads, plain_way
from benchmarks.receiving import TABLES, Receiver, receiver, scratch
from workbench.lake.compact import compact

CLAIM = (
    "From the socket to fsynced Parquet in Delta, CPU of all our processes together: per CPU-second at least "
    "130,000 spans (aim: 200,000), 250,000 log records, 350,000 metric points."
)
TARGETS = {"traces": 130_000, "logs": 250_000, "metrics": 350_000}
DIFFERENT = 256  # requests; the load repeats them
WARM_UP = 64
PLAIN = 40  # requests that the plain way gets: it has no start-up cost that more would spread


def run(quick: bool) -> list[dict[str, Any]]:
    """Rows of the table: rate per signal and protocol, with the plain way's in the same run; compaction beside it."""
    requests = 512 if quick else 4096
    found = []
    with scratch() as folder:
        for signal, over in (("traces", "http"), ("traces", "grpc"), ("logs", "http"), ("metrics", "http")):
            files = payloads.stored(folder / "requests", signal, DIFFERENT)
            place = folder / f"{signal}-{over}"
            place.mkdir()
            with receiver(place) as server:
                rate, note = _rate(server, files, signal, over, requests)
            plain = _plain(files[:PLAIN], signal, place)
            found.append(
                {
                    "name": f"{signal} over {over}",
                    "value": round(rate),
                    "unit": "rows per CPU-second",
                    "target": f">= {TARGETS[signal]:,}",
                    "baseline_name": "plain way",
                    "baseline_value": round(plain),
                    "note": f"{rate / plain:.1f} times the plain way; {note}",
                }
            )
            if over == "http":
                found.append(_compaction(place / "lake", signal))
    return found


def _rate(server: Receiver, files: list[Path], signal: str, over: str, requests: int) -> tuple[float, str]:
    warm = server.load(files, signal, over=over, requests=WARM_UP)["acknowledged"]
    server.drained(signal, warm)
    before, began = server.cpu(), time.monotonic()
    sent = server.load(files, signal, over=over, requests=requests)["acknowledged"]
    wall = server.drained(signal, warm + sent) - began
    used = {role: seconds - before.get(role, 0) for role, seconds in server.cpu().items()}
    check(server.lake, signal, warm + sent)
    size = sum(file.stat().st_size for file in (server.lake / TABLES[signal]).glob("day=*/*.parquet"))
    parts = ", ".join(f"{role} {1e6 * seconds / sent:.2f} µs" for role, seconds in used.items())
    note = f"{sent:,} rows; {parts} per row; {sent / wall:,.0f} rows/s by the clock; {size / (warm + sent):.0f} B/row"
    return sent / sum(used.values()), note


def check(lake: Path, signal: str, rows: int) -> None:
    """What was acknowledged is there, readable, and looks as it was sent."""
    window = wb.open(lake).window(0, time.time_ns() + 10**12)
    table = TABLES[signal]
    per_request = payloads.ITEMS
    query = f"select count(*) as n, count(distinct service_name) as services from {table}"
    answer = window.sql(query).to_dicts()[0]
    if answer != {"n": rows, "services": len(payloads.SERVICES)}:
        raise RuntimeError(f"{rows} rows of {len(payloads.SERVICES)} services were sent, the lake answers {answer}")
    if signal == "traces":
        query = "select min(cardinality(attributes)) as least, max(cardinality(attributes)) as most from spans"
        if window.sql(query).row(0) != (8, 8):
            raise RuntimeError("spans came with eight attributes and do not have them")
    if rows % per_request:
        raise RuntimeError("half a request is in the lake")


def _plain(files: list[Path], signal: str, place: Path) -> float:
    rows, seconds = plain_way.store(files, signal, place / "plain.parquet")
    return rows / seconds


def _compaction(lake: Path, signal: str) -> dict[str, Any]:
    began, clock = time.process_time(), time.monotonic()
    plan = compact(lake)
    seconds, wall = time.process_time() - began, time.monotonic() - clock
    rows = int(plan["rows"].sum())
    return {
        "name": f"compaction of {TABLES[signal]}",
        "value": round(rows / seconds) if rows else None,
        "unit": "rows per CPU-second",
        "target": "",
        "baseline_name": "",
        "baseline_value": None,
        "note": f"{int(plan['files'].sum())} files, {rows:,} rows, {wall:.1f} s by the clock; not in the figure above",
    }
