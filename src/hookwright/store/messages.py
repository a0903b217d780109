"""Commands and queries about messages."""

import msgspec

from hookwright.domain.deliveries import Delivery, Fence, Key, Status
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import Content, Message
from hookwright.domain.pages import Page, PageRequest
from hookwright.errors import CallerError
from hookwright.store import Command, Query


class Created(msgspec.Struct, frozen=True):
    """The deliveries that were committed: of those asked for, all whose endpoint still exists."""

    message: Message
    deliveries: tuple[Delivery, ...]


class CreateMessage(Command[Created], frozen=True, kw_only=True):
    """Message, content and one live row per delivery, in one transaction (P1).

    Raises Conflict when `event_id` was used in this application, NotFound when the application is gone; Late after `latest` (Unix
    ms), if it is the store's clock by which readers know what they may read (`FindHorizon`): they may be past it.
    """

    message: Message
    content: Content
    deliveries: tuple[Delivery, ...]
    latest: int | None = None

    @property
    def weight(self) -> int:
        return 1 + len(self.deliveries)


class CreateMessages(Command[tuple[Created | CallerError, ...]], frozen=True, kw_only=True):
    """Some messages of one application in one transaction; for each what `CreateMessage` gives, or would have raised.

    Raises NotFound when the application is gone, Late when one of them is: then nothing is kept, no idempotency key either.
    """

    messages: tuple[CreateMessage, ...]

    @property
    def weight(self) -> int:
        return sum(one.weight for one in self.messages)


class CreateExample(Command[Created], frozen=True, kw_only=True):
    """A message for one endpoint alone, whatever that wants: it is nothing that another has missed.

    Its delivery has the round 0 and is by hand, which says so. Raises NotFound when the application is gone, Late as `CreateMessage`.
    """

    message: Message
    content: Content
    delivery: Delivery
    latest: int | None = None


class ExpungeContent(Command[None], frozen=True, kw_only=True):
    """Remove the body, and what receivers answered, which may quote it; the message stays.

    Live deliveries of it end as canceled. Raises NotFound.
    """

    application: str
    message: str
    now: int


class Canceled(msgspec.Struct, frozen=True):
    """How many deliveries were canceled, and how many somebody has: those are being sent at this moment, or queued by others. `behind`: the
    ordered endpoints at which others may have waited for what was canceled.
    """

    canceled: int
    sending: int
    behind: tuple[str, ...] = ()


class CancelMessage(Command[Canceled], frozen=True, kw_only=True):
    """End the live deliveries of a message as canceled that nobody holds, or that are `held` (and not sent) by who asks.

    Where more are left other processes are told, who may have them in their queues; `alone`: only those that are held end, and nobody
    is told. Raises NotFound.
    """

    application: str
    message: str
    held: tuple[tuple[Key, Fence], ...] = ()
    alone: bool = False
    now: int


class FindExamples(Query[frozenset[str]], frozen=True):
    """Those of these messages (ids) that were examples for one endpoint alone."""

    messages: tuple[str, ...]


class FoundMessage(msgspec.Struct, frozen=True):
    """`content` is None once it was expunged, has expired, or was not asked for."""

    message: Message
    content: Content | None


class FindMessage(Query[FoundMessage | None], frozen=True, kw_only=True):
    """`ref` is the message's id, or the event id that its creator gave it."""

    application: str
    ref: str
    with_content: bool = True


class MessageFilter(msgspec.Struct, frozen=True):
    """None takes everything. Times are Unix ms: `after` <= created < `before`."""

    event_types: frozenset[str] | None = None
    channel: str | None = None
    before: int | None = None
    after: int | None = None


class ListMessages(Query[Page[FoundMessage]], frozen=True, kw_only=True):
    """Newest first."""

    application: str
    page: PageRequest
    filter: MessageFilter = MessageFilter()
    with_content: bool = True


class EndpointMessage(msgspec.Struct, frozen=True):
    found: FoundMessage
    status: Status


class ListEndpointMessages(Query[Page[EndpointMessage]], frozen=True, kw_only=True):
    """The messages that went, go or will go to one endpoint, newest first, each with its headline status."""

    application: str
    endpoint: str
    page: PageRequest
    filter: MessageFilter = MessageFilter()
    states: frozenset[int] | None = None
    with_content: bool = True


class Destination(msgspec.Struct, frozen=True):
    endpoint: Endpoint
    status: Status


class ListDestinations(Query[Page[Destination]], frozen=True, kw_only=True):
    """The endpoints of one message, ascending by endpoint id, deleted ones too, each with its headline status."""

    application: str
    message: str
    page: PageRequest
