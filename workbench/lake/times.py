"""Durations and instants as people write them, in integer nanoseconds."""

import datetime
import decimal
import re

from workbench.lake.errors import BadParameter

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_UNITS |= {"d": 86_400 * 10**9, "w": 7 * 86_400 * 10**9}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|m|h|d|w)")
_FRACTION = re.compile(r"(?<=:\d\d:\d\d)[.,](\d+)")  # of a second; of a minute or a day it would mean another time
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def duration_ns(text: str | int | datetime.timedelta, where: str = "duration") -> int:
    """Nanoseconds of `1h`, `500ms`, `1h30m`, `2d`; integers are nanoseconds already.

    Raises:
        BadParameter: not a duration, or negative.
    """
    if isinstance(text, datetime.timedelta | int):
        length = text // _MICROSECOND * 1000 if isinstance(text, datetime.timedelta) else text
        if length < 0:
            raise BadParameter(
                f"{text} is too short: below zero", where, "give a length, and `until` or the window's end"
            )
        return length
    rest = _PART.sub("", text).strip()
    parts = _PART.findall(text)
    if rest or not parts:
        raise BadParameter(f"{text!r} is not a duration", where, "write 500ms, 30s, 5m, 1h30m, 2d or 1w")
    return sum(int(decimal.Decimal(number) * _UNITS[unit]) for number, unit in parts)


def instant_ns(value: str | int | datetime.date, where: str = "time") -> int:
    """Unix nanoseconds of an RFC 3339 text (a missing zone means UTC), a date, a datetime, or themselves.

    Digits after the microsecond are kept, which `datetime.fromisoformat` would cut.

    Raises:
        BadParameter: not a time.
    """
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        if re.fullmatch(r"\d{16,19}", value.strip()):
            return int(value)
        fraction = _FRACTION.search(value)
        below_second = int(fraction[1][:9].ljust(9, "0")) if fraction else 0
        try:
            moment = datetime.datetime.fromisoformat(_FRACTION.sub("", value.strip()))
        except ValueError:
            remedy = "write RFC 3339, for example 2026-11-24T12:00:00Z"
            raise BadParameter(f"{value!r} is not a time", where, remedy) from None
    elif isinstance(value, datetime.datetime):
        below_second = value.microsecond * 1000 + getattr(value, "nanosecond", 0)  # pandas knows nanoseconds
        moment = datetime.datetime.combine(value.date(), value.time().replace(microsecond=0), value.tzinfo)
    else:
        moment, below_second = datetime.datetime.combine(value, datetime.time(), datetime.UTC), 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // _MICROSECOND * 1000 + below_second


def instant_text(unix_nano: int) -> str:
    """RFC 3339 in UTC; fractions only when there are any, so that the text reads back to the same nanosecond."""
    seconds, nanos = divmod(int(unix_nano), 10**9)
    text = (_EPOCH + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{text}{fraction}Z"


def day_text(unix_nano: int) -> str:
    """The UTC day of an instant, as the partitions are named."""
    return str(datetime.date(1970, 1, 1) + datetime.timedelta(days=int(unix_nano) // 86_400_000_000_000))
