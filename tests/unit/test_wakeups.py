"""Words of other processes, and the looking that follows them."""

import asyncio
from types import SimpleNamespace
from typing import Any

from hookwright.engine.wakeups import Listener
from hookwright.store.wakeups import Heard


class Looked:
    """Two pages of endpoints; the second is told as soon as it is let go on."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def look(self, after: str, late_ms: int) -> str | None:
        self.asked.append(after)
        if after == "":
            return "ep_1000"
        self.reached.set()
        await self.go_on.wait()
        return None


def test_a_word_that_comes_while_it_looks_starts_it_once_more_and_words_to_endpoints_do_not_wait() -> None:
    async def story() -> None:
        words: asyncio.Queue[Heard] = asyncio.Queue()
        woken: asyncio.Queue[str] = asyncio.Queue()
        looked = Looked()
        store: Any = SimpleNamespace(heard=words.get)
        listener = Listener(store, wake=lambda endpoint, due_at: woken.put_nowait(endpoint), look=looked.look, news=lambda: None)
        async with asyncio.TaskGroup() as both:
            loops = [both.create_task(loop) for loop in (listener.listen(), listener.look_anywhere())]
            words.put_nowait(Heard(anywhere=True))
            await looked.reached.wait()
            for _ in range(3):
                words.put_nowait(Heard(anywhere=True))
            words.put_nowait(Heard(frozenset({"ep_1"})))
            assert await woken.get() == "ep_1"
            assert looked.asked == ["", "ep_1000"]
            looked.reached.clear()
            looked.go_on.set()
            await looked.reached.wait()
            for _ in range(9):
                await asyncio.sleep(0)
            assert looked.asked == ["", "ep_1000"] * 2
            for loop in loops:
                loop.cancel()

    asyncio.run(asyncio.wait_for(story(), 60))
