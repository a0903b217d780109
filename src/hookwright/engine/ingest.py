"""Accepting a message: fan out, commit, hand over. The answer follows the commit (P1)."""

from collections.abc import Callable, Sequence

import msgspec

from hookwright.clock import Clock
from hookwright.domain.deliveries import UNOWNED, Delivery, Key, Trigger
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import MAX_RETENTION_DAYS, Content, Message, fan_out, let_through
from hookwright.engine.herald import Deliverer
from hookwright.engine.jobs import from_message
from hookwright.errors import CallerError
from hookwright.ids import Minter
from hookwright.store import Once, Remembered, Store
from hookwright.store.endpoints import LoadedApplication
from hookwright.store.messages import Created, CreateExample, CreateMessage, CreateMessages

DAY = 86_400_000
MOST_AT_ONCE = 100
MOST_ROWS_AT_ONCE = 500
"""Bounds of one transaction of `accept_some`; a single message may exceed the second."""

BatchResults = tuple[Created | CallerError, ...]


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

    async def accept(self, loaded: LoadedApplication, new: NewMessage, once: Once[Created] | None = None) -> Created | Remembered:
        """Commit a message and a delivery for every endpoint that wants it; then they are on their way.

        Raises Conflict (event id used), NotFound (application deleted meanwhile), StoreUnavailable, Invalid (idempotency
        key used with another body).
        """
        endpoints = _wanting(loaded, new)
        return await self._commit(loaded, new, endpoints, once)

    async def send_to(
        self, loaded: LoadedApplication, endpoint: Endpoint, new: NewMessage, once: Once[Created] | None = None
    ) -> Created | Remembered:
        """As `accept`, to this endpoint alone, whatever its filters: for examples that a person asks for."""
        message = self._message(loaded, new)
        delivery = msgspec.structs.replace(self._delivery(message, endpoint, size=0, direct=False), trigger=Trigger.RECOVER)
        command = CreateExample(message=message, content=new.content, delivery=delivery)
        return await self._store.write(command, once=once, on_commit=self._hand_over(new.content))

    async def accept_some(
        self, loaded: LoadedApplication, new_messages: Sequence[NewMessage], once: Once[BatchResults] | None = None
    ) -> BatchResults | Remembered:
        """As `accept`, for the first of `new_messages`: as many as one transaction should hold, and what became of each.

        Raises StoreUnavailable, and Invalid as `accept`. What was remembered tells how many messages that was.
        """
        commands: list[CreateMessage] = []
        rows = 0
        try:
            for new in new_messages[:MOST_AT_ONCE]:
                endpoints = _wanting(loaded, new)
                rows += 1 + len(endpoints)
                if commands and rows > MOST_ROWS_AT_ONCE:
                    break
                commands.append(self._command(loaded, new, endpoints))

            def committed(results: BatchResults) -> None:
                for command, result in zip(commands, results, strict=True):
                    if isinstance(result, Created):
                        self._hand_over(command.content)(result)

            return await self._store.write(CreateMessages(messages=tuple(commands)), once=once, on_commit=committed)
        finally:
            for command in commands:
                self._unreserve(command)

    async def _commit(
        self, loaded: LoadedApplication, new: NewMessage, endpoints: list[Endpoint], once: Once[Created] | None
    ) -> Created | Remembered:
        command = self._command(loaded, new, endpoints)
        try:
            return await self._store.write(command, once=once, on_commit=self._hand_over(new.content))
        finally:
            self._unreserve(command)

    def _command(self, loaded: LoadedApplication, new: NewMessage, endpoints: list[Endpoint]) -> CreateMessage:
        """With room reserved for what is claimed."""
        message = self._message(loaded, new)
        direct = loaded.application.throttle_rate is None
        deliveries = tuple(self._delivery(message, endpoint, len(new.content.body), direct) for endpoint in endpoints)
        return CreateMessage(message=message, content=new.content, deliveries=deliveries)

    def _message(self, loaded: LoadedApplication, new: NewMessage) -> Message:
        application = loaded.application
        ident, now = self._minter.mint_timed("msg", self._clock.now())
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


def _wanting(loaded: LoadedApplication, new: NewMessage) -> list[Endpoint]:
    """The payload is looked into only where an endpoint of the application has a filter."""
    endpoints = fan_out(new.event_type, new.channels, loaded.endpoints)
    return let_through(endpoints, new.content) if loaded.filtered else endpoints
