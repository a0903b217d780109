"""Commands and queries about organizations, their keys, and ended tokens."""

from hookwright.domain.credentials import ApiKey, Revocation
from hookwright.store import Command, Query


class EnsureOrganization(Command[None], frozen=True, kw_only=True):
    """Give an organization its row, if it has none."""

    organization: str
    now: int


class KeepAnswer(Command[None], frozen=True, kw_only=True):
    """Changes nothing: for a request that has no effect in the store, and whose answer is to be remembered (`Once`)."""


class HasOrganizations(Query[bool], frozen=True, kw_only=True):
    """Whether anybody ever used this database."""


class CreateApiKey(Command[ApiKey], frozen=True, kw_only=True):
    key: ApiKey


class RevokeApiKey(Command[ApiKey], frozen=True, kw_only=True):
    """Raises NotFound. Revoking twice keeps the first time."""

    organization: str
    id: str
    now: int


class ListApiKeys(Query[list[ApiKey]], frozen=True, kw_only=True):
    """Newest first, revoked ones too."""

    organization: str


class FindApiKey(Query[ApiKey | None], frozen=True, kw_only=True):
    """By its id, whatever its organization and state: the caller judges digest, revocation and expiry."""

    urgent = True
    id: str


class Revoke(Command[None], frozen=True, kw_only=True):
    revocations: tuple[Revocation, ...]


class ListRevocations(Query[list[Revocation]], frozen=True, kw_only=True):
    """Those that still matter at `now`."""

    urgent = True
    now: int
