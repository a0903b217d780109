"""Certificates and keys as customers bring them: what is taken, and with which reason anything else is refused."""

import datetime
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hookwright.domain.access import Tls
from hookwright.domain.certificates import MAX_PEM, read_tls, show_certificates
from hookwright.errors import Problem
from hookwright.sender import TlsIdentity
from hookwright.senders.identities import identity_context
from tests.certificates import Authority, Key, key_pem, new_key
from tests.der import integer, octets, pem, sequence

ROOT = Authority("root")
CLIENT = ROOT.issue("acme")
DAY = 86_400_000


def now_ms() -> int:
    return round(datetime.datetime.now(datetime.UTC).timestamp() * 1000)


def read(
    certificate: str | None = None, key: str | None = None, ca: str | None = None, *, now: int | None = None
) -> tuple[Tls, list[Problem]]:
    problems: list[Problem] = []
    return read_tls(certificate, key, ca, now_ms() if now is None else now, problems), problems


def refusal(*given: str | None, now: int | None = None) -> dict[str, str]:
    """By place, what is wrong."""
    certificate, key, ca = (*given, None, None, None)[:3]
    _, problems = read(certificate, key, ca, now=now)
    return {".".join(problem.loc): problem.msg for problem in problems}


@pytest.mark.parametrize(
    "key",
    [new_key(), ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()],
    ids=["P-256", "P-384", "RSA", "Ed25519"],
)
def test_a_certificate_with_its_key_is_taken_and_openssl_takes_what_is_kept(key: Key) -> None:
    issued = ROOT.issue("acme", key=key)
    tls, problems = read(issued.certificate, issued.key, ROOT.pem)
    assert problems == []
    identity_context(TlsIdentity(tls.certificate, tls.key, tls.ca))
    (shown,) = show_certificates(tls.certificate)
    assert (shown.subject, shown.issuer, shown.not_after) == ("CN=acme", "CN=root", tls.expires_at)


def test_a_chain_is_taken_with_text_around_it_and_kept_without() -> None:
    tls, problems = read(f"Bag Attributes: x\n{CLIENT.certificate}\n# the root:\n{ROOT.pem}", CLIENT.key)
    assert problems == []
    assert [one.subject for one in show_certificates(tls.certificate)] == ["CN=acme", "CN=root"]
    assert "Bag" not in str(tls.certificate)


def test_a_ca_alone_is_taken() -> None:
    tls, problems = read(ca=ROOT.pem + Authority("other").pem)
    assert (problems, tls.certificate, tls.key, tls.expires_at) == ([], None, None, None)
    assert [one.subject for one in show_certificates(tls.ca)] == ["CN=root", "CN=other"]


def test_nothing_at_all_is_a_mistake() -> None:
    assert list(refusal()) == ["body"]


def test_a_certificate_without_a_key_and_a_key_without_a_certificate_are_told_what_is_missing() -> None:
    assert "missing" in refusal(CLIENT.certificate)["body.key"]
    assert "missing" in refusal(None, CLIENT.key)["body.certificate"]


def test_a_key_of_another_certificate_is_refused() -> None:
    assert "does not belong" in refusal(CLIENT.certificate, ROOT.issue("other").key)["body.key"]


def test_an_expired_certificate_is_refused_with_its_date() -> None:
    issued = ROOT.issue("acme", days=-1)
    message = refusal(issued.certificate, issued.key)["body.certificate"]
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    assert f"has expired: CN=acme was valid until {yesterday:%Y-%m-%d}" in message


def test_an_expired_ca_is_refused() -> None:
    assert "has expired" in refusal(None, None, ROOT.pem, now=now_ms() + 40 * DAY)["body.ca"]


def test_a_certificate_of_the_future_is_refused() -> None:
    issued = ROOT.issue("acme", starts=5)
    assert "is not valid yet" in refusal(issued.certificate, issued.key)["body.certificate"]


def test_a_key_with_a_password_is_refused_with_the_way_to_decrypt_it() -> None:
    key = new_key()
    issued = ROOT.issue("acme", key=key)
    message = refusal(issued.certificate, key_pem(key, "secret"))["body.key"]
    assert "openssl pkey -in key.pem -out plain.pem" in message


def test_a_weak_rsa_key_is_refused() -> None:
    issued = ROOT.issue("acme", key=rsa.generate_private_key(65537, 1024))
    assert "1024 bits" in refusal(issued.certificate, issued.key)["body.key"]


