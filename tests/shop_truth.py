"""What a truth file of the demo shop says, compared with what a window shows."""

from collections.abc import Callable
from typing import Any

import workbench as wb
from workbench.lake import Window

SECOND = 10**9
SERVICES = {"storefront", "checkout", "inventory", "payments", "recommendations", "mailer"}


def true_edges(truth: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(edge["source"], edge["target"]): edge["calls"] for edge in truth["edges"]}


def edges_on_map(window: Window) -> dict[tuple[str, str], int]:
    edges = wb.service_map(window).edges
    assert len(edges) == len(edges.unique(["source", "target"]))
    return dict(zip(edges.select("source", "target").rows(), edges["calls"], strict=True))


def fault_shows(window: Window, truth: dict[str, Any], fault: str) -> bool:
    """Whether the fault stands out in its time against the time before and well after it."""
    (found,) = [each for each in truth["faults"] if each["fault"] == fault]
    return FAULTS[fault](window, found["from_unix_nano"], found["to_unix_nano"])


def _inside_and_outside(window: Window, begins: int, ends: int, figure: str, condition: str) -> tuple[float, float]:
    inside = "start_time_unix_nano >= $begins and start_time_unix_nano < $ends"
    outside = "(start_time_unix_nano < $begins - 200000000 or start_time_unix_nano > $ends + 2000000000)"
    columns = f"{figure} filter (where {inside}) as during, {figure} filter (where {outside}) as otherwise"
    sql = f"select {columns} from spans where {condition}"
    during, otherwise = window.sql(sql, begins=begins, ends=ends).row(0)
    return float(during), float(otherwise)


def _slower(times: float, condition: str) -> Callable[[Window, int, int], bool]:
    def slower(window: Window, begins: int, ends: int) -> bool:
        during, otherwise = _inside_and_outside(window, begins, ends, "median(duration_ns)", condition)
        return during > times * otherwise

    return slower


def _errors(window: Window, begins: int, ends: int) -> bool:
    share = "avg(case when status_code = 'error' then 1.0 else 0.0 end)"
    during, otherwise = _inside_and_outside(window, begins, ends, share, "name = 'POST /reservations'")
    sql = "select count(*) from logs where exception_type = 'KeyError' and time_unix_nano between $begins and $ends"
    logged = window.sql(sql, begins=begins, ends=ends + SECOND).item()
    return during > 0.2 and otherwise == 0 and logged > 0


def _n_plus_one(window: Window, begins: int, ends: int) -> bool:
    queries = window.sql(
        "select history.start_time_unix_nano, history.end_time_unix_nano, count(*) "
        "from spans as history join spans as query on query.parent_span_id = history.span_id "
        "where history.name = 'GET /users/<user>/orders' and history.kind = 'server' "
        "group by history.span_id, history.start_time_unix_nano, history.end_time_unix_nano"
    ).rows()
    during = {n for start, end, n in queries if begins <= start and end < ends}
    otherwise = {n for start, end, n in queries if end < begins or start >= ends}
    return during == {21} and otherwise == {1}


def _timeouts(window: Window, begins: int, ends: int) -> bool:
    asked = window.sql(
        "select asked.start_time_unix_nano, asked.end_time_unix_nano, asked.error_type is not null as failed "
        "from spans as asked join spans as served on served.parent_span_id = asked.span_id "
        "where asked.service_name = 'storefront' and served.service_name = 'recommendations'"
    ).rows()
    during = [failed for start, _, failed in asked if begins <= start < ends - SECOND / 10]
    otherwise = [failed for start, end, failed in asked if end < begins or start >= ends]
    return sum(during) > 0.8 * len(during) > 2 and sum(otherwise) < 0.3 * len(otherwise)


def _memory_growth(window: Window, begins: int, ends: int) -> bool:
    earlier, during = window.sql(
        "select max(int_value) filter (where time_unix_nano < $begins) as earlier, "
        "max(int_value) filter (where time_unix_nano between $begins and $ends) as during "
        "from metric_points where name = 'process.memory.usage' and service_name = 'storefront'",
        begins=begins,
        ends=ends,
    ).row(0)
    return during > earlier + 3 * 2**20


FAULTS: dict[str, Callable[[Window, int, int], bool]] = {
    "latency": _slower(5, "name = 'card network'"),
    "errors": _errors,
    "cpu_burn": _slower(10, "name = 'rank'"),
    "lock_contention": _slower(4, "service_name = 'inventory' and name = 'GET /products/<product>'"),
    "slow_fsync": _slower(5, "name = 'spool'"),
    "n_plus_one": _n_plus_one,
    "timeouts": _timeouts,
    "memory_growth": _memory_growth,
}
