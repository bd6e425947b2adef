"""Which services got slower, failed more, or were asked more or less than before: when, and by how much?"""

import datetime
import itertools
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.metrics.changes import Floats, Stretch, changed_level, changed_ratio
from workbench.metrics.findings import FIXED_SPACE, Findings, marked, milliseconds, share, times

if TYPE_CHECKING:
    import polars as pl

_Search = Callable[[npt.NDArray[np.intp]], Stretch | None]  # in the buckets that are left

MOST_SENTENCES = 10
MOST_STRETCHES = 3  # of one measure of one line
FEWEST_OUTSIDE = 4  # buckets that say how it is otherwise
LEAST_CALLS = 5  # a bucket, on average: with fewer, load is chance
# A change is told when it is sure (score) and matters (factor; for errors also the difference in percentage points).
LEAST_SCORE = 5.0
LEAST_FACTOR = {"p50_ms": 1.3, "p95_ms": 1.4, "rate_per_second": 2.0, "error_ratio": 2.0}
LEAST_ERRORS = 0.01
MEASURES = ("error_ratio", "p95_ms", "p50_ms", "rate_per_second")


def health_changes(red: "pl.DataFrame") -> "pl.DataFrame":
    """For every line of `red`, up to three stretches of each measure that were clearly unlike the rest; worst first.

    Args:
        red: the answer of `wb.red`, by service or by operation.

    Returns:
        One row per (service_name[, operation, kind], measure, stretch): measure (error_ratio, p95_ms, p50_ms,
        rate_per_second), from_time and to_time (UTC; limits of the buckets of the stretch), until_end (it reaches the
        last bucket with requests), before (mean outside of the stretch), during (mean inside), factor (during /
        before; null where before is 0), score (distance in units of noise, 5 or more; higher is surer). A mean of
        percentiles is a mean over buckets, weighted by calls. Errors first, then slower, then load; by score.
    """
    import polars as pl

    line: list[str] = [name for name in ("service_name", "operation", "kind") if name in red.columns]
    schema: dict[str, Any] = dict.fromkeys(line, pl.String)
    schema |= {
        "measure": pl.String,
        "from_time": pl.Datetime("us", "UTC"),
        "to_time": pl.Datetime("us", "UTC"),
        "until_end": pl.Boolean,
        "before": pl.Float64,
        "during": pl.Float64,
        "factor": pl.Float64,
        "score": pl.Float64,
    }
    rows: list[dict[str, Any]] = []
    for key, part in red.group_by(line, maintain_order=True):
        names = dict(zip(line, key, strict=True))
        rows += [names | change for change in _changes(part.sort("bucket_start"))]
    found = pl.DataFrame(rows, schema=schema)
    rank = pl.col("measure").replace_strict({name: at for at, name in enumerate(MEASURES)}, return_dtype=pl.Int32)
    worse = pl.col("during") > pl.col("before")
    group = pl.when(pl.col("measure") == "rate_per_second").then(2).when(worse).then(0).otherwise(1)
    return found.sort([group, rank, pl.col("score"), *line], descending=[False, False, True, *[False] * len(line)])


def health_findings(red: "pl.DataFrame") -> Findings:
    """What changed, as sentences: at most ten, the worst of each service (or operation) first, in order of time."""
    changes = health_changes(red)
    if not red["calls"].sum():
        remedy = "Give a longer window: an empty `last` means the whole lake."
        return Findings([f"Nothing to judge: no requests were recorded in this window. {remedy}"], changes)
    line: list[str] = [name for name in ("service_name", "operation") if name in red.columns]
    told = _stories(changes, line)
    if not told:
        lines = red.select(line).n_unique()
        what = "operation" if "operation" in line else "service"
        every = f"the one {what}" if lines == 1 else f"all {lines} {what}s"
        return Findings([f"Nothing unusual: {every} kept speed, errors and load through this window."], changes)
    chosen = sorted(
        _from_each(told, line)[:MOST_SENTENCES], key=lambda row: row["from_time"]
    )  # stable: errors stay first
    sentences = [_sentence(row, line) for row in chosen]
    if len(told) > MOST_SENTENCES:
        sentences.append(f"And {len(told) - MOST_SENTENCES} smaller changes.")
    return Findings(sentences, changes)


def _stories(changes: "pl.DataFrame", line: list[str]) -> list[dict[str, Any]]:
    """The rows worth a sentence: p50 and p95 of one line at one time tell one story, of which the first stays."""
    stories: list[dict[str, Any]] = []
    for row in changes.iter_rows(named=True):
        alike = (
            other
            for other in stories
            if all(other[name] == row[name] for name in line)
            and {other["measure"], row["measure"]} == {"p50_ms", "p95_ms"}
            and other["from_time"] < row["to_time"]
            and row["from_time"] < other["to_time"]
        )
        if next(alike, None) is None:
            stories.append(row)
    return stories


def _from_each(stories: list[dict[str, Any]], line: list[str]) -> list[dict[str, Any]]:
    """The worst of each service (or operation), then the second worst of each, ...: no faulty one hides another."""
    seen: Counter[tuple[str, ...]] = Counter()
    turns = []
    for story in stories:
        name = tuple(story[each] for each in line)
        turns.append(seen[name])
        seen[name] += 1
    return [story for _, story in sorted(zip(turns, stories, strict=True), key=lambda pair: pair[0])]


