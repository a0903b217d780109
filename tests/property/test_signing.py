"""Signing and verifying under any input: what we sign verifies, nothing else does, and only one exception escapes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookwright.signing import VerificationError, verify
from hookwright.signing.diagnosis import diagnose
from hookwright.signing.secrets import Secret, parse
from hookwright.signing.signatures import headers, sign, signer

AT = 1_700_000_000
ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="."), min_size=1, max_size=64)
keys = st.binary(min_size=24, max_size=75)
texts = st.one_of(st.text(max_size=80), st.binary(max_size=80))


@given(keys, ids, st.binary(max_size=200))
def test_what_we_sign_verifies(key: bytes, message_id: str, body: bytes) -> None:
    secret = Secret("hmac", key)
    verify(headers(message_id, AT, sign([signer(secret)], message_id, AT, body)), body, [secret.text], AT * 1000)


@given(keys, keys, st.binary(max_size=50))
def test_another_key_never_verifies(key: bytes, other: bytes, body: bytes) -> None:
    if key.ljust(64, b"\0") == other.ljust(64, b"\0"):  # HMAC pads short keys with zeros: these two are one key
        return
    given_headers = headers("msg_a", AT, sign([signer(Secret("hmac", key))], "msg_a", AT, body))
    try:
        verify(given_headers, body, [Secret("hmac", other)], AT * 1000)
    except VerificationError:
        return
    raise AssertionError("a forgery was accepted")


@given(
    st.one_of(
        st.dictionaries(texts, texts),
        st.lists(st.tuples(texts, texts)),
        st.fixed_dictionaries({"webhook-id": texts, "webhook-timestamp": st.one_of(st.just(str(AT)), texts), "webhook-signature": texts}),
        st.none(),
        st.lists(st.integers()),
    ),
    st.binary(max_size=40),
    st.one_of(st.lists(st.text(max_size=40)), st.just(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])),
)
def test_no_input_verifies_by_chance_or_raises_anything_else(given_headers: Any, body: bytes, secrets: list[str]) -> None:
    try:
        verify(given_headers, body, secrets, AT * 1000)
    except VerificationError:
        return
    raise AssertionError("a forgery was accepted")


@given(
    st.one_of(
        st.lists(st.tuples(texts, texts)),
        st.fixed_dictionaries(
            {
                "webhook-id": texts,
                "webhook-timestamp": st.one_of(st.just(str(AT)), texts),
                "webhook-signature": st.one_of(texts, st.just("v2,x")),
            }
        ),
    ),
    st.binary(max_size=40),
    st.lists(st.text(max_size=40)),
)
def test_a_diagnosis_never_fails_and_never_approves_by_chance(given_headers: Any, body: bytes, secrets: list[str]) -> None:
    findings = diagnose(given_headers, body, secrets, AT * 1000)
    assert findings
    assert not all(finding.ok for finding in findings)


@given(keys)
def test_a_secret_survives_being_written(key: bytes) -> None:
    assert parse(Secret("hmac", key).text) == Secret("hmac", key)
