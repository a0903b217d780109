"""Applications and endpoints in memory, as the path of a message needs them.

A cache of committed state, dropped by `forget` right after the commit that changed it. A load that began before such a
change and ends after it is not kept; an endpoint's is made again, so that nothing is sent to where a committed change
forbids it. Bounded; the least recently used goes first.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from hookwright.domain.endpoints import Endpoint, EndpointRecord
from hookwright.engine.secrets import Secrets
from hookwright.signing.signatures import Signer, signer
from hookwright.store import Store
from hookwright.store.endpoints import LoadApplication, LoadedApplication, LoadEndpoint

MOST_APPLICATIONS = 2_000
MOST_TARGETS = 20_000

K = TypeVar("K")
V = TypeVar("V")


class Target:
    """An endpoint prepared for sending: its opened headers, and signers made once."""

    __slots__ = ("_current", "_expiring", "endpoint", "headers")

    def __init__(self, record: EndpointRecord, secrets: Secrets) -> None:
        """Raises VaultError when a secret or the headers do not open."""
        self.endpoint: Endpoint = record.endpoint
        self.headers = tuple(secrets.open_headers(record.endpoint.id, record.sealed_headers).items())
        made = [(secret.expires_at, signer(secrets.open_secret(record.endpoint.id, secret.sealed))) for secret in record.secrets]
        self._current = tuple(made_signer for expires_at, made_signer in made if expires_at is None)
        self._expiring = tuple((expires_at, made_signer) for expires_at, made_signer in made if expires_at is not None)

    def signers(self, now: int) -> tuple[Signer, ...]:
        """Those of the secrets that are alive at `now` (Unix ms), the current one first."""
        if not self._expiring:
            return self._current
        return self._current + tuple(made for expires_at, made in self._expiring if expires_at > now)


class Directory:
    def __init__(self, store: Store, secrets: Secrets) -> None:
        self._store, self._secrets = store, secrets
        self._applications: _Recent[tuple[str, str], LoadedApplication] = _Recent(MOST_APPLICATIONS)
        self._targets: _Recent[str, Target] = _Recent(MOST_TARGETS)
        self._forgotten = 0
        self._loads: set[_Load] = set()

    async def application(self, organization: str, ref: str) -> LoadedApplication | None:
        """By id or uid; None when the organization has no such application."""
        known = self._applications.get((organization, ref))
        if known is not None:
            return known
        before = self._forgotten
        loaded = await self._store.read(LoadApplication(organization=organization, ref=ref))
        if loaded is not None and before == self._forgotten:
            self._applications.put((organization, ref), loaded)
        return loaded

    def known_target(self, endpoint: str) -> Target | None:
        """The endpoint (by id) if it is in memory."""
        return self._targets.get(endpoint)

    async def target(self, endpoint: str) -> Target | None:
        """The endpoint (by id), loaded if need be; None when it does not exist. Raises StoreUnavailable, VaultError."""
        known = self._targets.get(endpoint)
        if known is not None:
            return known
        while True:
            load = _Load()
            self._loads.add(load)
            try:
                record = await self._store.read(LoadEndpoint(id=endpoint))
            finally:
                self._loads.discard(load)
            if record is None:
                return None
            if record.endpoint.application not in load.outdated:
                break
        target = Target(record, self._secrets)
        self._targets.put(endpoint, target)
        return target

    def forget(self, application: str) -> None:
        """Drop what is known of an application (by id) and its endpoints."""
        self._forgotten += 1
        for load in self._loads:
            load.outdated.add(application)
        self._applications.drop(lambda loaded: loaded.application.id == application)
        self._targets.drop(lambda target: target.endpoint.application == application)


class _Load:
    """A load under way, and the applications that changed since it began."""

    def __init__(self) -> None:
        self.outdated: set[str] = set()


class _Recent(Generic[K, V]):
    """A dictionary that keeps the `most` recently used."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        item = self._items.get(key)
        if item is not None:
            self._items.move_to_end(key)
        return item

    def put(self, key: K, item: V) -> None:
        self._items[key] = item
        self._items.move_to_end(key)
        if len(self._items) > self._most:
            self._items.popitem(last=False)

    def drop(self, unwanted: Callable[[V], bool]) -> None:
        for key in [key for key, item in self._items.items() if unwanted(item)]:
            del self._items[key]
