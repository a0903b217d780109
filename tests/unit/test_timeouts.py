"""One timer for many: who is told that it is over, and when. The loop's time is the test's."""

import asyncio

from hookwright.senders.timeouts import Timeouts


class Clock(asyncio.SelectorEventLoop):
    now = 100.0

    def time(self) -> float:
        return self.now

    def turn(self, now: float) -> None:
        """Let everything happen that is due by then."""
        self.now = now
        for _ in range(3):
            self.call_soon(self.stop)
            self.run_forever()


def timeouts(seconds: float = 10.0) -> tuple[Clock, Timeouts[str], list[str]]:
    loop, rung = Clock(), list[str]()
    return loop, Timeouts(loop, seconds, rung.append), rung


def test_each_is_told_once_when_it_is_due_and_not_before() -> None:
    loop, waiting, rung = timeouts()
    waiting.add("a")
    loop.turn(105.0)
    waiting.add("b")
    loop.turn(109.9)
    assert (rung, len(waiting)) == ([], 2)
    loop.turn(110.0)
    assert rung == ["a"]
    loop.turn(114.9)
    assert rung == ["a"]
    loop.turn(200.0)
    assert (rung, len(waiting)) == (["a", "b"], 0)
    loop.close()


def test_what_was_removed_is_not_told() -> None:
    loop, waiting, rung = timeouts()
    waiting.add("a")
    waiting.add("b")
    assert waiting.remove("a") == 110.0
    assert waiting.remove("a") is None
    loop.turn(300.0)
    assert rung == ["b"]
    loop.close()


def test_it_waits_again_after_it_was_empty() -> None:
    loop, waiting, rung = timeouts()
    waiting.add("a")
    waiting.remove("a")
    loop.turn(105.0)
    waiting.add("b")
    loop.turn(112.0)
    assert rung == []
    loop.turn(115.0)
    assert rung == ["b"]
    loop.turn(200.0)
    waiting.add("c")
    loop.turn(210.0)
    assert rung == ["b", "c"]
    loop.close()


def test_it_may_be_added_to_and_taken_from_while_it_tells() -> None:
    loop = Clock()
    rung: list[str] = []

    def ring(item: str) -> None:
        rung.append(item)
        waiting.remove("b")
        if item == "a":
            waiting.add("c")

    waiting = Timeouts[str](loop, 10.0, ring)
    waiting.add("a")
    waiting.add("b")
    loop.turn(110.0)
    assert rung == ["a"]
    loop.turn(120.0)
    assert rung == ["a", "c"]
    loop.close()


def test_one_that_fails_does_not_keep_the_others_from_being_told() -> None:
    loop = Clock()
    loop.set_exception_handler(lambda *_: None)
    rung: list[str] = []

    def ring(item: str) -> None:
        rung.append(item)
        if item == "a":
            raise RuntimeError(item)

    waiting = Timeouts[str](loop, 10.0, ring)
    waiting.add("a")
    waiting.add("b")
    loop.turn(110.0)
    assert rung == ["a", "b"]
    loop.close()


def test_one_that_is_added_while_it_tells_does_not_delay_those_before_it() -> None:
    loop, rung = Clock(), list[str]()

    def ring(item: str) -> None:
        rung.append(item)
        if item == "a":
            waiting.add("c")

    waiting = Timeouts[str](loop, 10.0, ring)
    waiting.add("a")
    loop.turn(105.0)
    waiting.add("b")
    loop.turn(110.0)
    loop.turn(115.0)
    assert rung == ["a", "b"]
    loop.turn(120.0)
    assert rung == ["a", "b", "c"]
    loop.close()


def test_nothing_is_told_after_it_was_closed() -> None:
    loop, waiting, rung = timeouts()
    waiting.add("a")
    waiting.close()
    loop.turn(500.0)
    assert (rung, len(waiting)) == ([], 0)
    loop.close()
