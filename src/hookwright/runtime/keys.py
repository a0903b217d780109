"""The secrets of an installation: configured, or from the key file beside its SQLite file; and whether they fit what is stored."""

import os

import msgspec

from hookwright import keyfile
from hookwright.config import Settings
from hookwright.engine.seals import Survey, survey
from hookwright.errors import ConfigurationError, Unreadable
from hookwright.store import Store
from hookwright.store.organizations import HasOrganizations
from hookwright.store.seals import SampleSeals
from hookwright.vault import Vault, parse_keys

SAMPLE = 500
"""Endpoints from either end that a start looks at: all of them up to a thousand, and a few milliseconds however many."""


class Keys(msgspec.Struct, frozen=True):
    """`encryption_keys` is a ring as text (see `vault.parse_keys`)."""

    jwt_secret: str
    encryption_keys: str

    def __repr__(self) -> str:
        return "Keys(...)"


def configured_secrets(settings: Settings) -> tuple[str | None, str | None]:
    """The token secret and the ring, as far as they are configured. On PostgreSQL they must be: raises ConfigurationError."""
    jwt_secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    ring = settings.encryption_keys.get_secret_value() if settings.encryption_keys else None
    if settings.on_postgres and (jwt_secret is None or ring is None):
        missing = "HOOKWRIGHT_JWT_SECRET" if jwt_secret is None else "HOOKWRIGHT_ENCRYPTION_KEYS"
        raise ConfigurationError(
            f"{missing} is not set: on PostgreSQL every process needs the same secrets, so none are made here; make each once with "
            "`openssl rand -base64 32` (an encryption key is written k1:<key>)"
        )
    return jwt_secret, ring


async def find_keys(settings: Settings, store: Store) -> Keys:
    """Configured secrets win; what is missing is in the key file, made at the first start.

    A key file that is made beside a database with data is no first start: the old one was lost, and with it whatever it
    sealed. Raises ConfigurationError, and leaves no new file that would hide the loss.
    """
    jwt_secret, ring = configured_secrets(settings)
    if jwt_secret is not None and ring is not None:
        return Keys(jwt_secret, ring)
    kept = keyfile.open_or_create(settings.key_file)
    if kept.created and await store.read(HasOrganizations()):
        settings.key_file.unlink()
        raise ConfigurationError(
            f"{settings.database_path} holds data, but its key file {settings.key_file} is gone: restore it, or set "
            "HOOKWRIGHT_ENCRYPTION_KEYS and HOOKWRIGHT_JWT_SECRET; without them stored secrets cannot be opened"
        )
    return Keys(jwt_secret or kept.jwt_secret, ring or kept.encryption_keys)


def open_vault(encryption_keys: str) -> Vault:
    """A vault with the ring that is written so. Raises ValueError."""
    ring = parse_keys(encryption_keys)
    return Vault(ring.keys, ring.current, os.urandom)


def known_vault(settings: Settings) -> Vault | None:
    """With the ring as it is now; None where a start would have to make it. Raises ConfigurationError."""
    if settings.encryption_keys is not None:
        return open_vault(settings.encryption_keys.get_secret_value())
    if settings.on_postgres:
        return None
    return open_vault(keyfile.open_or_create(settings.key_file).encryption_keys) if settings.key_file.exists() else None


async def check_ring(settings: Settings, store: Store, vault: Vault) -> None:
    """Refuse a ring that does not open what is stored, before the first delivery finds out. Raises ConfigurationError.

    A single value that is damaged is no reason, nor is a row that cannot be read: with all others it can deliver.
    """
    try:
        sample = await store.read(SampleSeals(limit=SAMPLE))
    except Unreadable:
        return
    found = survey(sample, vault)
    if found.lost and not settings.allow_lost_keys:
        raise ConfigurationError(
            f"{settings.database_name}: {misfit(found, settings, vault)} "
            "(if it is gone for good, start with HOOKWRIGHT_ALLOW_LOST_KEYS=true)"
        )


def misfit(found: Survey, settings: Settings, vault: Vault) -> str:
    """Which keys the data needs, which the ring has, and where that is to be mended, in one line."""
    place, has = ring_place(settings), ", ".join(vault.ids)
    missing = ", ".join(kid for kid in found.lost if kid not in vault.ids)
    other = ", ".join(kid for kid in found.lost if kid in vault.ids)
    parts = []
    if missing:
        parts.append(f"stored secrets were sealed with the key {missing}, and {place} has only {has}: put {missing} back there, at the end")
    if other:
        parts.append(f"stored secrets were sealed with another {other} than {place} has (there are {has}): put the right {other} there")
    return "; ".join(parts)


def ring_place(settings: Settings) -> str:
    """Where the ring is written, for who has to change it."""
    return "HOOKWRIGHT_ENCRYPTION_KEYS" if settings.encryption_keys is not None else f"the key file {settings.key_file.absolute()}"
