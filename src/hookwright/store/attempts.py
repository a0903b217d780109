"""Commands and queries about attempts."""

from hookwright.domain.attempts import Attempt
from hookwright.domain.pages import Page, PageRequest
from hookwright.store import Command, Query
from hookwright.store.messages import MessageFilter


class ExpungeResponse(Command[None], frozen=True, kw_only=True):
    """Replace the stored response by the word EXPUNGED. Raises NotFound."""

    application: str
    message: str
    attempt: str


class FindAttempt(Query[Attempt | None], frozen=True, kw_only=True):
    application: str
    message: str
    attempt: str


class ListAttempts(Query[Page[Attempt]], frozen=True, kw_only=True):
    """Newest first, of one endpoint, of one message, or of one message at one endpoint (ids; at least one of them).

    `status_class` is 0 for no answer, else 100 to 500. The time bounds of `filter` are those of the attempt.
    """

    application: str
    endpoint: str | None = None
    message: str | None = None
    page: PageRequest
    filter: MessageFilter = MessageFilter()
    state: int | None = None
    status_class: int | None = None
