"""Each sealed value opens in its own row and column, and nowhere else."""

import itertools
import os

import pytest

from hookwright.engine.secrets import Secrets
from hookwright.errors import VaultError
from hookwright.vault import Vault

PLACES = [(kind, owner) for kind in ("secret", "headers", "answer") for owner in ("a", "b")]


def sealed(secrets: Secrets, kind: str, owner: str) -> bytes:
    if kind == "answer":
        return secrets.seal_answer(owner.encode(), b"{}")
    found = secrets.seal_secret(owner, "{}") if kind == "secret" else secrets.seal_headers(owner, {"x": "y"})
    assert found is not None
    return found


def opened(secrets: Secrets, kind: str, owner: str, value: bytes) -> object:
    if kind == "answer":
        return secrets.open_answer(owner.encode(), value)
    return secrets.open_secret(owner, value) if kind == "secret" else secrets.open_headers(owner, value)


@pytest.mark.parametrize(("place", "other"), list(itertools.permutations(PLACES, 2)))
def test_what_was_sealed_for_one_place_does_not_open_in_another(place: tuple[str, str], other: tuple[str, str]) -> None:
    secrets = Secrets(Vault({"k1": bytes(32)}, "k1", os.urandom))
    value = sealed(secrets, *place)
    assert opened(secrets, *place, value)
    with pytest.raises(VaultError):
        opened(secrets, *other, value)
