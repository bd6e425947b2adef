"""The receiver's own health: on /healthz and as metrics in the lake; and several receivers on one lake."""

import socket
from pathlib import Path

import pytest

import workbench as wb
from collectors.otlp.health import METRICS
from tests.otlp_clients import export, payload, post, request
from tests.receiver_process import receiver, services_in, wait_until


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A receiver that got three spans (one repaired), one log record and one request that does not parse."""
    lake = tmp_path_factory.mktemp("health") / "lake"
    with receiver(lake, "--metrics-every", "500ms", "--maintain-every", "1s") as running:
        repeated = request("traces", "a")
        for _ in range(2):
            repeated.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="k").value.int_value = 1
        for body in (payload("traces", "a"), payload("traces", "a"), repeated.SerializeToString(), b"\xff"):
            post(running.http, "traces", body)
        export(running.grpc, "logs", payload("logs", "a"))
        wait_until(lambda: running.healthz()[1]["rows"].get("logs") == 1)
        facts = running.healthz()[1]
        running.stop()
    return running, facts, wb.open(lake).whole()


def test_healthz_has_the_counts(healthy):
    _, facts, _ = healthy
    assert (facts["status"], facts["trouble"]) == ("ok", [])
    assert facts["received"] == [
        {"signal": "logs", "transport": "grpc", "items": 1},
        {"signal": "traces", "transport": "http", "items": 3},
    ]
    assert facts["refused"] == [{"signal": "traces", "transport": "http", "reason": "malformed", "requests": 1}]
    assert (facts["rows"]["spans"], facts["rows"]["logs"], facts["repaired"]) == (3, 1, {"repeated_keys": 1})
    assert (facts["quarantined"], facts["log_deletions"]) == (0, 0)
    assert 0 < facts["lag_seconds"] < 60
    assert 0 < facts["fsync_seconds"] < 60


LAST = """
select name, attributes, max_by(coalesce(value, int_value), time_unix_nano) as last
from metric_points where service_name = 'workbench-collector-otlp' group by name, attributes
"""


def test_the_same_figures_are_metrics_in_the_lake_and_zeros_are_there_as_well(healthy):
    running, _, window = healthy
    last = {
        (name.removeprefix("workbench.collector."), *sorted(dict(attributes).values())): value
        for name, attributes, value in window.sql(LAST).rows()
    }
    assert {name for name, *_ in last} == set(METRICS)
    assert last["received", "http", "traces"] == 3
    assert last["received", "grpc", "logs"] == 1
    assert last["received", "grpc", "profiles"] == 0
    assert last["refused", "http", "malformed", "traces"] == 1
    assert last["refused", "busy", "grpc", "metrics"] == 0
    assert last["rows", "spans"] == 3
    assert last["repaired", "repeated_keys"] == 1
    assert last["repaired", "time_overflow"] == 0
    assert last["quarantined",] == 0
    assert last["lag",] > 0
    assert last["fsync.duration",] > 0
    resource = window.sql("select distinct host_name, process_pid from metric_points").rows()
    assert resource == [(socket.gethostname(), running.process.pid)]


def test_each_metric_says_what_it_is(healthy):
    _, _, window = healthy
    found = window.sql("select distinct name, unit, description from metric_points").rows()
    assert sorted(found) == sorted((f"workbench.collector.{name}", *texts) for name, texts in METRICS.items())


def test_maintenance_ran_beside_it_and_harmed_nothing(healthy):
    running, _, window = healthy
    assert "maintenance" not in running.log.read_text()  # it says something only when it fails
    assert window.sql("select count(*) from spans").rows() == [(3,)]


def test_two_receivers_on_one_lake_do_not_take_each_others_rows_for_a_replay(tmp_path):
    lake = tmp_path / "lake"
    with receiver(lake, "--metrics-every", "never") as one, receiver(lake, "--metrics-every", "never") as two:
        for number in range(5):
            for running in (one, two):
                service = f"{running.http} {number}"
                assert post(running.http, "traces", payload("traces", service)).status == 200
        assert sorted(path.name for path in (lake / "_wal").iterdir()) == ["0", "1"]
        one.stop()
        two.stop()
    assert services_in(lake) == {f"{running.http} {number}": 1 for running in (one, two) for number in range(5)}


def test_what_killed_receivers_left_is_brought_in_by_the_next_one(tmp_path):
    lake = tmp_path / "lake"
    with receiver(lake, "--metrics-every", "never") as one, receiver(lake, "--metrics-every", "never") as two:
        for running in (one, two):
            assert post(running.http, "traces", payload("traces", running.http)).status == 200
            running.kill()
    with receiver(lake, "--metrics-every", "never"):
        wait_until(lambda: len(services_in(lake)) == 2)
    assert services_in(lake) == {one.http: 1, two.http: 1}


def test_each_metric_is_documented_with_its_unit():
    text = (Path(__file__).parent.parent / "docs" / "receiver.md").read_text()
    for name, (unit, _) in METRICS.items():
        assert f"| `workbench.collector.{name}` | `{unit}` |" in text
