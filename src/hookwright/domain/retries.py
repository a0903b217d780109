"""When a failed delivery is tried again."""

import msgspec

DEFAULT_SCHEDULE = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds between attempts: ten attempts over 75 h 35 m 5 s, the example of the Standard Webhooks specification."""

DAY = 86_400.0
MOST_RETRIES = 100
LONGEST_RETRY = 30 * DAY


class RetryPolicy(msgspec.Struct, frozen=True):
    """`schedule` in seconds; `jitter` as a share of each step (0.2 is +-20 %); `longest_retry_after` in seconds."""

    schedule: tuple[float, ...] = DEFAULT_SCHEDULE
    jitter: float = 0.2
    longest_retry_after: float = DAY

    def over(self, failures: int) -> bool:
        """Whether there is no attempt after so many failed ones."""
        return failures > len(self.schedule)

    def delay(self, failures: int, rand: float, retry_after: float | None = None) -> float | None:
        """Seconds until the next attempt after `failures` failed ones (1 for the first), or None when it is over.

        `rand` is uniform in [0, 1). A receiver's Retry-After can only lengthen the wait: earlier than the schedule
        is never, later than `longest_retry_after` is cut.
        """
        if self.over(failures):
            return None
        step = self.schedule[failures - 1]
        wait = step * (1 + self.jitter * (2 * rand - 1))
        if retry_after is not None:
            wait = max(wait, min(retry_after, self.longest_retry_after))
        return wait


def schedule_problem(schedule: tuple[float, ...]) -> str | None:
    """What is wrong with a schedule (seconds), or None. An empty one is a single attempt."""
    if len(schedule) > MOST_RETRIES:
        return f"at most {MOST_RETRIES} retries"
    if not all(0 < delay <= LONGEST_RETRY for delay in schedule):
        return f"every delay is in seconds, more than 0 and at most {LONGEST_RETRY:.0f} (30 days), like 5,300,1800"
    return None
