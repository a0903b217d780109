"""Secrets at rest: AES-256-GCM under a ring of keys.

Duty: what the database holds is useless without the ring, and useful only in its own place. Rules:

1. Every value is sealed with a fresh 96-bit random nonce (NIST SP 800-38D, 8.2.2): up to 2**32 values per key, far
   more than one installation has endpoints and rotations.
2. The context (which row, which column) and the key's id are authenticated with it: a sealed value that is copied to
   another row, or whose key id was changed, does not open.
3. The first key of the ring seals; every key of it opens. So a key is replaced by putting a new one in front.

A sealed value says what it needs: 1 byte form (1), 1 byte length of the key id, the key id, 12 bytes nonce, then
ciphertext and tag.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hookwright.errors import VaultError

KEY_BYTES = 32
_FORM = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class KeyRing(NamedTuple):
    """Keys by id; `current` is the id of the one that seals."""

    keys: dict[str, bytes]
    current: str

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.keys)}; current {self.current})"


def parse_keys(text: str) -> KeyRing:
    """The ring written as `id:base64,id:base64`; the first is current. Raises ValueError, which never repeats a key."""
    keys: dict[str, bytes] = {}
    for place, part in enumerate(text.split(","), 1):
        kid, colon, encoded = part.strip().partition(":")
        if not colon or not _KID.fullmatch(kid):
            raise ValueError(f"key {place} is not written as id:base64, with an id of 1 to 32 letters, digits, - or _")
        if kid in keys:
            raise ValueError(f"the key id {kid!r} is there twice")
        try:
            keys[kid] = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            raise ValueError(f"the key {kid!r} is not base64") from None
        if len(keys[kid]) != KEY_BYTES:
            raise ValueError(f"the key {kid!r} holds {len(keys[kid])} bytes; AES-256 takes {KEY_BYTES}")
    return KeyRing(keys, next(iter(keys)))


def format_keys(ring: KeyRing) -> str:
    """The written form of a ring, the current key first: what `parse_keys` reads."""
    order = [ring.current, *(kid for kid in ring.keys if kid != ring.current)]
    return ",".join(f"{kid}:{base64.b64encode(ring.keys[kid]).decode('ascii')}" for kid in order)


def generate_keys(entropy: Callable[[int], bytes], kid: str = "k1") -> KeyRing:
    """A ring of one fresh key. `entropy(n)` returns n unpredictable bytes."""
    return KeyRing({kid: entropy(KEY_BYTES)}, kid)


class Vault:
    """Seals and opens. Raises ValueError when `current` is not in `keys` or a key is not 32 bytes."""

    def __init__(self, keys: Mapping[str, bytes], current: str, entropy: Callable[[int], bytes]) -> None:
        if current not in keys:
            raise ValueError(f"the current key {current!r} is not in the ring")
        for kid, key in keys.items():
            if not _KID.fullmatch(kid) or len(key) != KEY_BYTES:
                raise ValueError(f"the key {kid!r} needs an id of 1 to 32 letters, digits, - or _, and {KEY_BYTES} bytes")
        self._ciphers = {kid: AESGCM(key) for kid, key in keys.items()}
        self._head = bytes([_FORM, len(current)]) + current.encode("ascii")
        self._current = current
        self._entropy = entropy

    def __repr__(self) -> str:
        return f"Vault({', '.join(self._ciphers)}; current {self._current})"

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return self._current

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys of the ring."""
        return tuple(self._ciphers)

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """The sealed value. `context` names the place it is for and must be given again to open it."""
        nonce = self._entropy(_NONCE_BYTES)
        return self._head + nonce + self._ciphers[self._current].encrypt(nonce, plaintext, self._head + context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """The plaintext. Raises VaultError: unknown key, another context, changed or cut bytes."""
        kid = self.key_of(sealed)
        cipher = self._ciphers.get(kid)
        if cipher is None:
            raise VaultError(f"the sealed value needs the key {kid!r}, which is not in the ring")
        cut = 2 + len(kid)
        nonce, ciphertext = sealed[cut : cut + _NONCE_BYTES], sealed[cut + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, ciphertext, sealed[:cut] + context.encode())
        except InvalidTag as error:
            raise VaultError("the sealed value was changed, or is not from this place") from error

    @staticmethod
    def key_of(sealed: bytes) -> str:
        """The id of the key that sealed a value; one that is not `current` is due to be sealed anew. Raises VaultError."""
        if len(sealed) < 2 or sealed[0] != _FORM:
            raise VaultError("this is not a sealed value")
        cut = 2 + sealed[1]
        kid = sealed[2:cut].decode("ascii", "replace")
        if len(sealed) < cut + _NONCE_BYTES + _TAG_BYTES or not _KID.fullmatch(kid):
            raise VaultError("the sealed value is cut short or damaged")
        return kid
