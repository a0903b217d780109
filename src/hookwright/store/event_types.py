"""Commands and queries about event types."""

from hookwright.domain.event_types import EventType
from hookwright.domain.pages import Page, PageRequest
from hookwright.store import Command, Query


class CreateEventType(Command[EventType], frozen=True, kw_only=True):
    """An archived one of that name comes back with the new values. Raises Conflict (`event_type_exists`)."""

    event_type: EventType


class PutEventType(Command[tuple[EventType, bool]], frozen=True, kw_only=True):
    """Create or replace; the answer says whether it was created. Keeps the creation time of an existing one.

    With `expected` it only replaces, and raises NotFound when it is gone, Conflict (`CHANGED`) when it is not the value
    any more that the new one was computed from.
    """

    event_type: EventType
    expected: EventType | None = None


class DeleteEventType(Command[None], frozen=True, kw_only=True):
    """Archive it, or with `expunge` remove it. Raises NotFound."""

    organization: str
    name: str
    expunge: bool
    now: int


class FindEventType(Query[EventType | None], frozen=True, kw_only=True):
    organization: str
    name: str


class ListEventTypes(Query[Page[EventType]], frozen=True, kw_only=True):
    """Ordered by name (`page.order`), archived ones only with `include_archived`.

    With `feature_flags` not None, only types without flags or with one of these.
    """

    organization: str
    page: PageRequest
    include_archived: bool = False
    feature_flags: frozenset[str] | None = None


class UnknownEventTypes(Query[list[str]], frozen=True, kw_only=True):
    """Which of `names` do not exist (or are archived), sorted."""

    organization: str
    names: frozenset[str]
