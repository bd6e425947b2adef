"""The demo shop for half a minute against a real receiver: what it says it did is what the lake shows."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

import workbench as wb
from tests.conftest import ROOT
from tests.receiver_process import receiver
from workbench.lake import Window

SHOP = ROOT / "datasets" / "shop"
SERVICES = {"storefront", "checkout", "inventory", "payments", "recommendations", "mailer"}
pytestmark = [pytest.mark.slow]


@dataclass
class Ran:
    window: Window
    truth: dict[str, Any]
    said: str

    def fault(self, name: str) -> tuple[int, int]:
        (found,) = [each for each in self.truth["faults"] if each["fault"] == name]
        return found["from_unix_nano"], found["to_unix_nano"]

    def inside_and_outside(self, name: str, figure: str, condition: str) -> tuple[float, float]:
        """A figure over spans that begin while the fault is on, and over the others (but for those soon after)."""
        begins, ends = self.fault(name)
        inside = "start_time_unix_nano >= $begins and start_time_unix_nano < $ends"
        outside = "(start_time_unix_nano < $begins - 200000000 or start_time_unix_nano > $ends + 2000000000)"
        columns = f"{figure} filter (where {inside}) as during, {figure} filter (where {outside}) as otherwise"
        sql = f"select {columns} from spans where {condition}"
        ((during, otherwise),) = self.window.sql(sql, begins=begins, ends=ends).rows()
        return float(during), float(otherwise)


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    directory = tmp_path_factory.mktemp("shop")
    truth = directory / "truth.json"
    with receiver(directory / "lake") as running:
        command = [sys.executable, str(SHOP / "shop.py"), "--endpoint", f"http://{running.http}", "--truth", str(truth)]
        command += ["--duration", "24s", "--rate", "20", "--metrics-every", "500ms"]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=150)
        assert ended.returncode == 0, ended.stderr
    return Ran(wb.open(directory / "lake").whole(), json.loads(truth.read_text()), ended.stderr)


def test_the_service_map_shows_every_true_edge_with_every_call_and_no_other(ran):
    true = {(edge["source"], edge["target"]): edge["calls"] for edge in ran.truth["edges"]}
    edges = wb.service_map(ran.window).edges
    assert dict(zip(edges.select("source", "target").rows(), edges["calls"], strict=True)) == true
    kinds = {target.split(":")[0] for _, target in true}
    assert kinds == {"inventory", "recommendations", "checkout", "payments", "mailer", "database", "queue"}
    assert len(true) == 11


def test_every_request_that_people_made_is_the_root_of_a_trace(ran):
    sent = sum(each["count"] for each in ran.truth["requests"])
    roots = ran.window.sql("select service_name, count(*) from spans where parent_span_id = '' group by 1").rows()
    assert roots == [("storefront", sent)]


def test_every_service_sends_spans_logs_and_metrics_that_name_process_and_host(ran):
    for table in ("spans", "logs", "metric_points"):
        rows = ran.window.sql(
            "select service_name, count(distinct process_pid), min(host_name), min(service_version) "
            f"from {table} where service_namespace = 'shop' group by 1"
        ).rows()
        assert {row[0] for row in rows} == SERVICES
        assert {row[1:] for row in rows} == {(1, "shop-host", "1.0.0")}


def test_log_lines_belong_to_spans(ran):
    lines, joined = ran.window.sql(
        "select count(*), count(spans.span_id) from logs left join spans using (trace_id, span_id) "
        "where logs.service_namespace = 'shop'"
    ).row(0)
    assert lines > 50
    assert joined == lines


def test_a_mail_is_in_the_trace_of_its_order_and_links_to_the_message_that_asked_for_it(ran):
    mails, same = ran.window.sql(
        "select count(*), count(*) filter (where sent.trace_id = mail.trace_id "
        "and mail.links[1].span_id = sent.span_id and len(mail.links) = 1) "
        "from spans as mail left join spans as sent on sent.span_id = mail.parent_span_id and sent.kind = 'producer' "
        "where mail.kind = 'consumer'"
    ).row(0)
    assert mails == same > 10


def test_latency_is_in_the_card_network(ran):
    during, otherwise = ran.inside_and_outside("latency", "median(duration_ns)", "name = 'card network'")
    assert during > 5 * otherwise


def test_errors_are_in_the_reservations(ran):
    share = "avg(case when status_code = 'error' then 1.0 else 0.0 end)"
    during, otherwise = ran.inside_and_outside("errors", share, "name = 'POST /reservations'")
    assert during > 0.2
    assert otherwise == 0
    begins, ends = ran.fault("errors")
    sql = "select count(*) from logs where exception_type = 'KeyError' and time_unix_nano between $begins and $ends"
    assert ran.window.sql(sql, begins=begins, ends=ends + 10**9).item() > 0


def test_cpu_burn_is_in_the_ranking(ran):
    during, otherwise = ran.inside_and_outside("cpu_burn", "median(duration_ns)", "name = 'rank'")
    assert during > 10 * otherwise


def test_lock_contention_is_in_the_product_pages_of_inventory(ran):
    condition = "service_name = 'inventory' and name = 'GET /products/<product>'"
    during, otherwise = ran.inside_and_outside("lock_contention", "median(duration_ns)", condition)
    assert during > 5 * otherwise


def test_slow_fsync_is_in_the_spool(ran):
    during, otherwise = ran.inside_and_outside("slow_fsync", "median(duration_ns)", "name = 'spool'")
    assert during > 5 * otherwise


def test_n_plus_one_queries_are_in_the_history(ran):
    queries = "(select count(*) from spans as query where query.parent_span_id = spans.span_id)"
    sql = f"select start_time_unix_nano, {queries} as queries from spans where name = 'GET /users/<user>/orders'"
    sql += " and kind = 'server'"
    begins, ends = ran.fault("n_plus_one")
    counts = ran.window.sql(sql).rows()
    assert {n for start, n in counts if start > ends + 10**9 or start < begins - 10**9} == {1}
    assert [n for start, n in counts if begins <= start < ends][:1] == [21]


def test_timeouts_are_in_the_calls_of_recommendations(ran):
    condition = "service_name = 'storefront' and kind = 'client' and error_type is not null and duration_ns > 900000000"
    during, otherwise = ran.inside_and_outside("timeouts", "count(*)", condition)
    assert during > 2
    assert otherwise == 0


def test_memory_growth_is_in_the_storefront(ran):
    begins, ends = ran.fault("memory_growth")
    memory = ran.window.sql(
        "select max(int_value) filter (where time_unix_nano < $begins) as earlier, "
        "max(int_value) filter (where time_unix_nano between $begins and $ends) as during from metric_points "
        "where name = 'process.memory.usage' and service_name = 'storefront'",
        begins=begins,
        ends=ends,
    ).row(0, named=True)
    assert memory["during"] > memory["earlier"] + 3 * 2**20


def test_people_are_told_when_a_fault_begins(ran):
    told = [line for line in ran.said.splitlines() if line.startswith("shop: fault ")]
    assert [line.split()[2] for line in told] == [each["fault"] for each in ran.truth["faults"]]
