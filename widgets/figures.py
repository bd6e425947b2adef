"""How are counts, shares and durations written where there is little room? Three digits at most, the unit always."""

import math

ERROR_STEPS = (0.0, 0.01, 0.05, 0.2)  # upper ends of the classes "none", "< 1%", ...
ERROR_LABELS = ("none", "< 1%", "1-5%", "5-20%", "≥ 20%")
LATENCY_STEPS = (10.0, 50.0, 250.0, 1000.0)  # ms
LATENCY_LABELS = ("< 10 ms", "10-50", "50-250", "250 ms - 1 s", "≥ 1 s")
NOTHING = "\u2013"


def count(number: float | None) -> str:
    """`1234567` as `1.23M`."""
    if number is None:
        return NOTHING
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit * 0.9995:
            return _three(number / limit) + unit
    return _three(number)


def share(ratio: float | None) -> str:
    """A ratio from 0 to 1 as percent; what is not nothing never reads `0%`."""
    if ratio is None:
        return NOTHING
    percent = 100 * ratio
    if 0 < percent < 0.1:
        return "<0.1%"
    return f"{percent:.1f}".removesuffix(".0") + "%" if percent < 9.95 else f"{percent:.0f}%"


def duration(milliseconds: float | None) -> str:
    """A duration in the unit in which it has one to three digits before the point."""
    if milliseconds is None:
        return NOTHING
    for limit, unit in ((3_600_000, "h"), (60_000, "min"), (1000, "s")):
        if milliseconds >= limit * 0.9995:
            return f"{_three(milliseconds / limit)} {unit}"
    return (
        f"{_three(milliseconds)} ms" if milliseconds >= 0.0995 or not milliseconds else f"{1000 * milliseconds:.0f} µs"
    )


def error_class(ratio: float | None) -> int:
    """0 (no errors) to 4 (a fifth of the calls and more); without calls there are no errors."""
    if not ratio:
        return 0
    return 1 + sum(ratio >= step for step in ERROR_STEPS[1:])


def latency_class(milliseconds: float | None) -> int:
    """0 (under 10 ms) to 4 (a second and more); -1: not known."""
    return -1 if milliseconds is None else sum(milliseconds >= step for step in LATENCY_STEPS)


def _three(number: float) -> str:
    """Up to three digits; whole numbers stay whole."""
    if number >= 99.95 or float(number).is_integer():
        return f"{number:.0f}"
    digits = 1 if number >= 9.995 else 2
    return f"{math.floor(number * 10**digits + 0.5) / 10**digits:.{digits}f}".rstrip("0").rstrip(".")
