"""Which fault is on when: `FAULT:SERVICE:FROM-TO`, separated by commas or new lines.

FROM and TO count from the begin of the load: `30s`, `1.5m`, `30` (seconds) or `25%` of the duration. `default` turns
every fault on once, `none` turns none on; the name of a file stands for what is written in it (`#` begins a comment).
"""

import difflib
from pathlib import Path

from processes import ShopError

# Where each fault lies: module and function.
PLACES = {
    ("latency", "payments"): "payments.card_network",
    ("errors", "inventory"): "inventory.reserve",
    ("cpu_burn", "recommendations"): "recommendations.rank",
    ("lock_contention", "inventory"): "inventory.stocktake",
    ("slow_fsync", "mailer"): "mailer.spool",
    ("n_plus_one", "payments"): "payments.history",
    ("timeouts", "recommendations"): "recommendations.similar",
    ("memory_growth", "storefront"): "storefront.remember",
}
DEFAULT = """
latency:payments:8%-17%
errors:inventory:19%-28%
cpu_burn:recommendations:30%-39%
lock_contention:inventory:41%-50%
slow_fsync:mailer:52%-61%
n_plus_one:payments:63%-72%
timeouts:recommendations:74%-83%
memory_growth:storefront:85%-95%
"""
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def seconds(text: str, *, whole: float | None = None) -> float:
    """A duration in seconds; with `whole` given, `25%` is a part of it.

    Raises:
        ShopError: it is none.
    """
    number, unit = text.strip().rstrip("%hms"), text.strip()
    unit = unit[len(number) :] or "s"
    try:
        if unit == "%" and whole is not None:
            return float(number) / 100 * whole
        return float(number) * UNITS[unit]
    except (ValueError, KeyError):
        raise ShopError(f"{text!r} is no duration: write for example 90s or 2m") from None


def switches(text: str, duration: float) -> list[dict]:
    """The faults of a schedule in order of time: fault, service, where, and from_seconds, to_seconds of the load.

    Raises:
        ShopError: says which entry cannot be read, and what could be meant.
    """
    if text == "none":
        return []
    if text == "default":
        text = DEFAULT
    elif ":" not in text:
        try:
            text = Path(text).read_text()
        except OSError as error:
            raise ShopError(f"--faults {text}: neither default, none, a schedule nor a file ({error})") from None
    lines = (line.partition("#")[0] for line in text.splitlines())
    entries = [entry.strip() for line in lines for entry in line.split(",") if entry.strip()]
    return sorted((_switch(entry, duration) for entry in entries), key=lambda switch: switch["from_seconds"])


def _switch(entry: str, duration: float) -> dict:
    parts = entry.split(":")
    if len(parts) != 3 or "-" not in parts[2]:
        raise ShopError(f"fault {entry!r}: write FAULT:SERVICE:FROM-TO, for example latency:payments:30s-60s")
    fault, service, window = parts
    if (fault, service) not in PLACES:
        known = [":".join(each) for each in PLACES]
        near = difflib.get_close_matches(f"{fault}:{service}", known, n=2) or known
        raise ShopError(f"there is no fault {fault}:{service}; there is {', '.join(near)}")
    begins, ends = (seconds(each, whole=duration) for each in window.split("-", 1))
    if not 0 <= begins < ends:
        raise ShopError(f"fault {entry!r}: it must begin before it ends")
    if begins >= duration:
        raise ShopError(f"fault {entry!r}: the load is over before it begins, after {duration:g} s")
    where = PLACES[fault, service]
    return {"fault": fault, "service": service, "where": where, "from_seconds": begins, "to_seconds": ends}
