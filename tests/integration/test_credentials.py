"""What verifying costs over time, whatever tokens come."""

import asyncio
import tracemalloc
from pathlib import Path

from hookwright.clock import SystemClock
from hookwright.engine.credentials import MAX_TOKEN, Credentials
from hookwright.engine.principals import MOST_BYTES
from hookwright.stores.sqlite.store import open_store

FLAGS = [f"{number:x}" for number in range(1000)]
"""As many as fit: a flag takes more room in memory than in a token."""


def test_large_tokens_take_no_more_memory_than_there_is_room_for_all(tmp_path: Path) -> None:
    async def story() -> tuple[int, int]:
        async with open_store(tmp_path / "store.db") as store:
            credentials = Credentials(store, SystemClock(), "s" * 32)
            tokens = [
                credentials.sign({"org": "org_1", "sub": "app_1", "jti": str(number), "featureFlags": FLAGS}) for number in range(500)
            ]
            await credentials.verify(tokens[0])
            tracemalloc.start()
            for token in tokens:
                await credentials.verify(token)
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return len(tokens[0]), held

    length, held = asyncio.run(story())
    assert MAX_TOKEN // 2 < length <= MAX_TOKEN
    assert held < 1.25 * MOST_BYTES
