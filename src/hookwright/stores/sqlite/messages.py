"""Creating a message: message, content and live rows in one transaction (P1)."""

import apsw
import msgspec

from hookwright.domain.deliveries import Delivery
from hookwright.errors import Conflict, NotFound
from hookwright.store.messages import Created, CreateMessage
from hookwright.stores.sqlite.registry import load_sql, writes

SQL = load_sql("messages")
_json = msgspec.json.Encoder()


@writes(CreateMessage)
def create(db: apsw.Connection, command: CreateMessage) -> Created:
    message, content = command.message, command.content
    if db.execute(SQL.application_alive, (message.organization, message.application)).fetchone() is None:
        raise NotFound
    if message.event_id is not None:
        db.execute(SQL.take_event_id, (message.application, message.event_id, message.id))
        if not db.changes():
            raise Conflict(f"eventId: a message with the id {message.event_id!r} exists in this application")
    channels = _json.encode(message.channels).decode() if message.channels else None
    db.execute(
        SQL.insert_message,
        (
            message.application, message.id, message.organization, message.event_type, message.event_id,
            channels, message.created_at, message.content_expires_at,
        ),
    )  # fmt: skip
    db.execute(SQL.insert_content, (message.id, content.content_type, content.body, message.content_expires_at))
    return Created(message, tuple(delivery for delivery in command.deliveries if insert_delivery(db, delivery)))


def insert_delivery(db: apsw.Connection, delivery: Delivery) -> bool:
    """A live row; False when its endpoint does not exist any more."""
    key = delivery.key
    db.execute(
        SQL.insert_delivery,
        (
            key.endpoint, key.message, key.round, delivery.application, delivery.organization, delivery.trigger,
            delivery.due_at, delivery.owner, delivery.created_at,
        ),
    )  # fmt: skip
    return bool(db.changes())
