"""Accepting a message: fan out, commit, hand over. The answer follows the commit (P1).

Readers go by the order of ids (`pollers`). So nothing is awaited between minting an id and asking the store to commit it; and where
others commit too, a message says how late it may be. One that would come later gets a new id, and is asked for again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec

from hookwright.clock import Clock
from hookwright.domain.deliveries import UNOWNED, Delivery, Key, Trigger
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import MAX_RETENTION_DAYS, Content, Message, fan_out, sieve
from hookwright.engine.herald import Deliverer
from hookwright.engine.jobs import from_message
from hookwright.engine.pollers import SETTLING_MS
from hookwright.errors import CallerError, Late
from hookwright.ids import Minter
from hookwright.store import Once, Remembered, Store
from hookwright.store.endpoints import LoadedApplication
from hookwright.store.messages import Created, CreateExample, CreateMessage, CreateMessages

DAY = 86_400_000
MOST_AT_ONCE = 100
MOST_ROWS_AT_ONCE = 500
"""Bounds of one transaction of `accept_some`; a single message may exceed the second."""
LATEST_MS = SETTLING_MS // 2
"""After the time in its id: until then it is committed. The other half is for a database's clock that is set back."""
TRIES = 3
BEHIND_MS = 1_000
"""A clock that is further behind than that is told of."""

