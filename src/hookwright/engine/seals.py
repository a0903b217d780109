"""All that lies sealed, looked at together: whether the ring opens it, and under the newest key again.

A key leaves the ring only when nothing needs it. So a value that does not open is never touched: it is counted, and the
key that it names can still come back.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable

import msgspec

from hookwright.engine.secrets import context
from hookwright.errors import VaultError
from hookwright.store import Store
from hookwright.store.seals import ListSeals, ReplaceSeals, Seal
from hookwright.vault import Vault

SLICE = 1_000
"""Values that are sealed anew in one transaction: what an interruption can cost is that much work."""
DAMAGED = "?"
"""Stands for the id of a key (which it cannot be) where a value is too damaged to name one."""


class Survey(msgspec.Struct, frozen=True):
    """Sealed values counted by the id of their key: those there are, and of these those that do not open."""

    found: Counter[str]
    shut: Counter[str]

    @property
    def lost(self) -> list[str]:
        """Keys that open nothing of what names them: each is missing, or another under the same name."""
        return sorted(kid for kid, count in self.shut.items() if kid != DAMAGED and count == self.found[kid])


class Resealing(msgspec.Struct):
    """How far it has come. `renewed`, `shut`: by the id of the key that the values were under."""

    looked: int = 0
    renewed: Counter[str] = msgspec.field(default_factory=Counter)
    shut: Counter[str] = msgspec.field(default_factory=Counter)


def survey(seals: Iterable[Seal], vault: Vault) -> Survey:
    result = Survey(Counter(), Counter())
    for seal in seals:
        kid = _key_of(seal)
        result.found[kid] += 1
        if _open(seal, vault) is None:
            result.shut[kid] += 1
    return result


async def reseal(store: Store, vault: Vault) -> AsyncIterator[Resealing]:
    """Seal with the newest key what is under an older one; tells of each slice once it is committed.

    What was done stays done: interrupted, it begins again and finds less to do. Raises StoreUnavailable.
    """
    progress, last = Resealing(), None
    while seals := await store.read(ListSeals(after=last, limit=SLICE)):
        last = seals[-1]
        changes = tuple(_renewed(seals, vault, progress))
        if changes:
            await store.write(ReplaceSeals(changes=changes))
        progress.looked += len(seals)
        progress.renewed.update(_key_of(old) for old, _ in changes)
        yield progress


def _renewed(seals: Iterable[Seal], vault: Vault, progress: Resealing) -> Iterable[tuple[Seal, bytes]]:
    for seal in seals:
        plaintext = _open(seal, vault)
        if plaintext is None:
            progress.shut[_key_of(seal)] += 1
        elif _key_of(seal) != vault.current:
            yield seal, vault.seal(plaintext, context(seal.kind, seal.owner))


def _open(seal: Seal, vault: Vault) -> bytes | None:
    try:
        return vault.open(seal.sealed, context(seal.kind, seal.owner))
    except VaultError:
        return None


def _key_of(seal: Seal) -> str:
    try:
        return Vault.key_of(seal.sealed)
    except VaultError:
        return DAMAGED
