"""From when to when was a row of figures clearly different from the rest?

Circular binary segmentation: of all stretches of neighbouring buckets, the one whose mean differs most from the mean of
all other buckets, in units of the noise. A stretch may lie inside the window or reach its end ("since 12:06"), and may
be longer than half of it, which a comparison with the median would miss. Noise is what differs between neighbours, so
that the change itself does not count as noise.

Source: Olshen, Venkatraman, Lucito, Wigler (2004); ours weights buckets and looks for one stretch only.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FEWEST_BUCKETS = 6
SHORTEST = 2  # buckets: a single odd level is no change; a burst of failures in one is
LEAST_NOISE = 0.02  # of a log ratio, that is 2 %: no service is steadier
MOST_BUCKETS = 2000  # all pairs of ends are compared: 4 million


@dataclass(frozen=True)
class Stretch:
    """Buckets [first, after) have the mean `during`, the others `before`; `score` is the distance in units of noise."""

    first: int
    after: int
    before: float
    during: float
    score: float


def changed_level(values: Floats, weights: Floats) -> Stretch | None:
    """The stretch that differs most in its level (means of logarithms); None: too few buckets to tell.

    Args:
        values: one positive number per bucket, in order of time.
        weights: how much each says, the number of requests for example; above 0.
    """
    if not FEWEST_BUCKETS <= len(values) <= MOST_BUCKETS:
        return None
    logs = np.log(values)
    steps = np.abs(np.diff(logs)) / np.sqrt(1 / weights[1:] + 1 / weights[:-1])
    noise = max(1.4826 * float(np.median(steps)), LEAST_NOISE * float(np.sqrt(np.median(weights))))
    inside, total = _sums(weights), float(weights.sum())
    inside_logs, total_logs = _sums(weights * logs), float((weights * logs).sum())
    outside = total - inside
    with np.errstate(divide="ignore", invalid="ignore"):
        means, others = inside_logs / inside, (total_logs - inside_logs) / outside
        scores = (means - others) / (noise * np.sqrt(1 / inside + 1 / outside))
    found = _best(scores, len(values), SHORTEST)
    if found is None:
        return None
    first, after = found
    low, high = float(others[first, after]), float(means[first, after])
    # Both ends must have changed: one odd bucket with an ordinary neighbour is no stretch.
    if any(abs(logs[end] - low) < abs(logs[end] - high) for end in (first, after - 1)):
        return None
    score = abs(float(scores[first, after]))
    return _later(Stretch(first, after, float(np.exp(low)), float(np.exp(high)), score), len(values))


def changed_ratio(part: Floats, whole: Floats) -> Stretch | None:
    """The stretch in which part / whole differs most (two proportions); None: too few buckets to tell.

    Args:
        part: failed requests per bucket, for example.
        whole: all requests per bucket; above 0.
    """
    if not FEWEST_BUCKETS <= len(whole) <= MOST_BUCKETS or not part.any():
        return None
    inside, inside_part = _sums(whole), _sums(part)
    total, total_part = float(whole.sum()), float(part.sum())
    overall = total_part / total
    outside = total - inside
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios, others = inside_part / inside, (total_part - inside_part) / outside
        scores = (ratios - others) / np.sqrt(overall * (1 - overall) * (1 / inside + 1 / outside))
    found = _best(scores, len(whole), 1)
    if found is None:
        return None
    first, after = found
    score = abs(float(scores[first, after]))
    return _later(Stretch(first, after, float(others[first, after]), float(ratios[first, after]), score), len(whole))


def _later(stretch: Stretch, count: int) -> Stretch:
    """A change at the beginning, told from its end: "from 12:05 on" says more than "until 12:05"."""
    if stretch.first:
        return stretch
    return Stretch(stretch.after, count, stretch.during, stretch.before, stretch.score)


def _sums(values: Floats) -> Any:
    """Sum of values[first:after] at [first, after]."""
    running = np.concatenate([[0.0], np.cumsum(values)])
    return running[None, :] - running[:, None]


def _best(scores: Any, count: int, shortest: int) -> tuple[int, int] | None:
    """First and after of the stretch with the largest score; of equal ones the earliest, then the shortest."""
    first, after = np.indices(scores.shape)
    length = after - first
    allowed = (length >= shortest) & (length <= count - shortest) & np.isfinite(scores)
    if not allowed.any():
        return None
    place = int(np.argmax(np.where(allowed, np.abs(scores), -1.0)))
    return place // scores.shape[1], place % scores.shape[1]
