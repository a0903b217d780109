"""Whether a request was signed by who holds one of our secrets, and lately.

Duty: no forgery is accepted, and no input makes a receiver answer 500. Rules, each of which a lax verifier has broken:

1. One exception type. Whatever is wrong with headers, body or secrets is a `VerificationError`; only a body that is
   no bytes is a TypeError, because text has already lost what was signed.
2. One reading. Exactly one header of each name; canonical base64; a timestamp of ASCII digits; no dot in the id.
3. Bounded work. At most 16 signatures, and header values of a bounded size, are ever looked at.
4. Constant time. Every secret is tried against every signature, and comparison does not stop at the first difference.

A signature of a version we do not know is skipped, not refused: that is how a new version can be introduced.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hookwright.errors import HookwrightError
from hookwright.signing.secrets import Secret, parse

Text = str | bytes
Headers = Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[Text, Text]]

PREFIXES = ("webhook-", "svix-")
PARTS = ("id", "timestamp", "signature")
TOLERANCE_S = 300
MAX_SIGNATURES = 16
MAX_ID_LENGTH = 256
MAX_TIMESTAMP_LENGTH = 12
MAX_SIGNATURE_LENGTH = 4096
_LENGTHS = {"v1": 32, "v1a": 64}


class VerificationError(HookwrightError):
    """The request is not to be trusted; the message says why, in words that are safe to log and to answer with."""


class Claim(NamedTuple):
    """The three headers as they arrived, shapes checked, nothing proven. `signatures`: (version, decoded bytes)."""

    message_id: str
    timestamp: str
    signatures: tuple[tuple[str, bytes], ...]


class Verifier:
    """Secrets, prepared once. Raises ValueError for what is no secret, so that a wrong setting is seen at start."""

    def __init__(self, secrets: Iterable[str | Secret]) -> None:
        if isinstance(secrets, str):
            secrets = (secrets,)
        parsed = [parse(secret) if isinstance(secret, str) else secret for secret in secrets]
        if not parsed:
            raise ValueError("no secret to verify with")
        self._symmetric = [hmac.new(secret.key, digestmod=hashlib.sha256) for secret in parsed if secret.kind == "hmac"]
        self._public = [Ed25519PublicKey.from_public_bytes(secret.key[-32:]) for secret in parsed if secret.kind != "hmac"]

    def verify(self, headers: Headers, body: bytes, now: int, tolerance_s: float = TOLERANCE_S) -> None:
        """Returns when the request is genuine. `now` is Unix ms. Raises VerificationError, or TypeError for a body that is no bytes."""
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise TypeError("the body must be the bytes that arrived, before any decoding")
        claim = read_claim(headers)
        offset = now - int(claim.timestamp) * 1000
        if abs(offset) > tolerance_s * 1000:
            raise VerificationError("the timestamp is too old" if offset > 0 else "the timestamp is too far in the future")
        if not self.matches(claim, bytes(body)):
            raise VerificationError("no signature matches")

    def matches(self, claim: Claim, body: bytes) -> bool:
        """Whether any signature of the claim is right for this body, whatever its age."""
        content = f"{claim.message_id}.{claim.timestamp}.".encode() + body
        expected = []
        for state in self._symmetric:
            keyed = state.copy()
            keyed.update(content)
            expected.append(keyed.digest())
        found = False
        for version, signature in claim.signatures:
            if version == "v1":
                for one in expected:
                    found |= hmac.compare_digest(one, signature)
            else:
                for key in self._public:
                    found |= _is_valid(key, signature, content)
        return found


def verify(headers: Headers, body: bytes, secrets: Iterable[str | Secret], now: int, tolerance_s: float = TOLERANCE_S) -> None:
    """Returns when the request was signed with one of `secrets`, at most `tolerance_s` seconds from `now` (Unix ms).

    `headers` is a mapping or a list of pairs, of str or bytes; names in any case, `webhook-*` or `svix-*`. Raises
    VerificationError for everything that is wrong, an unusable secret included.
    """
    try:
        verifier = Verifier(secrets)
    except (ValueError, TypeError, AttributeError) as error:
        raise VerificationError(f"the secret cannot be used: {error}") from error
    verifier.verify(headers, body, now, tolerance_s)


def read_claim(headers: Headers) -> Claim:
    """The claim that the headers make. Raises VerificationError when they are missing, doubled or malformed."""
    found = collect(headers)
    prefix = next((prefix for prefix in PREFIXES if any(prefix + part in found for part in PARTS)), PREFIXES[0])
    values = {}
    for part in PARTS:
        sent = found.get(prefix + part, [])
        if len(sent) != 1:
            raise VerificationError(f"the header {prefix}{part} is {'missing' if not sent else 'there more than once'}")
        values[part] = sent[0]
    message_id, timestamp, signature = values["id"], values["timestamp"], values["signature"]
    if not 0 < len(message_id) <= MAX_ID_LENGTH or "." in message_id or not all("!" <= char <= "~" for char in message_id):
        raise VerificationError(f"{prefix}id is not 1 to {MAX_ID_LENGTH} visible ASCII characters without a dot")
    if not is_timestamp(timestamp):
        raise VerificationError(f"{prefix}timestamp is not a whole number of Unix seconds")
    return Claim(message_id, timestamp, _read_signatures(signature, prefix))


def collect(headers: Headers) -> dict[str, list[str]]:
    """Our headers by lower-case name, each with every value it was sent with. Raises VerificationError for what is no headers."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[str, list[str]] = {}
    try:
        for name, value in pairs:
            lowered = (name.decode("latin-1") if isinstance(name, bytes) else name).lower()
            if lowered.startswith(PREFIXES):
                text = value.decode("latin-1") if isinstance(value, bytes) else value
                if not isinstance(text, str):
                    raise VerificationError(f"the header {lowered[:40]} is not text")
                found.setdefault(lowered, []).append(text)
    except (TypeError, ValueError, AttributeError) as error:
        raise VerificationError("the headers are not pairs of names and values") from error
    return found


