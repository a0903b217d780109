"""Writes what attempts came to, many at a time, in order, and does not let go until it is committed (P2, P4).

While the database takes no writes (a full disk) what was settled waits here and is tried again; the dispatcher starts
nothing new meanwhile, so what waits is bounded by the attempts that were under way.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from hookwright.domain.deliveries import Fence, Key
from hookwright.engine.ongoing import Ongoing
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.deliveries import Release, Settle, Settlement

log = logging.getLogger(__name__)
MOST_PER_COMMAND = 128
PAUSE_SECONDS = 0.5
COMPANY, COMPANY_SECONDS = 64, 0.005
"""What an attempt came to waits this long for others, unless there are as many, or somebody waits for it: a commit costs the
database about the same for one as for ten. After a crash so much more may be repeated."""

Given = tuple[Key, Fence, int]
"""A claimed row to be given back without an attempt, and the Unix ms before which it is not due (0: as before)."""


class Settler:
    def __init__(
        self,
        store: Store,
        *,
        on_settled: Callable[[Settlement], None],
        on_given: Callable[[str, int], None],
        on_refused: Callable[[Settlement], None],
        on_unwritable: Callable[[Settlement], None],
    ) -> None:
        """`on_settled` is told each settlement that was committed, `on_given` the endpoint and time of each row given
        back, `on_refused` one that did not count, or whose answer was lost when it was first committed, `on_unwritable` one that no
        database takes, which is a fault of ours: its row is the caller's to give back.
        """
        self._store, self._on_settled, self._on_given = store, on_settled, on_given
        self._on_refused, self._on_unwritable = on_refused, on_unwritable
        self._settlements: list[Settlement] = []
        self._unanswered = 0
        """How many of the first of them the store was given before, and gave no answer: they may be committed."""
        self._given: list[Given] = []
        self._hurry = False
        self._running: asyncio.Task[None] | None = None
        self._writing = Ongoing("writing down what attempts came to", again=PAUSE_SECONDS)

    @property
    def waiting(self) -> int:
        """How many settlements are not committed yet."""
        return len(self._settlements)

    def settle(self, settlement: Settlement, *, hurry: bool = False) -> None:
        """In a `hurry`: what goes on when it is committed waits for that."""
        self._settlements.append(settlement)
        self._hurry = self._hurry or hurry
        self._start()

    def give_back(self, rows: Sequence[Given]) -> None:
        """Make claimed rows claimable again, untried."""
        self._given.extend(rows)
        if rows:
            self._start()

    async def drain(self) -> None:
        """Wait until all of it is committed."""
        while self._running is not None:
            await asyncio.shield(self._running)

    def abandon(self) -> int:
        """Let go of what cannot be committed any more; how much that is. The next start takes its rows over."""
        if self._running is not None:
            self._running.cancel()
        return len(self._settlements) + len(self._given)

    def _start(self) -> None:
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._settlements or self._given:
                if len(self._settlements) < COMPANY and not self._hurry:
                    await asyncio.sleep(COMPANY_SECONDS)
                self._hurry = False
                async with self._writing:
                    await self._write_settlements()
                    await self._write_given()
        finally:
            self._running = None

    async def _write_settlements(self) -> None:
        batch = self._settlements[:MOST_PER_COMMAND]
        if not batch:
            return
        try:
            applied = await self._store.write(Settle(settlements=tuple(batch)))
        except StoreUnavailable:
            self._unanswered = max(self._unanswered, len(batch))
            raise
        except Exception:
            await self._write_first()
        else:
            self._written(batch, applied)

    async def _write_first(self) -> None:
        """One of a batch cannot be written, which must not keep the others from it: one by one until it is found."""
        first = self._settlements[0]
        try:
            applied = await self._store.write(Settle(settlements=(first,)))
        except StoreUnavailable:
            self._unanswered = max(self._unanswered, 1)
            raise
        except Exception:
            log.exception("delivery %s cannot be settled; it is made again later", first.key)
            self._take(1)
            self._on_unwritable(first)
        else:
            self._written([first], applied)

    def _written(self, batch: list[Settlement], applied: list[bool]) -> None:
        unanswered = self._take(len(batch))
        refused: list[Settlement] = []
        for settlement, took in zip(batch, applied, strict=True):
            if took:
                self._on_settled(settlement)
                continue
            refused.append(settlement)
            self._on_refused(settlement)
        if refused and unanswered:
            log.warning("whether %d attempts count cannot be told, the answer to the commit was lost: %s", len(refused), refused[0].key)
        elif refused:
            log.warning("%d attempts do not count, what they delivered was settled or ended meanwhile: %s", len(refused), refused[0].key)

    def _take(self, count: int) -> bool:
        """Let the first settlements go; whether the store was given any of them before."""
        del self._settlements[:count]
        unanswered, self._unanswered = self._unanswered, max(0, self._unanswered - count)
        return unanswered > 0

    async def _write_given(self) -> None:
        batch = self._given[:MOST_PER_COMMAND]
        if batch:
            await self._store.write(Release(rows=tuple(batch)))
            del self._given[: len(batch)]
            for endpoint, again_at in dict.fromkeys((key.endpoint, again_at) for key, _, again_at in batch):
                self._on_given(endpoint, again_at)
