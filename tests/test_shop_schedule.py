"""The shop's schedule of faults and its plan of visits: pure functions of what they are given."""

import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _shop_modules(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "datasets" / "shop"))


def switches(text, duration=100.0):
    import schedule

    return [
        (each["fault"], each["service"], each["where"], each["from_seconds"], each["to_seconds"])
        for each in schedule.switches(text, duration)
    ]


def test_entries_are_read_in_seconds_minutes_and_percent_and_sorted_by_time():
    text = "errors:inventory:1m-1.5m, latency:payments:30s-60s,cpu_burn:recommendations:5%-10%"
    assert switches(text, 200) == [
        ("cpu_burn", "recommendations", "recommendations.rank", 10, 20),
        ("latency", "payments", "payments.card_network", 30, 60),
        ("errors", "inventory", "inventory.reserve", 60, 90),
    ]


def test_a_file_may_have_comments_and_one_entry_a_line(tmp_path):
    path = tmp_path / "faults.txt"
    path.write_text("# two at once\nlatency:payments:10-20\n\nslow_fsync:mailer:10-20  # the disk as well\n")
    assert [each[0] for each in switches(str(path))] == ["latency", "slow_fsync"]


def test_none_is_none_and_default_is_every_fault_once_and_never_two_at_a_time():
    import schedule

    assert switches("none") == []
    default = switches("default")
    assert {each[:2] for each in default} == set(schedule.PLACES)
    assert all(one[4] < other[3] for one, other in itertools.pairwise(default))
    assert default[-1][4] < 100


def test_every_place_is_a_function_of_its_service_that_asks_for_its_fault():
    import schedule

    for (fault, service), place in schedule.PLACES.items():
        module, function = place.split(".")
        code = (ROOT / "datasets" / "shop" / f"{module}.py").read_text()
        assert module == service
        body = code.partition(f"def {function}(")[2].partition("\ndef ")[0]
        assert f'faults.active("{fault}")' in body, place


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latency:payments", "write FAULT:SERVICE:FROM-TO"),
        ("latency:payment:1-2", "there is latency:payments"),
        ("latency:payments:1-2x", "is no duration"),
        ("latency:payments:5-5", "it must begin before it ends"),
        ("latency:payments:2m-3m", "the load is over before it begins"),
        ("no-such-file", "neither default, none, a schedule nor a file"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_hint(text, words):
    from processes import ShopError

    with pytest.raises(ShopError, match=words):
        switches(text)


def test_a_fault_is_active_in_its_service_and_its_time_only(monkeypatch, tmp_path):
    import faults

    now = time.time_ns()
    hour = 3600 * 10**9
    rows = [("payments", "latency", now - hour, now + hour), ("payments", "errors", now + hour, now + 2 * hour)]
    rows += [("mailer", "slow_fsync", now - hour, now + hour)]
    path = tmp_path / "faults.json"
    monkeypatch.setattr(faults, "FILE", path)
    monkeypatch.setattr(faults, "SERVICE", "payments")
    assert not faults.active("latency")  # no file: nothing is on
    names = ("service", "fault", "from_unix_nano", "to_unix_nano")
    path.write_text(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
    assert [faults.active(each) for each in ("latency", "errors", "slow_fsync")] == [True, False, False]


@given(seed=st.integers(0, 1000), rate=st.floats(0.5, 50))
def test_visits_depend_on_the_seed_alone_and_nobody_buys_an_empty_cart(seed, rate):
    import load

    users = ["ann", "bob", "cyd"]
    plan = list(load.visits(users, rate=rate, duration=20, seed=seed))
    assert plan == list(load.visits(users, rate=rate, duration=20, seed=seed))
    times = [visit.at for visit in plan]
    assert times == sorted(times)
    assert all(0 < at < 20 for at in times)
    carts = dict.fromkeys(users, 0)
    seen = set()
    for visit in plan:
        assert (visit.action == "login") == (visit.user not in seen)
        seen.add(visit.user)
        if visit.action == "cart":
            carts[visit.user] += 1
        if visit.action == "checkout":
            assert carts[visit.user] > 0
            carts[visit.user] = 0


def test_arrivals_come_at_the_rate_asked_for_and_in_the_mix_declared():
    import load

    plan = list(load.visits([f"user{n}" for n in range(20)], rate=50, duration=400, seed=3))
    assert len(plan) == pytest.approx(20_000, rel=0.05)
    product = sum(visit.action == "product" for visit in plan) / len(plan)
    assert product == pytest.approx(load.MIX["product"] / sum(load.MIX.values()), rel=0.1)
