"""Commands and queries about what organizations are told of themselves.

Notices are not written by commands of their own: who changes an endpoint, its secret or its health leaves one, and so does a
`Settlement` that carries a `notice`; in the same transaction, and only where the organization has operational endpoints.
"""

from hookwright.domain.applications import Application
from hookwright.domain.notices import Notice
from hookwright.store import Command, Query
from hookwright.store.endpoints import LoadedApplication


class EnsureOperational(Command[Application], frozen=True, kw_only=True):
    """The application that has the organization's operational endpoints: `application`, if there was none.

    Nothing but what is here, and commands that know its id, finds it: it is in no list, and answers to no reference.
    """

    application: Application


class FindOperational(Query[Application | None], frozen=True, kw_only=True):
    organization: str


class LoadOperational(Query[LoadedApplication | None], frozen=True, kw_only=True):
    """With its endpoints, as `LoadApplication`."""

    organization: str


class ListNotices(Query[list[Notice]], frozen=True, kw_only=True):
    """The oldest `limit` whose ids are larger than `after`, of all organizations."""

    limit: int
    after: int = 0


class RemoveNotices(Command[None], frozen=True, kw_only=True):
    """They are messages, or nobody wants them. Those that are gone already do no harm."""

    ids: tuple[int, ...]

    @property
    def weight(self) -> int:
        return len(self.ids)
