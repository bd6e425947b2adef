"""The demo shop for half a minute against a real receiver: what it says it did is what the lake shows."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

import workbench as wb
from tests.conftest import ROOT
from tests.receiver_process import receiver
from tests.shop_truth import FAULTS, SERVICES, edges_on_map, fault_shows, true_edges
from workbench.lake import Window

SHOP = ROOT / "datasets" / "shop" / "shop.py"
pytestmark = pytest.mark.slow


@dataclass
class Ran:
    window: Window
    truth: dict[str, Any]
    said: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    directory = tmp_path_factory.mktemp("shop")
    truth = directory / "truth.json"
    with receiver(directory / "lake") as running:
        command = [sys.executable, str(SHOP), "--endpoint", f"http://{running.http}", "--truth", str(truth)]
        command += ["--duration", "20s", "--rate", "20", "--metrics-every", "500ms"]
        elsewhere = {"HTTP_PROXY": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}
        environment = os.environ | elsewhere | {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=150, env=environment)
        assert ended.returncode == 0, ended.stderr
    return Ran(wb.open(directory / "lake").whole(), json.loads(truth.read_text()), ended.stderr)


def test_the_service_map_shows_every_true_edge_with_every_call_and_no_other(ran):
    true = true_edges(ran.truth)
    assert edges_on_map(ran.window) == true
    kinds = {target.split(":")[0] for _, target in true}
    assert kinds == {"inventory", "recommendations", "checkout", "payments", "mailer", "database", "queue"}
    assert len(true) == 11


def test_every_request_that_people_made_is_the_root_of_a_trace(ran):
    sent = sum(each["count"] for each in ran.truth["requests"])
    roots = ran.window.sql("select service_name, count(*) from spans where parent_span_id = '' group by 1").rows()
    assert roots == [("storefront", sent)]


def test_people_make_requests_of_every_kind_and_some_are_not_found(ran):
    answers = {(each["action"], each["answer"]) for each in ran.truth["requests"]}
    actions = {"login", "home", "product", "search", "recommendations", "cart", "checkout", "order", "account"}
    assert {(action, "200") for action in actions} | {("missing", "404")} <= answers


@pytest.mark.parametrize("table", ["spans", "logs", "metric_points"])
def test_every_service_sends_all_signals_and_names_process_and_host(ran, table):
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


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_shows_in_its_time(ran, fault):
    assert fault_shows(ran.window, ran.truth, fault)


def test_people_are_told_when_a_fault_begins(ran):
    told = [line for line in ran.said.splitlines() if line.startswith("shop: fault ")]
    assert [line.split()[2] for line in told] == [each["fault"] for each in ran.truth["faults"]]
    assert {each["fault"] for each in ran.truth["faults"]} == set(FAULTS)
