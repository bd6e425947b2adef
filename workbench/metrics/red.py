"""Rate, errors and duration over time."""

from typing import TYPE_CHECKING

from workbench.lake import BadParameter, Window
from workbench.lake.times import duration_ns
from workbench.traces.known_service import tell_unknown

if TYPE_CHECKING:
    import polars as pl

# A request is a span with which work enters a service: kind server or consumer, or the root of a trace.
BY_SERVICE = """
with requests as (
    select case when service_name is null then 'missing-service-name' when service_name = '' then 'empty-service-name'
                else service_name end as service_name,
           start_time_unix_nano // $step_ns as bucket, status_code, duration_ns
    from spans
    where kind in ('server', 'consumer') or coalesce(parent_span_id, '') = ''
)
select service_name, bucket, count(*) as calls, count(*) filter (where status_code = 'error') as errors,
       quantile_disc(duration_ns, [0.5, 0.95, 0.99]) as quantiles
from requests
where $service is null or service_name = $service
group by service_name, bucket
"""
BY_OPERATION = """
with requests as (
    select case when service_name is null then 'missing-service-name' when service_name = '' then 'empty-service-name'
                else service_name end as service_name,
           coalesce(nullif(name, ''), 'empty-span-name') as operation, coalesce(kind, '') as kind,
           start_time_unix_nano // $step_ns as bucket, status_code, duration_ns
    from spans
    where kind in ('server', 'consumer') or coalesce(parent_span_id, '') = ''
)
select service_name, operation, kind, bucket,
       count(*) as calls, count(*) filter (where status_code = 'error') as errors,
       quantile_disc(duration_ns, [0.5, 0.95, 0.99]) as quantiles
from requests
where $service is null or service_name = $service
group by service_name, operation, kind, bucket
"""
QUESTIONS = {
    "service": (BY_SERVICE, ["service_name"]),
    "operation": (BY_OPERATION, ["service_name", "operation", "kind"]),
}

SECOND, MINUTE, HOUR, DAY = 10**9, 60 * 10**9, 3600 * 10**9, 86_400 * 10**9
ROUND_STEPS = [each * SECOND for each in (1, 2, 5, 10, 15, 30)] + [each * MINUTE for each in (1, 2, 5, 10, 15, 30)]
ROUND_STEPS += [each * HOUR for each in (1, 2, 3, 6, 12)] + [DAY, 7 * DAY]
SHORTEST_STEP = 10**6
MOST_BUCKETS = 100_000
MOST_ROWS = 5_000_000


def red(
    window: Window,
    *,
    service: str | None = None,
    by: str = "service",
    step: str | int = "auto",
    buckets: int = 60,
) -> "pl.DataFrame":
    """Requests per time bucket: how many, how many failed, how long they took. A request counts where it starts.

    A request is a span with which work enters a service: of kind server or consumer, or the root of a trace.

    Args:
        service: only this service_name; None: all. One without spans in the window gives no rows and a warning.
        by: `service`, or `operation` (span name and kind).
        step: length of a bucket, `10s`, `1m` or nanoseconds, at least 1 ms; `auto`: the shortest round length that
            gives at most `buckets` of them. Buckets begin at multiples of it since 1970 (UTC).
        buckets: aim of `auto`.

    Returns:
        One row per (service_name[, operation, kind], bucket_start), in this order, for every bucket of the window and
        every line that has a request anywhere in it: bucket_start (UTC), seconds (the part of the bucket that lies in
        the window), calls, rate_per_second (calls / seconds), errors (status error), error_ratio (0..1), p50_ms,
        p95_ms, p99_ms (nearest rank, exact). A bucket without calls has calls, rate and errors 0 and the rest null:
        a plot then shows a zero and not a line across the gap.

    Raises:
        BadParameter: `by` or `step` cannot be used, or the step is too short for the window.
    """
    if by not in QUESTIONS:
        raise BadParameter(f"by={by!r} is not a way to group", "red", "give service or operation")
    low, high = window.bounds()
    step_ns = round_step(high - low, buckets) if step == "auto" else duration_ns(step, "step")
    if step_ns < SHORTEST_STEP:
        raise BadParameter(f"step={step!r} is too short", "red", "give 1ms or more")
    first, after = low // step_ns, -(-high // step_ns)
    if after - first > MOST_BUCKETS:
        remedy = "give a longer step or a shorter window"
        raise BadParameter(f"{after - first} buckets of {step} are too many (at most {MOST_BUCKETS})", "red", remedy)
    query, line = QUESTIONS[by]
    found = window.sql(query, service=service, step_ns=step_ns)
    if service is not None and found.is_empty():
        tell_unknown(window, service)
    return _every_bucket(found, line, step_ns, (low, high))


def round_step(length_ns: int, buckets: int) -> int:
    """The shortest round length in ns that cuts `length_ns` into at most `buckets` parts.

    Raises:
        BadParameter: `buckets` is below 1.
    """
    if buckets < 1:
        raise BadParameter(f"buckets={buckets}", "red", "give 1 or more")
    for step in ROUND_STEPS:
        if step * buckets >= length_ns:
            return step
    return -(-length_ns // (buckets * DAY)) * DAY


def _every_bucket(found: "pl.DataFrame", line: list[str], step_ns: int, limits: tuple[int, int]) -> "pl.DataFrame":
    """One row for each bucket of each line, also where nothing was called."""
    import polars as pl

    low, high = limits
    grid = pl.select(bucket=pl.int_range(low // step_ns, -(-high // step_ns), dtype=pl.Int64))
    lines = found.select(line).unique()
    if lines.height * grid.height > MOST_ROWS:
        what = f"{lines.height} lines of {grid.height} buckets are more than {MOST_ROWS} rows"
        raise BadParameter(what, "red", "name a service, give a longer step, or mend operation names that hold ids")
    start = pl.col("bucket") * step_ns
    seconds = (pl.min_horizontal(start + step_ns, pl.lit(high)) - pl.max_horizontal(start, pl.lit(low))) / 1e9
    quantiles = [
        (pl.col("quantiles").list.get(position, null_on_oob=True) / 1e6).alias(name)
        for position, name in enumerate(["p50_ms", "p95_ms", "p99_ms"])
    ]
    return (
        lines.join(grid, how="cross")
        .join(found, on=[*line, "bucket"], how="left")
        .with_columns(pl.col("calls", "errors").fill_null(0), seconds=seconds)
        .select(
            pl.from_epoch(start // 1000, time_unit="us").dt.replace_time_zone("UTC").alias("bucket_start"),
            *line,
            "seconds",
            "calls",
            (pl.col("calls") / pl.col("seconds")).alias("rate_per_second"),
            "errors",
            pl.when(pl.col("calls") > 0).then(pl.col("errors") / pl.col("calls")).alias("error_ratio"),
            *quantiles,
        )
        .sort([*line, "bucket_start"])
    )
