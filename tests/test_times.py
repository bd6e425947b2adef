"""Durations and instants as people write them, exact to the nanosecond."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.lake import BadParameter
from workbench.lake.times import day_text, duration_ns, instant_ns, instant_text

NOON = 1_795_521_600 * 10**9  # 2026-11-24T12:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 500_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1h 30m", 5_400_000_000_000),
        ("2d", 172_800_000_000_000),
        ("1w", 604_800_000_000_000),
        ("3us", 3000),
        ("3µs", 3000),
        ("7ns", 7),
        ("0.1s", 100_000_000),
        ("123456789.123456789s", 123_456_789_123_456_789),
        (42, 42),
        (datetime.timedelta(milliseconds=1), 1_000_000),
    ],
)
def test_durations(text, expected):
    assert duration_ns(text) == expected


@pytest.mark.parametrize("text", ["", "5", "h", "1 year", "-5m", "1h-30m", "5M", -1, datetime.timedelta(seconds=-1)])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(BadParameter) as refused:
        duration_ns(text, "--last")
    assert refused.value.where == "--last"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-24T12:00:00Z", NOON),
        ("2026-11-24T12:00:00", NOON),
        ("2026-11-24 12:00", NOON),
        ("2026-11-24T13:30:00+01:30", NOON),
        ("2026-11-24", NOON - 43_200 * 10**9),
        ("2026-11-24T12:00:00.123456789Z", NOON + 123_456_789),
        ("2026-11-24T12:00:00,5Z", NOON + 500_000_000),
        ("2026-11-24T12:00:00.0000000019Z", NOON + 1),
        (" 2026-11-24T12:00:00Z ", NOON),
        (str(NOON + 1), NOON + 1),
        (NOON, NOON),
        (datetime.datetime(2026, 11, 24, 12, 0, 0, 7, datetime.UTC), NOON + 7000),
        (datetime.datetime(2026, 11, 24, 12), NOON),  # noqa: DTZ001 - a missing zone means UTC
        (datetime.date(2026, 11, 24), NOON - 43_200 * 10**9),
        ("1969-12-31T23:59:59.9Z", -100_000_000),
        ("0001-01-01T00:00:00+05:00", -62_135_614_800 * 10**9),
    ],
)
def test_instants(value, expected):
    assert instant_ns(value) == expected


def test_the_nanoseconds_of_a_pandas_timestamp_are_kept():
    pandas = pytest.importorskip("pandas")
    assert instant_ns(pandas.Timestamp(NOON + 123_456_789, tz="UTC")) == NOON + 123_456_789


@pytest.mark.parametrize("text", ["", "yesterday", "24.11.2026", "2026-13-01", "2026-11-24T25:00:00Z", "12:00.5", "17"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(BadParameter, match="is not a time") as refused:
        instant_ns(text, "--from")
    assert (refused.value.where, "RFC 3339" in refused.value.remedy) == ("--from", True)


@given(st.integers(-(2**62), 2**63 - 1))
def test_an_instant_reads_back_from_its_text_to_the_same_nanosecond(unix_nano):
    assert instant_ns(instant_text(unix_nano)) == unix_nano


def test_fractions_are_written_only_where_there_are_any():
    assert instant_text(NOON) == "2026-11-24T12:00:00Z"
    assert instant_text(NOON + 120) == "2026-11-24T12:00:00.00000012Z"


def test_days_begin_at_midnight_in_utc():
    assert [day_text(each) for each in (0, NOON, -1)] == ["1970-01-01", "2026-11-24", "1969-12-31"]
