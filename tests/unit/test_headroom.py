"""How many attempts on late work may be under way, by how late the loop is."""

import asyncio

from hookwright.engine.headroom import SLOW_SECONDS, Headroom


def test_late_work_gives_way_while_the_loop_is_slow_and_keeps_a_quarter() -> None:
    headroom = Headroom(256, lambda: None)
    for _ in range(100):
        headroom.learn(0.0)
    assert headroom.slots == 256
    headroom.learn(2 * SLOW_SECONDS)
    assert headroom.slots == 192
    for _ in range(100):
        headroom.learn(2 * SLOW_SECONDS)
    assert headroom.slots == 64


def test_who_waits_hears_of_room_but_not_of_less() -> None:
    grown: list[int] = []
    headroom = Headroom(256, lambda: grown.append(headroom.slots))
    headroom.learn(0.0)
    headroom.learn(2 * SLOW_SECONDS)
    assert grown == [72]


def test_the_smallest_share_is_one() -> None:
    headroom = Headroom(0, lambda: None)
    headroom.learn(1.0)
    assert headroom.free


def test_it_looks_while_late_work_is_under_way_and_then_again() -> None:
    async def story() -> None:
        grown = asyncio.Event()
        headroom = Headroom(256, grown.set)
        for _ in range(2):
            headroom.take()
            grown.clear()
            await asyncio.wait_for(grown.wait(), 30)
            headroom.give()
            assert headroom.slots < 256

    asyncio.run(story())