def test_an_rsa_key_that_is_too_large_is_refused_before_anybody_computes_with_it() -> None:
    """Whether its factors, of 9,941 and 9,689 bits, are primes would take minutes."""
    began = time.process_time()
    for bits, key in ((8676, rsa_of(2**4423 - 1, 2**4253 - 1)), (19_630, rsa_of(2**9941 - 1, 2**9689 - 1))):
        assert f"{bits} bits" in refusal(CLIENT.certificate, key)["body.key"]
    assert time.process_time() - began < 2


def test_an_rsa_key_of_which_the_numbers_do_not_fit_is_refused() -> None:
    """A private exponent of 40,000 bits would make each handshake take a second."""
    good = rsa.generate_private_key(65537, 2048).private_numbers()
    p, q, d = good.p, good.q, good.d
    much = d + (p - 1) * (q - 1) * 2**38_000
    for other in ({"d": much}, {"dmp1": good.dmp1 + (p - 1) * 2**38_000}, {"iqmp": good.iqmp + 1}, {"d": d + 2}):
        assert "do not fit" in refusal(CLIENT.certificate, key_of(good, **other))["body.key"]


def rsa_of(p: int, q: int) -> str:
    """The PEM of a key with these factors."""
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    return key_of(rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public))


def key_of(numbers: rsa.RSAPrivateNumbers, **other: int) -> str:
    """As PKCS #1 has it (RFC 8017, A.1.2), whatever is in it."""
    found = {name: getattr(numbers, name) for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp")} | other
    public = numbers.public_numbers
    integers = (0, public.n, public.e, found["d"], found["p"], found["q"], found["dmp1"], found["dmq1"], found["iqmp"])
    return pem("RSA PRIVATE KEY", sequence(*map(integer, integers)))


@pytest.mark.parametrize("label", ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY", "OPENSSH PRIVATE KEY"])
@pytest.mark.parametrize("bits", [2048, 20_000, 120_000])
@pytest.mark.parametrize("kind", ["2a8648ce380401", "2a864886f70d010301", "2a8648ce3e0201"], ids=["DSA", "DH", "DHX"])
def test_a_key_of_another_kind_is_refused_before_anybody_computes_with_it(label: str, bits: int, kind: str) -> None:
    """Its public half would be computed when it is read; with numbers as large as these that takes minutes."""
    algorithm = bytes.fromhex(kind)
    p, q, secret = (1 << bits) - 1, (1 << 255) + 95, (1 << (bits - 2)) - 3
    name = b"\x06" + bytes([len(algorithm)]) + algorithm
    key = sequence(integer(0), sequence(name, sequence(integer(p), integer(q), integer(3))), octets(integer(secret)))
    began = time.process_time()
    assert refusal(CLIENT.certificate, pem(label, key))["body.key"].startswith("is ")
    assert time.process_time() - began < 1


def test_two_keys_in_one_text_are_refused() -> None:
    assert "BEGIN PRIVATE KEY" in refusal(CLIENT.certificate, CLIENT.key + CLIENT.key)["body.key"]


def test_keys_are_taken_in_each_form_that_openssl_writes() -> None:
    for key in (
        rsa.generate_private_key(65537, 2048),
        rsa.generate_private_key(65537, 4096),
        new_key(),
        ed25519.Ed25519PrivateKey.generate(),
    ):
        issued = ROOT.issue("acme", key=key)
        forms = (
            [PrivateFormat.PKCS8] if isinstance(key, ed25519.Ed25519PrivateKey) else [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL]
        )
        for form in forms:
            text = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
            assert read(issued.certificate, f"Bag Attributes\n    friendlyName: acme\n{text}")[1] == []


@pytest.mark.parametrize(
    "text", ["nonsense", "é", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\0", CLIENT.certificate[:200]]
)
def test_what_is_no_pem_is_refused_with_what_would_be_right(text: str) -> None:
    assert "BEGIN CERTIFICATE" in refusal(None, None, text)["body.ca"]
    assert "BEGIN PRIVATE KEY" in refusal(CLIENT.certificate, text)["body.key"]


def test_a_key_where_a_certificate_belongs_is_refused_and_not_repeated() -> None:
    messages = refusal(CLIENT.key, CLIENT.certificate, CLIENT.key)
    assert set(messages) == {"body.certificate", "body.key", "body.ca"}
    assert CLIENT.key[40:60] not in str(messages)


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert set(refusal("x", "y", "z")) == {"body.certificate", "body.key", "body.ca"}


def test_too_many_and_too_long_are_refused() -> None:
    assert "11 certificates" in refusal(CLIENT.certificate * 11, CLIENT.key)["body.certificate"]
    assert "longer than" in refusal(None, None, ROOT.pem + " " * MAX_PEM)["body.ca"]
