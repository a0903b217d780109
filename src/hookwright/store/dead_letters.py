"""What was given up, and nothing since made good."""

import msgspec

from hookwright.domain.messages import Message
from hookwright.domain.pages import Page, PageRequest
from hookwright.store import Query


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message at an endpoint; the round that was given up last, after so many `attempts`, at `ended_at` (Unix ms).

    `last_status` is that of the last answer, 0 if none came, None if it is not known any more.
    """

    message: Message
    endpoint: str
    attempts: int
    ended_at: int
    last_attempt: str | None
    last_status: int | None


class ListDeadLetters(Query[Page[DeadLetter]], frozen=True, kw_only=True):
    """Those of an application, by message, newest first; of one endpoint (an id) if it is given. Times of messages are Unix ms.

    A cursor is the message's id, a colon, and the endpoint's. It is read forwards only.
    """

    application: str
    page: PageRequest
    endpoint: str | None = None
    after: int | None = None
    before: int | None = None
