"""From paired measurements to a verdict. Pure: nothing here measures.

Each round measures both sides close together and gives one ratio, so what the machine did at that time falls out of it.
The median of the ratios is stated with an interval of order statistics (the sign test, turned around): it covers the true
median with the stated confidence whatever the noise is distributed like, which on a shared machine nobody knows.
"""

import math
import statistics
from collections.abc import Sequence

import msgspec

CONFIDENCE = 0.99
"""More than the usual 95 %: a table shows seven figures, and one in three tables would show a difference that is none."""

FEWEST = 8
"""Rounds below which no interval can be that sure; then nothing is claimed."""


class Ratio(msgspec.Struct, frozen=True):
    """B divided by A: the median, and the interval that covers it with `confidence` (0 to 1)."""

    median: float
    low: float
    high: float
    confidence: float
    rounds: int

    @property
    def direction(self) -> int:
        """1: B is higher; -1: B is lower; 0: not shown, because the interval holds 1 or is not sure enough."""
        if self.confidence < CONFIDENCE:
            return 0
        return (self.low > 1) - (self.high < 1)


def ratio(pairs: Sequence[tuple[float, float]]) -> Ratio:
    """Of pairs (A, B), one a round, all above 0. Raises ValueError if there are none."""
    if not pairs:
        raise ValueError("no rounds")
    found = sorted(b / a for a, b in pairs)
    left_out = outside(len(found))
    return Ratio(statistics.median(found), found[left_out], found[-1 - left_out], coverage(len(found), left_out), len(found))


def outside(rounds: int) -> int:
    """How many of the lowest, and of the highest, ratios may be left out of the interval."""
    left_out = 0
    while coverage(rounds, left_out + 1) >= CONFIDENCE:
        left_out += 1
    return left_out


def coverage(rounds: int, left_out: int) -> float:
    """How surely the median lies between the ratios that remain: each is on either side of it like a coin."""
    beyond = sum(math.comb(rounds, tails) for tails in range(left_out + 1))
    return max(0.0, 1 - 2 * beyond / float(2**rounds))
