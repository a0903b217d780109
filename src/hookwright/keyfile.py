"""The secrets of an installation that was given none: made once, kept beside the database.

Duty: a restart finds the same keys. Losing them makes every stored endpoint secret unreadable and every issued token
invalid, so: the file appears complete or not at all (written aside, synced, then linked into place), it is never
overwritten, and whoever opens it learns whether it had to be made (`created`), so that a database with data beside a
fresh key file can be reported instead of failing later, one secret at a time.
"""

import base64
import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec

from hookwright.errors import ConfigurationError
from hookwright.vault import format_keys, generate_keys, parse_keys

KEY_BYTES = 32
"""256 bits: an AES-256 key, and the least that HS256 asks for (RFC 7518, 3.2)."""


class _Content(msgspec.Struct, frozen=True):
    jwt_secret: str
    encryption_keys: str


class Keys(msgspec.Struct, frozen=True):
    """`encryption_keys` is a ring as text, `kid:base64key,kid:base64key`, the first being current."""

    jwt_secret: str
    encryption_keys: str
    created: bool = False

    def __repr__(self) -> str:
        return f"Keys(<secret>, created={self.created})"


def open_or_create(path: Path, entropy: Callable[[int], bytes] = os.urandom) -> Keys:
    """The keys in `path`; made, with mode 0600, if there is no such file.

    Raises ConfigurationError if the file can be read by others, cannot be read by us, is not a key file, or cannot
    be written. `entropy(n)` returns n unpredictable bytes.
    """
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            created = _create(path, _generate(entropy), entropy(8).hex())
            found = _read(path)
            return Keys(found.jwt_secret, found.encryption_keys, created=created)
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be used: {error.strerror or error}") from error


def _generate(entropy: Callable[[int], bytes]) -> _Content:
    jwt_secret = base64.urlsafe_b64encode(entropy(KEY_BYTES)).decode().rstrip("=")
    return _Content(jwt_secret=jwt_secret, encryption_keys=format_keys(generate_keys(entropy)))


def _read(path: Path) -> Keys:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"the key file {path} is not a regular file")
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            mode = stat.S_IMODE(status.st_mode)
            raise ConfigurationError(f"the key file {path} is open to other users (mode {mode:04o}); make it private: chmod 600 {path}")
        text = file.read(65_536)
    try:
        content = msgspec.json.decode(text, type=_Content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the key file {path} is damaged; restore it from a backup, it holds the keys to what is stored"
        ) from error
    if not content.jwt_secret or not content.encryption_keys:
        raise ConfigurationError(f"the key file {path} lacks a key; restore it from a backup")
    try:
        parse_keys(content.encryption_keys)
    except ValueError as error:  # people put new keys there
        raise ConfigurationError(f"the key file {path}: encryption_keys: {error}") from error
    return Keys(content.jwt_secret, content.encryption_keys)


def _create(path: Path, content: _Content, unique: str) -> bool:
    """Write `path` unless somebody else has meanwhile. True if it was us."""
    draft = path.with_name(f".{path.name}.{unique}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)  # fails if the name is taken: the one way to publish without overwriting
            return True
        return False
    finally:
        draft.unlink()
        _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
