"""Certificate authorities for tests, what they sign, and servers that ask for it."""

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
LOOPBACK = ("127.0.0.1",)


class Issued(msgspec.Struct, frozen=True):
    """A certificate and its key, PEM."""

    certificate: str
    key: str


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key, password: str | None = None) -> str:
    protection: KeySerializationEncryption = NoEncryption() if password is None else BestAvailableEncryption(password.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection).decode()


class Authority:
    """A root; `pem` is its certificate."""

    def __init__(self, name: str = "Test root", *, days: int = 30) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        built = _builder(self._name, self._name, days).public_key(self._key.public_key())
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._certificate = built.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(Encoding.PEM).decode()

    def issue(
        self, name: str = "somebody", *, addresses: Sequence[str] = LOOPBACK, names: Sequence[str] = (), days: int = 30, starts: int = -60,
        key: Key | None = None,
    ) -> Issued:  # fmt: skip
        """Valid for `days` from now, and since `starts` days."""
        key = key or new_key()
        alternatives = [x509.DNSName(each) for each in names] + [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        built = _builder(_named(name), self._name, days, starts).public_key(key.public_key())
        built = built.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = built.sign(self._key, hashes.SHA256())
        return Issued(certificate.public_bytes(Encoding.PEM).decode(), key_pem(key))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, days: int, starts: int = -60) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    start, end = now + datetime.timedelta(days=starts), now + datetime.timedelta(days=days)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).serial_number(x509.random_serial_number())
    return made.not_valid_before(start).not_valid_after(end)


def server_context(issued: Issued, *, clients: Authority | None = None) -> ssl.SSLContext:
    """A server's; with `clients` it takes only those who have a certificate of theirs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        certificate.write_text(issued.certificate)
        key.write_text(issued.key)
        context.load_cert_chain(certificate, key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.pem)
    return context