BatchResults = tuple[Created | CallerError, ...]
log = logging.getLogger(__name__)


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks for. `retention_ms`: how long the body is kept."""

    event_type: str
    content: Content
    event_id: str | None = None
    channels: tuple[str, ...] | None = None
    retention_ms: int = MAX_RETENTION_DAYS * DAY


class Ingest:
    def __init__(self, *, store: Store, dispatcher: Deliverer, clock: Clock, minter: Minter) -> None:
        self._store, self._dispatcher, self._clock, self._minter = store, dispatcher, clock, minter
        self._told = False

    async def accept(self, loaded: LoadedApplication, new: NewMessage, once: Once[Created] | None = None) -> Created | Remembered:
        """Commit a message and a delivery for every endpoint that wants it; then they are on their way.

        Raises Conflict (event id used), NotFound (application deleted meanwhile), StoreUnavailable, Invalid (idempotency
        key used with another body).
        """
        endpoints = fan_out(new.event_type, new.channels, loaded.endpoints)
        if loaded.filtered:
            endpoints = await _let_through(endpoints, new.content)
        return await self._commit(loaded, new, endpoints, once)

    async def send_to(
        self, loaded: LoadedApplication, endpoint: Endpoint, new: NewMessage, once: Once[Created] | None = None
    ) -> Created | Remembered:
        """As `accept`, to this endpoint alone, whatever its filters: for examples that a person asks for."""
        at = tries = 0
        while True:
            message = self._message(loaded, new, at)
            delivery = msgspec.structs.replace(self._delivery(message, endpoint, size=0, direct=False), trigger=Trigger.RECOVER)
            latest = message.created_at + LATEST_MS
            command = CreateExample(message=message, content=new.content, delivery=delivery, latest=latest)
            try:
                return await self._store.write(command, once=once, on_commit=self._hand_over(new.content))
            except Late as late:
                at, tries = self._later(late, tries)

    async def accept_some(
        self, loaded: LoadedApplication, new_messages: Sequence[NewMessage], once: Once[BatchResults] | None = None
    ) -> BatchResults | Remembered:
        """As `accept`, for the first of `new_messages`: as many as one transaction should hold, and what became of each.

        Raises StoreUnavailable, and Invalid as `accept`. What was remembered tells how many messages that was.
        """
        some = await _for_one_transaction(loaded, new_messages)
        at = tries = 0
        while True:
            try:
                return await self._try_some(loaded, some, once, at)
            except Late as late:
                at, tries = self._later(late, tries)

    async def _try_some(
        self, loaded: LoadedApplication, some: list[tuple[NewMessage, list[Endpoint]]], once: Once[BatchResults] | None, at: int
    ) -> BatchResults | Remembered:
        commands: list[CreateMessage] = []

        def committed(results: BatchResults) -> None:
            for command, result in zip(commands, results, strict=True):
                if isinstance(result, Created):
                    self._hand_over(command.content)(result)

        try:
            for new, endpoints in some:
                commands.append(self._command(loaded, new, endpoints, at))
            return await self._store.write(CreateMessages(messages=tuple(commands)), once=once, on_commit=committed)
        finally:
            for command in commands:
                self._unreserve(command)

    async def _commit(
        self, loaded: LoadedApplication, new: NewMessage, endpoints: list[Endpoint], once: Once[Created] | None
    ) -> Created | Remembered:
        at = tries = 0
        while True:
            command = self._command(loaded, new, endpoints, at)
            try:
                return await self._store.write(command, once=once, on_commit=self._hand_over(new.content))
            except Late as late:
                at, tries = self._later(late, tries)
            finally:
                self._unreserve(command)

    def _later(self, late: Late, tries: int) -> tuple[int, int]:
        """The least time of the next ids, and how many tries there were. Raises `late` when they are enough."""
        behind = late.at - self._clock.now()
        if behind > BEHIND_MS and not self._told:
            self._told = True
            log.warning("the clock of this machine is %d ms behind that of the database: messages have its time", behind)
        if tries + 1 == TRIES:
            raise late
        return late.at, tries + 1

    def _command(self, loaded: LoadedApplication, new: NewMessage, endpoints: list[Endpoint], at: int) -> CreateMessage:
        """With room reserved for what is claimed."""
        message = self._message(loaded, new, at)
        direct = loaded.application.throttle_rate is None
        deliveries = tuple(self._delivery(message, endpoint, len(new.content.body), direct) for endpoint in endpoints)
        return CreateMessage(message=message, content=new.content, deliveries=deliveries, latest=message.created_at + LATEST_MS)

    def _message(self, loaded: LoadedApplication, new: NewMessage, at: int) -> Message:
        application = loaded.application
        ident, now = self._minter.mint_timed("msg", max(self._clock.now(), at))
        return Message(
            id=ident, organization=application.organization, application=application.id, event_type=new.event_type,
            event_id=new.event_id, channels=new.channels, created_at=now, content_expires_at=now + new.retention_ms,
        )  # fmt: skip

    def _unreserve(self, command: CreateMessage) -> None:
        ours = sum(delivery.owner != UNOWNED for delivery in command.deliveries)
        self._dispatcher.unreserve(ours, len(command.content.body))

    def _delivery(self, message: Message, endpoint: Endpoint, size: int, direct: bool) -> Delivery:
        """Ours from the start (claim on insert) if it can be sent at once and there is room for it."""
        ours = direct and endpoint.direct and self._dispatcher.reserve(endpoint.id, size)
        return Delivery(
            key=Key(endpoint.id, message.id), application=message.application, organization=message.organization,
            due_at=min(message.created_at, self._clock.now()),  # after a step back of the clock, ids run ahead of it
            owner=self._dispatcher.owner if ours else UNOWNED, created_at=message.created_at, ordered=endpoint.options.ordered,
        )  # fmt: skip

    def _hand_over(self, content: Content) -> Callable[[Created], None]:
        def committed(created: Created) -> None:
            for delivery in created.deliveries:
                if delivery.ordered:  # others could send it no sooner
                    self._dispatcher.wake(delivery.key.endpoint, delivery.due_at)
                elif delivery.owner == UNOWNED:
                    self._dispatcher.leave(delivery.key.endpoint, delivery.due_at)
                else:
                    self._dispatcher.admit(from_message(delivery, created.message, content))

        return committed


async def _for_one_transaction(
    loaded: LoadedApplication, new_messages: Sequence[NewMessage]
) -> list[tuple[NewMessage, list[Endpoint]]]:  # fmt: skip
    """The first of them, as many as one transaction should hold, each with the endpoints that want it."""
    some: list[tuple[NewMessage, list[Endpoint]]] = []
    rows = 0
    for new in new_messages[:MOST_AT_ONCE]:
        endpoints = fan_out(new.event_type, new.channels, loaded.endpoints)
        if loaded.filtered:
            endpoints = await _let_through(endpoints, new.content)
        rows += 1 + len(endpoints)
        if some and rows > MOST_ROWS_AT_ONCE:
            break
        some.append((new, endpoints))
    return some


async def _let_through(endpoints: list[Endpoint], content: Content) -> list[Endpoint]:
    """The payload is looked into only where an endpoint of the application has a filter; others get a turn meanwhile."""
    wanting: list[Endpoint] = []
    first = True
    for portion in sieve(endpoints, content):
        if not first:
            await asyncio.sleep(0)
        first = False
        wanting += portion
    return wanting
