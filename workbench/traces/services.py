"""Which services are there, how busy, how slow, how faulty?"""

from typing import TYPE_CHECKING

from workbench.lake import Window

if TYPE_CHECKING:
    import polars as pl

# A request is a span with which work enters a service: kind server or consumer, or the root of a trace.
SQL = """
with named as (
    select *, coalesce(kind in ('server', 'consumer'), false) or coalesce(parent_span_id, '') = '' as request
    from spans
), counted as (
    select
        case when service_name is null then 'missing-service-name' when service_name = '' then 'empty-service-name'
             else service_name end as service_name,
        string_agg(distinct service_namespace, ', ' order by service_namespace) as namespaces,
        string_agg(distinct service_version, ', ' order by service_version) as versions,
        count(distinct coalesce(service_instance_id, container_id, host_name || ' ' || coalesce(process_pid, 0)))
            as instances,
        count(*) as spans,
        count(*) filter (where status_code = 'error') as error_spans,
        count(*) filter (where request) as requests,
        count(*) filter (where request and status_code = 'error') as errors,
        quantile_disc(duration_ns, [0.5, 0.95, 0.99]) filter (where request) as quantiles,
        min(start_time) as first_seen,
        max(start_time) as last_seen
    from named
    group by 1
)
select service_name, namespaces, versions, instances, spans, error_spans, requests, errors,
       errors / nullif(requests, 0) as error_ratio,
       quantiles[1] / 1e6 as p50_ms, quantiles[2] / 1e6 as p95_ms, quantiles[3] / 1e6 as p99_ms,
       first_seen, last_seen
from counted
order by service_name
"""


def services(window: Window) -> "pl.DataFrame":
    """Every service that has spans in the window.

    A request is a span with which work enters a service: of kind server or consumer, or the root of a trace. A server
    span directly inside another one of its service (two instrumentations of one request) counts too; `service_map`
    counts arrivals and leaves it out.

    Returns:
        One row per service_name, in its order: namespaces and versions (text, comma-separated, null where none is
        told), instances (distinct instance ids, else containers, else processes), spans and error_spans (all kinds),
        requests, errors (requests with status error), error_ratio (0..1, null without requests), p50_ms, p95_ms,
        p99_ms (of the requests; nearest rank, exact), first_seen, last_seen (first and last start of a span, UTC).
        A span without a service counts for `missing-service-name` or `empty-service-name`.
    """
    return window.sql(SQL)
