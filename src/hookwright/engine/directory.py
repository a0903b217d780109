"""Applications and endpoints in memory, as the path of a message needs them.

Duty: what is answered was committed when the call began, or later. Rules:

* It is a cache of committed state, dropped by `forget` right after the commit that changed it.
* One load at a time for one key, shared by all who want it; the first of them may be cancelled, the load goes on.
* A load that began before a change of its application is not kept. An application that it found still answers those
  who asked before that change; an endpoint's is made again for everybody, so that nothing is sent to where a committed
  change forbids it.
* Bounded by what is held, not only by how often; the least recently used goes first.
* `forget` costs what it drops, not what is held.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from hookwright.domain.access import headers_of, merged
from hookwright.domain.endpoints import Endpoint, EndpointRecord
from hookwright.domain.verification import REQUEST_ORIGIN
from hookwright.engine.access import entry_of
from hookwright.engine.secrets import Secrets
from hookwright.signing.signatures import Signer, signer
from hookwright.store import Store
from hookwright.store.endpoints import LoadApplication, LoadedApplication, LoadEndpoint

MOST_APPLICATIONS = 2_000
MOST_ENDPOINTS = 50_000
"""Endpoints of all applications in memory together; one application is kept however many it has."""
MOST_TARGETS = 20_000

K = TypeVar("K")
V = TypeVar("V")


class Target:
    """An endpoint prepared for sending: its opened headers (with credentials that never change), what else it asks for (`entry`, None
    for nothing), and signers made once. `shaped`: what goes to it is not the message's bytes.
    """

    __slots__ = (
        "_current", "_expiring", "application_rate", "endpoint", "entry", "headers", "health", "shaped", "transformation",
    )  # fmt: skip

    def __init__(self, record: EndpointRecord, secrets: Secrets) -> None:
        """Raises VaultError when one of the sealed parts does not open."""
        self.endpoint: Endpoint = record.endpoint
        self.health = record.health
        self.application_rate = record.application_rate
        access = secrets.open_access(record.endpoint.id, record.sealed_access)
        own = tuple(secrets.open_headers(record.endpoint.id, record.sealed_headers).items())
        self.headers = merged(own, headers_of(access.auth)) + _origin_of(record.endpoint)
        self.entry = entry_of(access)
        made = [(secret.expires_at, signer(secrets.open_secret(record.endpoint.id, secret.sealed))) for secret in record.secrets]
        self._current = tuple(made_signer for expires_at, made_signer in made if expires_at is None)
        self._expiring = tuple((expires_at, made_signer) for expires_at, made_signer in made if expires_at is not None)
        self.transformation = secrets.open_transformation(record.endpoint.id, record.transformation)
        self.shaped = self.transformation is not None or record.endpoint.options.format != "json"

    def shapes_as(self, other: "Target") -> bool:
        """Whether the same would be made of a message for it."""
        return (self.endpoint, self.transformation, self.headers) == (other.endpoint, other.transformation, other.headers)

    def signers(self, now: int) -> tuple[Signer, ...]:
        """Those of the secrets that are alive at `now` (Unix ms), the current one first."""
        if not self._expiring:
            return self._current
        return self._current + tuple(made for expires_at, made in self._expiring if expires_at > now)


def _origin_of(endpoint: Endpoint) -> tuple[tuple[str, str], ...]:
    """Whom the receiver allowed; CloudEvents, HTTP 1.1 Web Hooks, 4.1 wants it said with every message."""
    consent = endpoint.options.consent
    return () if consent is None or consent.origin is None else ((REQUEST_ORIGIN, consent.origin),)


class Directory:
    def __init__(
        self, store: Store, secrets: Secrets, *, most_applications: int = MOST_APPLICATIONS, most_endpoints: int = MOST_ENDPOINTS,
        most_targets: int = MOST_TARGETS,
    ) -> None:  # fmt: skip
        self._store, self._secrets = store, secrets
        self._applications = _Applications(most_applications, most_endpoints)
        self._targets = _Targets(most_targets)
        self._application_loads = _Loads(self._load_application, lambda loaded: loaded.application.id, self._applications.put)
        self._target_loads = _Loads(self._load_target, lambda target: target.endpoint.application, self._targets.put)

    async def application(self, organization: str, ref: str) -> LoadedApplication | None:
        """By id or uid; None when the organization has no such application. Raises StoreUnavailable."""
        known = self._applications.get((organization, ref))
        if known is not None:
            return known
        return await self._application_loads.result((organization, ref))

    def known_target(self, endpoint: str) -> Target | None:
        """The endpoint (by id) if it is in memory."""
        return self._targets.get(endpoint)

    async def target(self, endpoint: str) -> Target | None:
        """The endpoint (by id), loaded if need be; None when it does not exist. Raises StoreUnavailable, VaultError."""
        while True:
            known = self._targets.get(endpoint)
            if known is not None:
                return known
            if await self._target_loads.result(endpoint) is None:
                return None

    def forget(self, application: str) -> None:
        """Drop what is known of an application (by id) and its endpoints."""
        self._application_loads.outdate(application)
        self._target_loads.outdate(application)
        self._applications.drop(application)
        self._targets.drop(application)

    def forget_everything(self) -> None:
        """Any application may have changed."""
        for part in (self._application_loads, self._target_loads, self._applications, self._targets):
            part.clear()

    async def _load_application(self, key: tuple[str, str]) -> LoadedApplication | None:
        organization, ref = key
        return await self._store.read(LoadApplication(organization=organization, ref=ref))

    async def _load_target(self, endpoint: str) -> Target | None:
        record = await self._store.read(LoadEndpoint(id=endpoint))
        return None if record is None else Target(record, self._secrets)


class _Applications:
    """Applications by (organization, id) and (organization, uid), each held once."""

    def __init__(self, most: int, most_endpoints: int) -> None:
        self._most, self._most_endpoints = most, most_endpoints
        self._refs: dict[tuple[str, str], LoadedApplication] = {}
        self._items: OrderedDict[str, LoadedApplication] = OrderedDict()
        self._endpoints = 0

    def get(self, ref: tuple[str, str]) -> LoadedApplication | None:
        item = self._refs.get(ref)
        if item is not None:
            self._items.move_to_end(item.application.id)
        return item

    def put(self, item: LoadedApplication) -> None:
        self.drop(item.application.id)
        self._items[item.application.id] = item
        for ref in _refs(item):
            self._refs[ref] = item
        self._endpoints += len(item.endpoints)
        while len(self._items) > 1 and (len(self._items) > self._most or self._endpoints > self._most_endpoints):
            self.drop(next(iter(self._items)))

    def drop(self, application: str) -> None:
        item = self._items.pop(application, None)
        if item is not None:
            self._endpoints -= len(item.endpoints)
            for ref in _refs(item):
                del self._refs[ref]

    def clear(self) -> None:
        self._items.clear()
        self._refs.clear()
        self._endpoints = 0


def _refs(item: LoadedApplication) -> list[tuple[str, str]]:
    """What it is asked for by. No uid looks like an id, so these are never another application's."""
    application = item.application
    return [(application.organization, ref) for ref in (application.id, application.uid) if ref is not None]


