"""Certificates and keys that customers give us, as PEM: what is taken, in which form it is kept, and what is shown of it. Pure.

What a TLS library would refuse later, in the middle of a delivery, is refused here with its reason. And so is what would take it long:
a key is read by the process that answers everybody, and signs in the loop that sends to everybody. A library that is given a DSA key
of 60,000 bits, or asked whether the factors of an RSA key of 16,384 are primes, is busy for minutes. So only keys of the kinds and
sizes that are in use reach it, and of RSA the arithmetic is checked, which costs nothing, instead of the primes: whoever sets a
wrong key hurts nobody but themselves.
"""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from hookwright.domain.access import Tls
from hookwright.errors import Problem

R = TypeVar("R")
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
MAX_PEM = 65_536
MAX_CHAIN, MAX_CAS = 10, 32
LEAST_RSA, MOST_RSA, LEAST_EC = 2048, 4096, 256
MOST_EXPONENT = 64
"""Bits of the public one, by which each signature is blinded."""
_BROKEN = (hashes.MD5, hashes.SHA1)
"""TLS libraries do not accept them in a certificate's signature any more."""
_LABEL = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----([A-Za-z0-9+/=\s]*)")
_LABELS = ("RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
"""Of keys of which the kind is known without a look; RFC 7468, 10 and 11."""
_KIND = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]\x30(?:[\x00-\x7f]|\x81.|\x82..)\x06"
    rb"(?:\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01|\x07\x2a\x86\x48\xce\x3d\x02\x01|\x03\x2b\x65\x70)",
    re.DOTALL,
)
"""How a PKCS #8 key begins (RFC 5958, 2) that is RSA, EC or Ed25519."""
_OTHER_KIND = "is of a kind that TLS does not take; RSA, EC and Ed25519 are"


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of one. Times are Unix ms; names as in RFC 4514; `fingerprint` is SHA-256, in hex."""

    subject: str
    issuer: str
    not_before: int
    not_after: int
    fingerprint: str


class _Refused(Exception):
    """The text says why, and what would be right."""


def read_tls(certificate: str | None, key: str | None, ca: str | None, now: int, problems: list[Problem]) -> Tls:
    """What is kept of it (of no use if there were problems). `now` is Unix ms. No problem repeats a key."""
    if not (certificate or key or ca):
        problems.append(Problem(("body",), "holds neither `certificate` and `key` nor `ca`; DELETE removes what is set"))
    if bool(certificate) != bool(key):
        missing = "key" if certificate else "certificate"
        problems.append(Problem(("body", missing), "is missing: a client certificate and its key are set together"))
    chain = _attempt("certificate", problems, lambda: _read_certificates(certificate, MAX_CHAIN, now))
    private = _attempt("key", problems, lambda: _read_key(key))
    authorities = _attempt("ca", problems, lambda: _read_certificates(ca, MAX_CAS, now))
    if chain and private:
        _attempt("key", problems, lambda: _check_pair(chain[0], private))
    return Tls(_certificates(chain), _private(private), _certificates(authorities), _ms(chain[0].not_valid_after_utc) if chain else None)


def show_certificates(pem: str | None) -> list[Certificate]:
    """Of text that `read_tls` took."""
    return [_show(one) for one in x509.load_pem_x509_certificates(pem.encode())] if pem else []


def _attempt(field: str, problems: list[Problem], read: Callable[[], R]) -> R | None:
    try:
        return read()
    except _Refused as error:
        problems.append(Problem(("body", field), str(error)))
        return None


def _read_certificates(pem: str | None, most: int, now: int) -> list[x509.Certificate]:
    if not pem:
        return []
    try:
        found = x509.load_pem_x509_certificates(_ascii(pem))
        for each in found:
            _check_certificate(each, datetime.fromtimestamp(now / 1000, UTC))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _Refused("is no certificate in PEM; it should begin with -----BEGIN CERTIFICATE-----") from error
    if len(found) > most:
        raise _Refused(f"holds {len(found)} certificates; {most} at most are taken")
    return found


def _check_certificate(certificate: x509.Certificate, now: datetime) -> None:
    name = certificate.subject.rfc4514_string() or "the certificate"
    if certificate.not_valid_after_utc <= now:
        raise _Refused(f"has expired: {name} was valid until {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if certificate.not_valid_before_utc > now:
        raise _Refused(f"is not valid yet: {name} is from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on")
    signed_by_itself = certificate.subject == certificate.issuer
    if isinstance(certificate.signature_hash_algorithm, _BROKEN) and not signed_by_itself:
        raise _Refused(f"is signed with {certificate.signature_hash_algorithm.name}, which TLS does not accept any more: {name}")
    certificate.public_key()


def _read_key(pem: str | None) -> PrivateKey | None:
    if not pem:
        return None
    try:
        text = _ascii(pem)
        _check_kind(pem)
        key = load_pem_private_key(text, None, unsafe_skip_rsa_key_validation=True)
    except TypeError as error:  # it asks for a password
        raise _Refused(
            "is encrypted with a password, which nobody could enter here; decrypt it (openssl pkey -in key.pem -out plain.pem), it is "
            "sealed when it is stored"
        ) from error
    except (ValueError, UnsupportedAlgorithm, InternalError) as error:
        raise _Refused("is no private key in PEM; it should begin with -----BEGIN PRIVATE KEY-----") from error
    if isinstance(key, RSAPrivateKey):
        _check_rsa(key)
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.key_size < LEAST_EC:
        raise _Refused(f"is an EC key of {key.curve.key_size} bits; {LEAST_EC} at least are taken")
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise _Refused(_OTHER_KIND)
    return key


def _check_kind(pem: str) -> None:
    """Before a library reads it. Raises ValueError for what is not there, or more than once."""
    ((label, body),) = _LABEL.findall(pem)
    if label in _LABELS:
        return
    if label != "PRIVATE KEY" or _KIND.match(base64.b64decode("".join(body.split())[:64])) is None:
        raise _Refused(_OTHER_KIND)


def _check_rsa(key: RSAPrivateKey) -> None:
    if key.key_size < LEAST_RSA:
        raise _Refused(f"is an RSA key of {key.key_size} bits; TLS needs {LEAST_RSA} at least")
    if key.key_size > MOST_RSA:
        raise _Refused(
            f"is an RSA key of {key.key_size} bits; {MOST_RSA} at most are taken, because larger ones hold up everybody's deliveries"
        )
    numbers = key.private_numbers()
    p, q, d, public = numbers.p, numbers.q, numbers.d, numbers.public_numbers
    sound = (
        p > 1 and q > 1 and p * q == public.n and 0 < d < public.n and public.e.bit_length() <= MOST_EXPONENT
        and public.e * d % (p - 1) == public.e * d % (q - 1) == 1
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1)) and 0 < numbers.iqmp < p and numbers.iqmp * q % p == 1
    )  # fmt: skip
    if not sound:
        raise _Refused("is an RSA key of which the numbers do not fit each other")


def _check_pair(certificate: x509.Certificate, key: PrivateKey) -> None:
    theirs, ours = (
        each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for each in (certificate.public_key(), key.public_key())
    )
    if theirs != ours:
        raise _Refused("does not belong to the certificate (the first one, if there are several)")


def _ascii(pem: str) -> bytes:
    if len(pem) > MAX_PEM:
        raise _Refused(f"is longer than {MAX_PEM} characters")
    return pem.encode("ascii")


def _certificates(found: list[x509.Certificate] | None) -> str | None:
    return "".join(each.public_bytes(Encoding.PEM).decode("ascii") for each in found) if found else None


def _private(key: PrivateKey | None) -> str | None:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii") if key else None


def _show(certificate: x509.Certificate) -> Certificate:
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=_ms(certificate.not_valid_before_utc),
        not_after=_ms(certificate.not_valid_after_utc),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
