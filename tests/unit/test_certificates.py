"""Certificates and keys as customers bring them: what is taken, and with which reason anything else is refused."""

import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from hookwright.domain.access import Tls
from hookwright.domain.certificates import MAX_PEM, read_tls, show_certificates
from hookwright.errors import Problem
from hookwright.sender import TlsIdentity
from hookwright.senders.identities import identity_context
from tests.certificates import Authority, Key, key_pem, new_key

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
