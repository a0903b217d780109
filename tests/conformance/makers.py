"""Small worlds for the conformance suite: rows made through the store's own commands."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any

from hookwright.domain.applications import Application
from hookwright.domain.attempts import Attempt
from hookwright.domain.deliveries import Delivery, Key, State
from hookwright.domain.endpoints import Endpoint, EndpointRecord, SealedSecret
from hookwright.domain.messages import Content, Message
from hookwright.ids import Minter
from hookwright.store import Store
from hookwright.store.applications import CreateApplication
from hookwright.store.deliveries import ClaimDue, EndpointStats, Release, Resend, Settle, Settlement
from hookwright.store.endpoints import CreateEndpoint
from hookwright.store.messages import CreateMessage

ORG = "org_test"
HOUR = 3_600_000
NOW = 480_000 * HOUR
"""A whole hour."""
OWNER = 7


class World:
    """Makes rows in one application of its own; `now` is the time that new ones carry."""

    def __init__(self, store: Store) -> None:
        ticks = count(1)
        self.store = store
        self.mint = Minter(lambda size: next(ticks).to_bytes(size, "big"))
        self.now = NOW
        self.app = ""
        self._endpoints: list[Endpoint] = []

    async def application(self, **fields: Any) -> Application:
        ident = self.mint.mint("app", self.now)
        made = Application(id=ident, organization=ORG, created_at=self.now, updated_at=self.now, **({"name": "a"} | fields))
        application, _ = await self.store.write(CreateApplication(application=made))
        self.app = self.app or application.id
        return application

    def record(self, *, headers: bytes | None = None, access: bytes | None = None, **fields: Any) -> EndpointRecord:
        values: dict[str, Any] = {
            "url": "https://example.com/",
            "application": self.app,
            "created_at": self.now,
            "updated_at": self.now,
        } | fields
        endpoint = Endpoint(id=self.mint.mint("ep", self.now), organization=ORG, **values)
        return EndpointRecord(endpoint, (SealedSecret(b"first", self.now),), headers, access)

    async def endpoint(self, **fields: Any) -> Endpoint:
        endpoint = await self.store.write(CreateEndpoint(record=self.record(**fields), most=100))
        self._endpoints.append(endpoint)
        return endpoint

    async def message(self, *endpoints: Endpoint, body: bytes = b"{}", owner: int = 0, **fields: Any) -> Message:
        ident, at = self.mint.mint_timed("msg", self.now)
        values: dict[str, Any] = {"event_type": "a.b", "application": self.app} | fields
        message = Message(id=ident, organization=ORG, created_at=at, content_expires_at=at + 90 * 24 * HOUR, **values)
        deliveries = tuple(
            Delivery(
                key=Key(one.id, ident),
                application=message.application,
                organization=ORG,
                due_at=at,
                owner=owner,
                created_at=at,
                ordered=one.options.ordered,
            )
            for one in endpoints
        )
        await self.store.write(CreateMessage(message=message, content=Content(body), deliveries=deliveries))
        return message

    async def under_way(self) -> int:
        """How many messages are on their way, each counted at each of the endpoints made here."""
        every = [
            await self.store.read(EndpointStats(application=one.application, endpoint=one.id, since=0, until=self.now + HOUR))
            for one in self._endpoints
        ]
        return sum(stats.pending + stats.sending for stats in every)

    async def resend(self, message: Message, endpoint: Endpoint) -> Delivery:
        return await self.store.write(Resend(application=message.application, endpoint=endpoint.id, message=message.id, now=self.now))

    async def attempt(self, message: Message, endpoint: Endpoint, state: State, *, due_at: int | None = None, **fields: Any) -> Attempt:
        """Claim and settle the row of this message at the endpoint; the attempt that it leaves."""
        due = await self.store.write(ClaimDue(endpoint=endpoint.id, owner=OWNER, now=self.now, limit=1000, most_bytes=2**30))
        rows = {one.delivery.key.message: one.delivery for one in due.claimed}
        delivery = rows.pop(message.id)
        await self.store.write(Release(rows=tuple((other.key, other.fence, 0) for other in rows.values())))
        return await self.settle(message, endpoint, delivery, state, due_at=due_at, **fields)

    async def settle(
        self, message: Message, endpoint: Endpoint, delivery: Delivery, state: State, *, due_at: int | None = None, **fields: Any
    ) -> Attempt:
        """Settle a claimed row; the attempt that it leaves."""
        values: dict[str, Any] = {
            "response_status": 200 if state == State.SUCCESS else 500, "response": b"ok", "event_type": message.event_type,
            "channels": message.channels, "url": endpoint.url, "duration_ms": 3,
        } | fields  # fmt: skip
        attempt = Attempt(
            id=self.mint.mint("atmpt", self.now), key=delivery.key, application=message.application, organization=ORG,
            trigger=delivery.trigger, number=delivery.attempts + 1, started_at=self.now,
            state=State.FAIL if state == State.PENDING else state, **values,
        )  # fmt: skip
        settlement = Settlement(
            key=delivery.key, fence=delivery.fence, attempt=attempt, state=state, due_at=due_at, created_at=message.created_at, now=self.now
        )
        assert await self.store.write(Settle(settlements=(settlement,))) == [True]
        return attempt


def check(stores: Callable[[], AbstractAsyncContextManager[Store]], story: Callable[[World], Awaitable[None]]) -> None:
    """Run a story in a world with one application, whose uid is `customer`."""

    async def run() -> None:
        async with stores() as store:
            world = World(store)
            await world.application(uid="customer")
            await story(world)

    asyncio.run(run())
