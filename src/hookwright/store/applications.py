"""Commands and queries about applications. `ref` is an id or a uid everywhere."""

from hookwright.domain.applications import Application
from hookwright.domain.pages import Page, PageRequest
from hookwright.store import Command, Query


class CreateApplication(Command[tuple[Application, bool]], frozen=True, kw_only=True):
    """The application, and whether it was made now.

    Raises Conflict when its uid is taken, unless `get_if_exists`: then the one that has it is the answer.
    """

    application: Application
    get_if_exists: bool = False


class UpdateApplication(Command[Application], frozen=True, kw_only=True):
    """Replace all of it but its id and creation time. Raises NotFound, Conflict (uid taken).

    `expected` is what the new value was computed from; if that has changed since, the answer is Conflict (`CHANGED`).
    None replaces whatever there is.
    """

    application: Application
    expected: Application | None = None


class DeleteApplication(Command[Application], frozen=True, kw_only=True):
    """Its uid is free again at once, its endpoints are deleted, their live deliveries canceled; then all of it is erased (see
    `CancelDeliveries`, `Erase`). Raises NotFound.
    """

    organization: str
    ref: str
    now: int


class FindApplication(Query[Application | None], frozen=True, kw_only=True):
    organization: str
    ref: str


class ListApplications(Query[Page[Application]], frozen=True, kw_only=True):
    organization: str
    page: PageRequest