class _Targets:
    """Targets by the id of their endpoint."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: OrderedDict[str, Target] = OrderedDict()
        self._of: dict[str, set[str]] = {}  # the endpoints here of each application

    def get(self, endpoint: str) -> Target | None:
        item = self._items.get(endpoint)
        if item is not None:
            self._items.move_to_end(endpoint)
        return item

    def put(self, item: Target) -> None:
        self._items[item.endpoint.id] = item
        self._of.setdefault(item.endpoint.application, set()).add(item.endpoint.id)
        if len(self._items) > self._most:
            _, oldest = self._items.popitem(last=False)
            others = self._of[oldest.endpoint.application]
            others.discard(oldest.endpoint.id)
            if not others:
                del self._of[oldest.endpoint.application]

    def drop(self, application: str) -> None:
        for endpoint in self._of.pop(application, ()):
            del self._items[endpoint]

    def clear(self) -> None:
        self._items.clear()
        self._of.clear()


class _Loads(Generic[K, V]):
    """Loads under way, one for each key, shared by all who want it."""

    def __init__(
        self, load: Callable[[K], Awaitable[V | None]], application_of: Callable[[V], str], keep: Callable[[V], None]
    ) -> None:  # fmt: skip
        self._load, self._application_of, self._keep = load, application_of, keep
        self._under_way: dict[K, _Load[V]] = {}

    async def result(self, key: K) -> V | None:
        """What the store has, as of the beginning of this call or later. Raises what the load raises.

        A load that was under way may be too old: its application was changed, or made (which no one announces),
        between its beginning and this call. Then the next one answers, which began after this call did.
        """
        load = self._under_way.get(key)
        if load is not None:
            changes = len(load.outdated)
            found = await asyncio.shield(load.task)
            if found is not None and load.outdated.get(self._application_of(found), changes) >= changes:
                return found
            load = self._under_way.get(key)
        if load is None:
            load = self._under_way[key] = _Load()
            load.task = asyncio.get_running_loop().create_task(self._carry_out(key, load))
        return await asyncio.shield(load.task)

    def outdate(self, application: str) -> None:
        """The application was changed: what is under way may have seen it as it was."""
        for load in self._under_way.values():
            load.outdated.setdefault(application, len(load.outdated))

    def clear(self) -> None:
        """What is under way may have seen anything as it was: whoever asks from now on gets another, and none is kept."""
        for load in self._under_way.values():
            load.kept = False
        self._under_way.clear()

    async def _carry_out(self, key: K, load: "_Load[V]") -> V | None:
        try:
            found = await self._load(key)
            if found is not None and load.kept and self._application_of(found) not in load.outdated:
                self._keep(found)
            return found
        finally:
            if self._under_way.get(key) is load:
                del self._under_way[key]


class _Load(Generic[V]):
    """`outdated`: the applications that changed since it began, each with its place in their order."""

    __slots__ = ("kept", "outdated", "task")

    def __init__(self) -> None:
        self.kept = True
        self.outdated: dict[str, int] = {}
        self.task: asyncio.Task[V | None]
