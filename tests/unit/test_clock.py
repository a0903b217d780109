import time

from hookwright.clock import SystemClock


def test_the_system_clock_tells_whole_unix_milliseconds() -> None:
    before, now, after = time.time_ns(), SystemClock().now(), time.time_ns()
    assert isinstance(now, int)
    assert before // 1_000_000 <= now <= after // 1_000_000