def _changes(part: "pl.DataFrame") -> list[dict[str, Any]]:
    """The changes of one line, whose buckets are in order."""
    import polars as pl

    busy = part.filter((pl.col("calls") > 0) & (pl.col("seconds") > 0))
    calls = busy["calls"].to_numpy().astype(np.float64)
    errors = busy["errors"].to_numpy().astype(np.float64)
    found = _stretches("error_ratio", busy, lambda left: changed_ratio(errors[left], calls[left]))
    for name in ("p50_ms", "p95_ms"):
        found += _stretches(name, busy, _level(np.maximum(busy[name].to_numpy(), 1e-6), calls))
    steady = part.filter(pl.col("seconds") >= pl.col("seconds").max() / 2)  # cut buckets at the edges say little
    rates = steady["calls"].to_numpy().astype(np.float64) + 0.5  # none at all has a logarithm too
    if rates.size and rates.mean() >= LEAST_CALLS:
        found += _stretches("rate_per_second", steady, _level(rates, np.ones(len(rates))))
    return found


def _level(values: Floats, weights: Floats) -> _Search:
    return lambda left: changed_level(values[left], weights[left])


def _stretches(measure: str, rows: "pl.DataFrame", find: _Search) -> list[dict[str, Any]]:
    """The strongest stretch; then it is taken out and the rest is searched again, for what was smaller or shorter."""
    left = np.arange(rows.height)
    found: list[dict[str, Any]] = []
    borders: dict[bool, set[int]] = {True: set(), False: set()}  # of stretches found, by worse or better
    while len(found) < MOST_STRETCHES:
        stretch = find(left)
        if stretch is None or not _matters(measure, stretch):
            break
        places = left[stretch.first : stretch.after]
        if places[-1] - places[0] >= len(places):
            break  # what lies around a stretch that was taken out is none
        if len(left) - len(places) < FEWEST_OUTSIDE:
            break  # how load begins and ends is no change
        shoulder = {places[0], places[-1] + 1} & borders[stretch.during > stretch.before]
        if not shoulder:  # of a stretch that was found before: the same story
            found.append(_row(measure, rows, stretch, places))
        borders[stretch.during > stretch.before] |= {places[0], places[-1] + 1}
        left = np.delete(left, slice(stretch.first, stretch.after))
    return found


def _matters(measure: str, stretch: Stretch) -> bool:
    low, high = sorted((stretch.before, stretch.during))
    if measure == "error_ratio" and high - low < LEAST_ERRORS:
        return False
    return stretch.score >= LEAST_SCORE and high >= low * LEAST_FACTOR[measure]


def _row(measure: str, rows: "pl.DataFrame", stretch: Stretch, places: npt.NDArray[np.intp]) -> dict[str, Any]:
    starts, seconds = rows["bucket_start"].to_list(), rows["seconds"].to_list()
    before, during = stretch.before, stretch.during
    if measure == "rate_per_second":  # counts per bucket until here
        before, during = (max(0.0, each - 0.5) / max(seconds) for each in (before, during))
    step = min((b - a for a, b in itertools.pairwise(starts)), default=datetime.timedelta(0))
    return {
        "measure": measure,
        "from_time": starts[places[0]],
        "to_time": starts[places[-1]] + step,
        "until_end": bool(places[-1] == len(starts) - 1),
        "before": before,
        "during": during,
        "factor": during / before if before > 0 else None,
        "score": stretch.score,
    }


def _sentence(row: dict[str, Any], line: list[str]) -> str:
    subject = marked(row[line[-1]])
    if "operation" in line:
        subject += f" of {marked(row['service_name'])}"
    before, during, when = row["before"], row["during"], _when(row)
    worse = during > before
    if row["measure"] == "error_ratio":
        says = (
            f"failed {'more' if worse else 'less'} {when}: {share(during)} of its requests, otherwise {share(before)}"
        )
    elif row["measure"] == "rate_per_second":
        level = f"{during:.3g} requests a second, otherwise {before:.3g}"
        says = f"was asked {'more' if worse else 'less'} {when}: {level}"
    else:
        which = "half" if row["measure"] == "p50_ms" else f"the slowest 5{FIXED_SPACE}%"
        level = f"{which} of its requests took {milliseconds(during)} or more, otherwise {milliseconds(before)}"
        factor = f"{times(during / before)} as long" if worse else f"{times(before / during)} as fast"
        says = f"was {'slower' if worse else 'faster'} {when}: {level} ({factor})"
    return f"{subject} {says}."


def _when(row: dict[str, Any]) -> str:
    start, end = row["from_time"], row["to_time"]
    clock = "%H:%M:%S" if start.second or end.second else "%H:%M"
    first = f"{start:%Y-%m-%d} {start:{clock}}" if start.date() != end.date() else f"{start:{clock}}"
    if row["until_end"]:
        return f"from {first} UTC to the end"
    last = f"{end:%Y-%m-%d} {end:{clock}}" if start.date() != end.date() else f"{end:{clock}}"
    return f"from {first} to {last} UTC"
