"""What does a question to a window of ten million spans cost? Beside each figure a plain query of the same run.

Method: a lake of made-up spans (`synthetic_spans`), built once and kept in $WORKBENCH_BENCHMARK_CACHE (default
~/.cache/telemetry-workbench). Every question opens the window anew, as a user does; the answer is compared with the
plain way's before the clock starts. Figures are medians of CPU seconds of the whole process, all threads; what the
clock on the wall said stands beside. Interpreter start and the first, cold run are not in them.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

import workbench as wb
from benchmarks.machine import description
from benchmarks.synthetic_spans import HOURS, START_NS, build
from workbench.lake import Window

CLAIM = (
    "10 million spans of 24 hours, warm process, CPU-seconds of the question, opening the window included: service map "
    "of one hour <= 0.3 and of 24 hours <= 5, exact RED per minute and operation of 24 hours <= 2, one trace by its id "
    "<= 0.15."
)
SPANS, QUICK_SPANS = 10_000_000, 1_000_000
HOUR_NS = 3600 * 10**9

# The plain way to a service map: client spans joined with their server spans. No queues, databases or lost halves.
SELF_JOIN = """
select caller.service_name as source, callee.service_name as target, count(*) as calls,
       count(*) filter (where caller.status_code = 'error' or callee.status_code = 'error') as errors,
       quantile_disc(caller.duration_ns, [0.5, 0.95, 0.99]) as quantiles
from spans as caller
join spans_around as callee on callee.trace_id = caller.trace_id and callee.parent_span_id = caller.span_id
where caller.kind = 'client' and callee.kind = 'server'
group by 1, 2
order by 1, 2
"""


def run(quick: bool) -> list[dict[str, Any]]:
    """Rows of the table: CPU-seconds of each question and of the plain way to the same figures."""
    lake = wb.open(lake_of(QUICK_SPANS if quick else SPANS))
    hour = (START_NS + 10 * HOUR_NS, START_NS + 11 * HOUR_NS)
    whole = (START_NS, START_NS + (HOURS + 1) * HOUR_NS)  # traces that begin in the last minute end after it
    trace_id = lake.window(*hour).sql("select min(trace_id) as id from spans")["id"].item()
    runs = 3 if quick else 5

    def open_hour() -> Window:
        return lake.window(*hour)

    def open_whole() -> Window:
        return lake.window(*whole)

    count = open_whole().sql("select count(*) as n from spans")["n"].item()
    return [
        _row("service map of 1 hour", 0.3, count, runs, _map(open_hour)),
        _row("service map of 24 hours", 5, count, min(runs, 3), _map(open_whole)),
        _row("RED of 24 hours, per minute and operation", 2, count, min(runs, 3), _red(open_whole)),
        _row("one trace by its id", 0.15, count, runs, _trace(open_whole, trace_id)),
    ]


def lake_of(spans: int) -> Path:
    """The lake of so many spans, built where it is missing."""
    default = Path.home() / ".cache" / "telemetry-workbench"
    lake = Path(os.environ.get("WORKBENCH_BENCHMARK_CACHE", default)) / f"spans-{spans}"
    lake.parent.mkdir(parents=True, exist_ok=True)
    build(lake, spans)
    return lake


Question = tuple[Callable[[], Any], str, Callable[[], Any]]  # ours, name of the plain way, the plain way


def _map(opened: Callable[[], Window]) -> Question:
    columns = ["source", "target", "calls", "errors", "p50_ms", "p95_ms", "p99_ms"]
    plain = opened().sql(SELF_JOIN)
    quantiles = [(pl.col("quantiles").list.get(n) / 1e6).alias(name) for n, name in enumerate(columns[4:])]
    ours = wb.service_map(opened()).edges.filter(~pl.col("asynchronous"), ~pl.col("target").str.contains(":"))
    _same("service map", ours.select(columns), plain.with_columns(quantiles).select(columns))
    return (
        lambda: wb.service_map(opened()),
        "SQL self join, client and server spans only",
        lambda: opened().sql(SELF_JOIN),
    )


def _red(opened: Callable[[], Window]) -> Question:
    key = ["service_name", "operation", "kind", "bucket_start"]
    columns = [*key, "calls", "errors", "p50_ms", "p95_ms", "p99_ms"]

    def plain() -> pl.DataFrame:
        rank = [
            (pl.col("duration_ns").quantile(share, interpolation="equiprobable") / 1e6).alias(name)
            for share, name in ((0.5, "p50_ms"), (0.95, "p95_ms"), (0.99, "p99_ms"))
        ]
        requests = pl.col("kind").is_in(["server", "consumer"]) | (pl.col("parent_span_id") == "")
        return (
            opened()
            .scan("spans")
            .filter(requests)
            .group_by(
                "service_name", operation="name", kind="kind", bucket_start=pl.col("start_time").dt.truncate("1m")
            )
            .agg(
                pl.len().cast(pl.Int64).alias("calls"),
                (pl.col("status_code") == "error").sum().cast(pl.Int64).alias("errors"),
                *rank,
            )
            .collect()
        )

    ours = wb.red(opened(), by="operation", step="1m").filter(pl.col("calls") > 0)
    _same("RED", ours.select(columns).sort(key), plain().select(columns).sort(key))
    return lambda: wb.red(opened(), by="operation", step="1m"), "Polars scan and group by", plain


def _trace(opened: Callable[[], Window], trace_id: str) -> Question:
    def plain() -> pl.DataFrame:
        return opened().scan("spans").filter(pl.col("trace_id") == trace_id).collect()

    ours = wb.trace(opened(), trace_id)
    _same("trace", ours.select("span_id", "name").sort("span_id"), plain().select("span_id", "name").sort("span_id"))
    return lambda: wb.trace(opened(), trace_id), "Polars scan and filter", plain


def _same(what: str, ours: pl.DataFrame, plain: pl.DataFrame) -> None:
    if ours.is_empty() or not ours.equals(plain):
        raise RuntimeError(f"{what}: the answer is not that of the plain way\n{ours}\n{plain}")


def _row(name: str, target: float, spans: int, runs: int, question: Question) -> dict[str, Any]:
    ours, plain_name, plain = question
    seconds, wall = _measured(ours, runs)
    plain_seconds, plain_wall = _measured(plain, runs)
    note = f"{spans:,} spans in the lake; {wall:.2f} s by the clock, the plain way {plain_wall:.2f} s; median of {runs}"
    return {
        "name": name,
        "value": round(seconds, 3),
        "unit": "CPU-seconds",
        "target": f"<= {target}" if spans >= SPANS else f"<= {target} at {SPANS:,} spans",
        "baseline_name": plain_name,
        "baseline_value": round(plain_seconds, 3),
        "note": note,
    }


def _measured(question: Callable[[], Any], runs: int) -> tuple[float, float]:
    """Medians of CPU and wall seconds, in a process whose memory and caches two answers before have warmed."""
    used, walls = [], []
    for _ in range(2):
        question()
    for _ in range(runs):
        cpu, clock = time.process_time(), time.perf_counter()
        question()
        used.append(time.process_time() - cpu)
        walls.append(time.perf_counter() - clock)
    return statistics.median(used), statistics.median(walls)


if __name__ == "__main__":
    print(description())
    for row in run("--quick" in sys.argv):
        print(row)
