"""What this process has seen of one endpoint lately: enough to say when it is sick. It begins with a failure."""

from hookwright.domain.health import IN_A_ROW, LEAST_SEEN, MANY_IN_A_ROW, SEEN_MS, SHARE, Sign

BUDGET, PER_SUCCESS, PER_SECOND = 20.0, 0.5, 0.2
"""Retries that may fail: so many at once, then as successes and time allow. A receiver that is half broken gets no second load."""
BUCKETS = 10
BUCKET_MS = SEEN_MS // BUCKETS


class Sightings:
    """Attempts of the last minutes in a few buckets; times are Unix ms."""

    __slots__ = ("_buckets", "_budget", "_budget_at", "_in_a_row", "seen_at")

    def __init__(self) -> None:
        self._buckets: list[list[int]] = []
        self._in_a_row = 0
        self._budget, self._budget_at = BUDGET, 0
        self.seen_at = 0
        """When it last failed."""

    def add(self, sign: Sign, now: int, *, retry: bool = False) -> None:
        number = now // BUCKET_MS
        if not self._buckets or self._buckets[-1][0] != number:
            self._buckets.append([number, 0, 0])
            del self._buckets[: -BUCKETS - 1]
        bucket = self._buckets[-1]
        bucket[1] += 1
        if sign is Sign.SICK:
            bucket[2] += 1
            self._in_a_row += 1
            self.seen_at = now
            self._earn(-1.0 if retry else 0.0, now)
        elif sign is Sign.WELL:
            self._in_a_row = 0
            self._earn(PER_SUCCESS, now)

    def sick(self, now: int) -> bool:
        """Too many failures in a row, or too large a share of the last minutes' attempts."""
        oldest = now // BUCKET_MS - BUCKETS
        seen = [bucket for bucket in self._buckets if bucket[0] > oldest]
        attempts = sum(bucket[1] for bucket in seen)
        if attempts < LEAST_SEEN:
            return self._in_a_row >= IN_A_ROW
        return self._in_a_row >= MANY_IN_A_ROW or sum(bucket[2] for bucket in seen) >= SHARE * attempts

    def may_retry(self, now: int) -> bool:
        self._earn(0.0, now)
        return self._budget >= 1

    def _earn(self, tokens: float, now: int) -> None:
        self._budget = min(BUDGET, max(0.0, self._budget + PER_SECOND * (now - self._budget_at) / 1000) + tokens)
        self._budget_at = now

    def clear(self) -> None:
        """It was judged by them."""
        self._buckets.clear()
        self._in_a_row = 0
