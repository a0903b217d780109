"""Creating a message: message, content and live rows in one transaction (P1)."""

import msgspec

from hookwright.domain.deliveries import Delivery
from hookwright.domain.messages import Message
from hookwright.errors import CallerError, Conflict, Late, NotFound
from hookwright.store.messages import Created, CreateExample, CreateMessage, CreateMessages
from hookwright.stores.sql import positions
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql, writes

SQL = load_sql("messages")
_json = msgspec.json.Encoder()


@writes(CreateMessage)
async def create(db: Db, command: CreateMessage) -> Created:
    if not await _alive(db, command.message):
        raise NotFound
    return await _create(db, command)


@writes(CreateMessages)
async def create_many(db: Db, command: CreateMessages) -> tuple[Created | CallerError, ...]:
    if not await _alive(db, command.messages[0].message):
        raise NotFound
    results: list[Created | CallerError] = []
    for one in command.messages:
        try:
            results.append(await _create(db, one))
        except Conflict as error:
            results.append(error)
    return tuple(results)


@writes(CreateExample)
async def create_example(db: Db, command: CreateExample) -> Created:
    if not await _alive(db, command.message):
        raise NotFound
    (now,) = (await db.all(SQL.moment))[0]
    if now is not None and command.latest is not None and command.latest < now:
        raise Late(now)
    return await _create(db, CreateMessage(message=command.message, content=command.content, deliveries=(command.delivery,)))


async def _alive(db: Db, message: Message) -> bool:
    """Whether its application is."""
    return await db.first(SQL.application_alive, (message.organization, message.application)) is not None


async def _create(db: Db, command: CreateMessage) -> Created:
    """Raises Conflict before anything is written."""
    message, content = command.message, command.content
    if message.event_id is not None and not await db.run(SQL.take_event_id, (message.application, message.event_id, message.id)):
        raise Conflict(f"eventId: a message with the id {message.event_id!r} exists in this application")
    channels = _json.encode(message.channels).decode() if message.channels else None
    await db.run(
        SQL.insert_message,
        (
            message.application, message.id, message.organization, message.event_type, message.event_id,
            channels, message.created_at, message.content_expires_at,
        ),
    )  # fmt: skip
    await db.run(SQL.insert_content, (message.id, content.content_type, content.body, message.content_expires_at))
    return Created(message, tuple([delivery for delivery in command.deliveries if await insert_delivery(db, delivery)]))


async def insert_delivery(db: Db, delivery: Delivery) -> bool:
    """A live row; False when its endpoint does not exist any more. Of rounds by hand it is asked whether their endpoint is ordered."""
    key = delivery.key
    position = await positions.take(db, key.endpoint) if delivery.ordered or key.round else 0
    inserted = await db.run(
        SQL.insert_delivery,
        (
            key.endpoint, key.message, key.round, delivery.application, delivery.organization, delivery.trigger,
            delivery.due_at, delivery.owner, delivery.created_at,
        ),
    )  # fmt: skip
    if inserted and position:
        await positions.place(db, key, position)
    return bool(inserted)
