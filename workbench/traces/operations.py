"""What does a service do, and what does it cost?"""

from typing import TYPE_CHECKING

from workbench.lake import Window
from workbench.traces.known_service import tell_unknown

if TYPE_CHECKING:
    import polars as pl

SQL = """
with named as (
    select case when service_name is null then 'missing-service-name' when service_name = '' then 'empty-service-name'
                else service_name end as service_name,
           coalesce(nullif(name, ''), 'empty-span-name') as operation, coalesce(kind, '') as kind, http_route,
           status_code, duration_ns
    from spans
), counted as (
    select service_name, operation, kind, http_route,
           count(*) as calls,
           count(*) filter (where status_code = 'error') as errors,
           quantile_disc(duration_ns, [0.5, 0.95, 0.99]) as quantiles,
           sum(cast(duration_ns as double)) / 1e6 as total_ms
    from named
    where $service is null or service_name = $service
    group by service_name, operation, kind, http_route
)
select service_name, operation, kind, http_route, calls, errors, errors / calls as error_ratio,
       quantiles[1] / 1e6 as p50_ms, quantiles[2] / 1e6 as p95_ms, quantiles[3] / 1e6 as p99_ms,
       total_ms, coalesce(total_ms / nullif(sum(total_ms) over (partition by service_name), 0), 0) as total_ratio
from counted
order by service_name, total_ms desc, operation, kind, http_route nulls first
"""


def operations(window: Window, *, service: str | None = None) -> "pl.DataFrame":
    """Every operation of a service (or of all): span name, kind and route; dearest first.

    Args:
        service: a service_name; None: all. One without spans in the window gives no rows and a warning.

    Returns:
        One row per (service_name, operation, kind, http_route): calls, errors (status error), error_ratio (0..1),
        p50_ms, p95_ms, p99_ms (nearest rank, exact), total_ms (sum of durations) and total_ratio (0..1, its share in
        the sum over the service's operations; a span's time holds that of the spans inside it). By service, then
        total_ms descending.
    """
    found = window.sql(SQL, service=service)
    if service is not None and found.is_empty():
        tell_unknown(window, service)
    return found
