"""Commands and queries about endpoints. `ref` is an id or a uid everywhere; `application` is always an id."""

import msgspec

from hookwright.domain.applications import Application
from hookwright.domain.endpoints import Endpoint, EndpointRecord, SealedSecret
from hookwright.domain.pages import Page, PageRequest
from hookwright.store import Command, Query


class CreateEndpoint(Command[Endpoint], frozen=True, kw_only=True):
    """Raises NotFound (application gone), Conflict (uid taken), BadRequest `limit_reached` (over `most`)."""

    record: EndpointRecord
    most: int


class UpdateEndpoint(Command[Endpoint], frozen=True, kw_only=True):
    """Replace all of it but its id, creation time and sealed parts. Raises NotFound, Conflict (uid taken).

    `expected` is what the new value was computed from: if it is not there any more the answer is Conflict
    (`CHANGED`), and the caller computes again. So a change never undoes another (a 410's disabling, say).
    With another URL its health begins anew.
    """

    endpoint: Endpoint
    expected: Endpoint | None = None


class DeleteEndpoint(Command[Endpoint], frozen=True, kw_only=True):
    """Its uid is free again at once, its sealed parts are gone; its live deliveries are canceled (see `CancelDeliveries`).
    Raises NotFound.
    """

    application: str
    ref: str
    now: int


class SetHeaders(Command[None], frozen=True, kw_only=True):
    """Replace the sealed headers; None removes them. Raises NotFound.

    `expected` is what the new value was computed from: if it is not there any more the answer is Conflict
    (`CHANGED`), and the caller computes again.
    """

    application: str
    endpoint: str
    sealed: bytes | None
    expected: bytes | None
    now: int


class SetAccess(Command[None], frozen=True, kw_only=True):
    """As `SetHeaders`, for what lets us in there."""

    application: str
    endpoint: str
    sealed: bytes | None
    expected: bytes | None
    now: int


class RotateSecret(Command[None], frozen=True, kw_only=True):
    """Make `secret` the current one; the one before it signs until `old_expires_at`.

    Raises NotFound, and BadRequest `limit_reached` when `most` old ones are still signing.
    """

    application: str
    endpoint: str
    secret: SealedSecret
    old_expires_at: int
    now: int
    most: int


class FindEndpoint(Query[Endpoint | None], frozen=True, kw_only=True):
    """With `deleted` also one that was deleted (by id): attempts outlive their endpoint."""

    application: str
    ref: str
    deleted: bool = False


class FindEndpointRecord(Query[EndpointRecord | None], frozen=True, kw_only=True):
    """With its sealed parts; by id or uid, not deleted."""

    application: str
    ref: str


class ListEndpoints(Query[Page[Endpoint]], frozen=True, kw_only=True):
    application: str
    page: PageRequest


class LoadedApplication(msgspec.Struct, frozen=True, kw_only=True):
    """An application with its live endpoints, for a fan-out: what the engine keeps in memory of it. No sealed parts, and no pollers.

    An endpoint that cannot be read is among them as one that wants everything and is disabled: what it might want is
    held for it, and the application's others go on. `filtered`: whether one of them has a filter.
    """

    application: Application
    endpoints: tuple[Endpoint, ...]
    filtered: bool = False


class LoadApplication(Query[LoadedApplication | None], frozen=True, kw_only=True):
    """By id or uid within an organization."""

    urgent = True
    organization: str
    ref: str


class LoadEndpoint(Query[EndpointRecord | None], frozen=True, kw_only=True):
    """By id alone: what the engine needs to send a delivery that it finds in the store."""

    urgent = True
    id: str