def is_timestamp(text: str) -> bool:
    """Whether this is a number of Unix seconds in its only spelling: ASCII digits, no sign, no leading zero."""
    return 0 < len(text) <= MAX_TIMESTAMP_LENGTH and text.isascii() and text.isdigit() and (text[0] != "0" or text == "0")


def decode_canonical(text: str) -> bytes:
    """The bytes behind base64 in its only spelling (RFC 4648, 3.5: padding, no stray bits). Raises ValueError."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("not base64") from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise ValueError("not canonical base64")
    return raw


def _read_signatures(header: str, prefix: str) -> tuple[tuple[str, bytes], ...]:
    if len(header) > MAX_SIGNATURE_LENGTH:
        raise VerificationError(f"{prefix}signature is longer than {MAX_SIGNATURE_LENGTH} characters")
    entries = header.split(" ")
    if len(entries) > MAX_SIGNATURES:
        raise VerificationError(f"{prefix}signature holds more than {MAX_SIGNATURES} signatures")
    signatures = []
    for entry in entries:
        version, comma, encoded = entry.partition(",")
        if not version or not comma or "," in encoded:
            raise VerificationError(f"{prefix}signature is not a list of <version>,<base64> with single spaces between")
        if version not in _LENGTHS:
            continue
        try:
            raw = decode_canonical(encoded)
        except ValueError as error:
            raise VerificationError(f"{prefix}signature holds a {version} signature that is {error}") from error
        if len(raw) != _LENGTHS[version]:
            raise VerificationError(f"{prefix}signature holds a {version} signature of {len(raw)} bytes instead of {_LENGTHS[version]}")
        signatures.append((version, raw))
    return tuple(signatures)


def _is_valid(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
