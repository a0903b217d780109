"""Signing secrets: their written forms, and how fresh ones are made.

    whsec_<base64 of 24..75 bytes>                     symmetric, signs and verifies `v1`
    whsk_<base64 of 64 bytes: Ed25519 seed || public>  asymmetric, signs `v1a`
    whpk_<base64 of 32 bytes: Ed25519 public>          asymmetric, verifies `v1a` only

The `whsec_` prefix may be missing on input, and so may the padding: both are found in secrets that other senders
handed out. What we write is always prefixed and padded. No text of a secret appears in a repr or in an error.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Kind = Literal["hmac", "ed25519", "ed25519-public"]

SYMMETRIC_PREFIX = "whsec_"
PRIVATE_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"
MIN_SYMMETRIC_BYTES = 24
MAX_SYMMETRIC_BYTES = 75
GENERATED_BYTES = 24
_SEED_BYTES = 32
_LONGEST_TEXT = 128
_PREFIXES: dict[Kind, str] = {"hmac": SYMMETRIC_PREFIX, "ed25519": PRIVATE_PREFIX, "ed25519-public": PUBLIC_PREFIX}


class Secret(NamedTuple):
    """A parsed secret. `key` is the raw key: for `ed25519` the seed and the public key, 64 bytes."""

    kind: Kind
    key: bytes

    def __repr__(self) -> str:
        return f"Secret({_PREFIXES[self.kind]}***)"

    @property
    def text(self) -> str:
        """The written form, prefixed and padded."""
        return _PREFIXES[self.kind] + base64.b64encode(self.key).decode("ascii")

    @property
    def public_text(self) -> str:
        """`whpk_...`, for an asymmetric secret. Raises ValueError for a symmetric one: it has no public half."""
        if self.kind == "hmac":
            raise ValueError("a symmetric secret has no public key")
        return PUBLIC_PREFIX + base64.b64encode(self.key[-32:]).decode("ascii")


def parse(text: str) -> Secret:
    """The secret behind its written form. Raises ValueError with the reason, which never repeats the secret."""
    if text.startswith(PRIVATE_PREFIX):
        return _private(_decode(text.removeprefix(PRIVATE_PREFIX)))
    if text.startswith(PUBLIC_PREFIX):
        key = _decode(text.removeprefix(PUBLIC_PREFIX))
        if len(key) != 32:
            raise ValueError(f"a {PUBLIC_PREFIX} key holds 32 bytes, this one {len(key)}")
        return Secret("ed25519-public", key)
    key = _decode(text.removeprefix(SYMMETRIC_PREFIX))
    if not MIN_SYMMETRIC_BYTES <= len(key) <= MAX_SYMMETRIC_BYTES:
        raise ValueError(f"a {SYMMETRIC_PREFIX} secret holds {MIN_SYMMETRIC_BYTES} to {MAX_SYMMETRIC_BYTES} bytes, this one {len(key)}")
    return Secret("hmac", key)


def parse_signing(text: str) -> Secret:
    """Like `parse`, but only what can sign: a public key is refused. Raises ValueError."""
    secret = parse(text)
    if secret.kind == "ed25519-public":
        raise ValueError(f"a {PUBLIC_PREFIX} key is public and cannot sign; give {SYMMETRIC_PREFIX} or {PRIVATE_PREFIX}")
    return secret


def generate(entropy: Callable[[int], bytes]) -> str:
    """A fresh symmetric secret, `whsec_...`. `entropy(n)` returns n unpredictable bytes."""
    return Secret("hmac", entropy(GENERATED_BYTES)).text


def generate_asymmetric(entropy: Callable[[int], bytes]) -> str:
    """A fresh Ed25519 secret, `whsk_...`; its public half is `parse(...).public_text`."""
    seed = entropy(_SEED_BYTES)
    return Secret("ed25519", seed + _public_of(seed)).text


def _decode(text: str) -> bytes:
    # The bits that the last character has too many are ignored: senders have handed out such secrets (the reference
    # libraries test one), and for a secret, unlike for a signature, there is nothing to forge by them.
    if not text:
        raise ValueError("the secret is empty")
    if len(text) > _LONGEST_TEXT:
        raise ValueError("the secret is too long")
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(f"the secret is not base64 after its prefix ({', '.join(_PREFIXES.values())})") from None


def _private(key: bytes) -> Secret:
    if len(key) != 64:
        raise ValueError(f"a {PRIVATE_PREFIX} secret holds 64 bytes (Ed25519 seed and public key), this one {len(key)}")
    if _public_of(key[:_SEED_BYTES]) != key[_SEED_BYTES:]:
        raise ValueError(f"the two halves of this {PRIVATE_PREFIX} secret do not belong together")
    return Secret("ed25519", key)


def _public_of(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
