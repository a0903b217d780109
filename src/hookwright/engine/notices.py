"""What organizations are to be told of themselves becomes messages to their operational endpoints.

Duty: no notice is lost, and none becomes two messages. Rules:

* A notice lies in the store from the transaction of what it tells of until it is a message, or nobody wants it.
* Its message has an event id that is made of its own id, which is unique for ever: who makes it again (after a crash, or in another
  process at the same moment) is refused, and takes the notice away.
* What keeps one organization from being told keeps no other: its notices wait, and those behind them are gone through.

From there on it is a message like any other. Of what becomes of it there are no notices: see `stores.sql.notices`.
"""

import asyncio
from collections import defaultdict

from hookwright.domain.messages import Content, fan_out
from hookwright.domain.notices import Notice, body
from hookwright.engine.ingest import Ingest, NewMessage
from hookwright.engine.ongoing import Ongoing
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.endpoints import LoadedApplication
from hookwright.store.notices import ListNotices, LoadOperational, RemoveNotices

PAGE = 100
EVERY_SECONDS = 1.0


class Notices:
    def __init__(self, *, store: Store, ingest: Ingest) -> None:
        self._store, self._ingest = store, ingest
        self._after = 0

    async def run(self) -> None:
        """Until cancelled."""
        telling = Ongoing("telling organizations of their endpoints")
        while True:
            more = False
            async with telling:
                more = await self.tell()
            if not more:
                await asyncio.sleep(EVERY_SECONDS)

    async def tell(self) -> bool:
        """A page of notices, the oldest first; whether there may be more. Raises StoreUnavailable, and what one organization met."""
        page = await self._store.read(ListNotices(after=self._after, limit=PAGE))
        self._after, more = 0, len(page) == PAGE
        notices: defaultdict[str, list[Notice]] = defaultdict(list)
        for notice in page:
            notices[notice.organization].append(notice)
        failed: Exception | None = None
        for organization, its in notices.items():
            try:
                await self._tell(organization, its)
            except StoreUnavailable:
                raise
            except Exception as error:
                failed = error
        if failed is not None:
            self._after = page[-1].id if more else 0
            raise failed
        return more

    async def _tell(self, organization: str, notices: list[Notice]) -> None:
        loaded = await self._store.read(LoadOperational(organization=organization))
        left: list[Notice] = []
        unwanted: list[Notice] = []
        for notice in notices:
            (left if loaded is not None and _is_wanted(notice, loaded) else unwanted).append(notice)
        await self._remove(unwanted)
        while loaded is not None and left:
            made = await self._ingest.accept_some(loaded, [_message(notice) for notice in left])
            assert isinstance(made, tuple), "no answer is remembered without a key"
            done, left = left[: len(made)], left[len(made) :]  # one that was refused is a message already
            await self._remove(done)

    async def _remove(self, notices: list[Notice]) -> None:
        if notices:
            await self._store.write(RemoveNotices(ids=tuple(notice.id for notice in notices)))


def _is_wanted(notice: Notice, loaded: LoadedApplication) -> bool:
    return bool(fan_out(notice.kind, None, loaded.endpoints))


def _message(notice: Notice) -> NewMessage:
    return NewMessage(event_type=notice.kind, content=Content(body(notice)), event_id=f"notice_{notice.id}")
