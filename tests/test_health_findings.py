"""Which services got worse, when and by how much: series written down by hand, and the sentences they must give."""

import datetime
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.metrics.changes import changed_ratio
from workbench.metrics.health_findings import health_changes

NOON = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)


def red(
    service: str = "pay",
    *,
    p95: list[float] | None = None,
    calls: list[int] | None = None,
    errors: list[int] | None = None,
):
    """One bucket a minute; what is not given is steady: 100 calls, no errors, p95 50 ms with a little noise."""
    count = len(p95 or calls or errors or [0] * 20)
    noise = random.Random(5)
    p95 = p95 or [50.0] * count
    p95 = [value * noise.uniform(0.96, 1.04) for value in p95]
    calls, errors = calls or [100] * count, errors or [0] * count
    return pl.DataFrame(
        {
            "bucket_start": [NOON + datetime.timedelta(minutes=at) for at in range(count)],
            "service_name": [service] * count,
            "seconds": [60.0] * count,
            "calls": calls,
            "rate_per_second": [each / 60 for each in calls],
            "errors": errors,
            "error_ratio": [e / c if c else None for e, c in zip(errors, calls, strict=True)],
            "p50_ms": [value / 2 if c else None for value, c in zip(p95, calls, strict=True)],
            "p95_ms": [value if c else None for value, c in zip(p95, calls, strict=True)],
            "p99_ms": [value * 2 if c else None for value, c in zip(p95, calls, strict=True)],
        },
        schema_overrides={"bucket_start": pl.Datetime("us", "UTC")},
    )


SLOW = [50.0] * 6 + [150.0] * 4 + [50.0] * 10


def test_a_slow_stretch_is_found_with_its_times_and_factor():
    changes = health_changes(red(p95=SLOW))
    assert set(changes["measure"]) == {"p50_ms", "p95_ms"}
    for row in changes.iter_rows(named=True):
        assert (row["from_time"], row["to_time"]) == (NOON.replace(minute=6), NOON.replace(minute=10))
        assert row["factor"] == pytest.approx(3, rel=0.05)
    (sentence,) = wb.health_findings(red(p95=SLOW)).sentences
    assert sentence.startswith("**pay** was slower from 12:06 to 12:10 UTC")
    assert "(3.0 times as long)" in sentence


def test_a_change_that_lasts_is_told_as_lasting_even_when_it_is_most_of_the_window():
    (sentence,) = wb.health_findings(red(p95=[50.0] * 5 + [150.0] * 15)).sentences
    assert "was slower from 12:05 UTC to the end" in sentence


def test_failures_are_told_with_both_shares():
    found = wb.health_findings(red(errors=[0] * 6 + [30, 40, 35] + [1] * 11))
    assert str(found) == ("pay failed more from 12:06 to 12:09 UTC: 35 % of its requests, otherwise 0.6 %.")


def test_failures_in_a_single_bucket_are_told():
    found = wb.health_findings(red(errors=[0] * 6 + [30] + [0] * 13))
    assert str(found) == "pay failed more from 12:06 to 12:07 UTC: 30 % of its requests, otherwise 0 %."


def test_load_that_stops_is_told():
    (sentence,) = wb.health_findings(red(calls=[100, 103, 98, 99, 101, 97] * 2 + [0] * 6)).sentences
    assert sentence == "**pay** was asked less from 12:12 UTC to the end: 0 requests a second, otherwise 1.66."


def test_how_load_begins_is_no_change():
    assert health_changes(red(calls=[20, 30, 60] + [100, 103, 98, 99, 101, 97] * 3)).is_empty()


def test_nothing_unusual_is_said_when_all_is_steady():
    text = "Nothing unusual: the one service kept speed, errors and load through this window."
    assert wb.health_findings(red()).sentences == [text]


def test_a_single_odd_bucket_is_no_change():
    assert health_changes(red(p95=[50.0] * 9 + [500.0] + [50.0] * 10)).is_empty()


def test_an_empty_window_names_the_remedy_and_keeps_the_columns():
    found = wb.health_findings(red().clear())
    assert "no requests" in str(found)
    assert "`last`" in str(found)
    assert found.table.schema == health_changes(red(p95=SLOW)).schema


def test_two_stretches_of_one_service_are_both_found():
    twice = [50.0] * 6 + [400.0] * 4 + [50.0] * 8 + [120.0] * 4 + [50.0] * 6
    found = str(wb.health_findings(red(p95=twice))).splitlines()
    assert [each.partition(" UTC")[0] for each in found] == [
        "pay was slower from 12:06 to 12:10",
        "pay was slower from 12:18 to 12:22",
    ]


def test_sentences_follow_time_and_at_one_time_errors_come_first():
    late = red("late", p95=[50.0] * 12 + [200.0] * 4 + [50.0] * 4)
    both = pl.concat([late, red("slow", p95=SLOW), red("bad", errors=[0] * 6 + [30] * 4 + [0] * 10)])
    assert [each.split("**")[1] for each in wb.health_findings(both).sentences] == ["bad", "slow", "late"]


def test_operations_are_named_with_their_service():
    table = red(p95=SLOW).with_columns(operation=pl.lit("POST /charge"), kind=pl.lit("server"))
    assert str(wb.health_findings(table)).startswith("POST /charge of pay was slower")


def test_a_service_with_many_changes_does_not_hide_the_only_one_of_another():
    loud = [
        red(f"loud{number}", p95=[50.0] * 6 + [4000.0] * 4 + [50.0] * 8 + [900.0] * 4 + [50.0] * 6)
        for number in range(6)
    ]
    quiet = red("quiet", p95=[50.0] * 10 + [80.0] * 6 + [50.0] * 12)
    assert "quiet was slower from 12:10 to 12:16" in str(wb.health_findings(pl.concat([*loud, quiet])))


def test_the_shoulder_of_a_change_is_no_second_one():
    (sentence,) = wb.health_findings(red(p95=[50.0] * 8 + [150.0] * 3 + [900.0] * 4 + [50.0] * 9)).sentences
    assert "12:11 to 12:15" in sentence or "12:08 to 12:15" in sentence


def test_many_changes_are_cut_and_counted():
    many = pl.concat([red(f"s{number:02}", p95=SLOW) for number in range(12)])
    sentences = wb.health_findings(many).sentences
    assert len(sentences) == 11
    assert sentences[-1] == "And 2 smaller changes."


@given(seed=st.integers(0, 2**32), count=st.integers(6, 80))
@settings(max_examples=60, deadline=None)
def test_pure_noise_seldom_looks_like_a_change(seed, count):
    noise = random.Random(seed)
    values = [50 * noise.lognormvariate(0, 0.2) for _ in range(count)]
    found = health_changes(red(p95=values))
    assert found.is_empty() or found["score"].max() < 12, "a strong change out of noise"


@given(part=st.lists(st.integers(0, 100), min_size=6, max_size=40))
def test_a_ratio_lies_between_nothing_and_all_on_both_sides(part):
    import numpy as np

    found = changed_ratio(np.array(part, float), np.full(len(part), 100.0))
    if found:
        assert 0 <= found.before <= 1
        assert 0 <= found.during <= 1
        assert 1 <= found.after - found.first <= len(part) - 1
