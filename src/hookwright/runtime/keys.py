"""The secrets of an installation: configured, or from the key file beside its database."""

import msgspec

from hookwright import keyfile
from hookwright.config import Settings
from hookwright.errors import ConfigurationError
from hookwright.store import Store
from hookwright.store.organizations import HasOrganizations


class Keys(msgspec.Struct, frozen=True):
    """`encryption_keys` is a ring as text (see `vault.parse_keys`)."""

    jwt_secret: str
    encryption_keys: str

    def __repr__(self) -> str:
        return "Keys(...)"


async def find_keys(settings: Settings, store: Store) -> Keys:
    """Configured secrets win; what is missing is in the key file, made at the first start.

    A key file that is made beside a database with data is no first start: the old one was lost, and with it whatever it
    sealed. Raises ConfigurationError, and leaves no new file that would hide the loss.
    """
    jwt_secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    ring = settings.encryption_keys.get_secret_value() if settings.encryption_keys else None
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
