"""Signing and verifying, against the specification's vectors and against what lax verifiers let through."""

import base64
import re
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from hookwright.signing import VerificationError, verify
from hookwright.signing.secrets import Secret, generate, generate_asymmetric, parse, parse_signing
from hookwright.signing.signatures import HmacSigner, headers, sign, signer
from hookwright.signing.verification import Verifier

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
NOW = AT * 1000
BODY = b'{"test": 2432232314}'
GOOD = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
GOOD_V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def request(signature: str = GOOD, message_id: str = ID, timestamp: str = str(AT), prefix: str = "webhook-") -> dict[str, str]:
    return {prefix + "id": message_id, prefix + "timestamp": timestamp, prefix + "signature": signature}


@pytest.mark.parametrize(
    ("secret", "message_id", "at", "body", "signature"),
    [
        (SECRET, ID, AT, BODY, GOOD),
        (
            OTHER,
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1649367553,
            b'{"email":"test@example.com","username":"test_user"}',
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (PRIVATE, ID, AT, BODY, GOOD_V1A),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr", ID, AT, BODY, "v1,yK2tMbA6BHPrMEJ1lLv7UlJJbgFoqGenJkiajZ29evg="),
        (SECRET, ID, AT, b"", "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A="),
        (SECRET, ID, AT, b"\xff\xfe\x00", "v1,3jg4eW7u8bRdDDGq2uq+cH74GMn0QRxtzvZDV5Akycg="),
        (SECRET, ID, AT, '{"é":"☃"}'.encode(), "v1,WKJ19kh8MXzvChTZyLDVaJzd/4JEdTdRxuTLy7o1qws="),
    ],
)
def test_the_published_vectors_are_met_both_ways(secret: str, message_id: str, at: int, body: bytes, signature: str) -> None:
    assert sign([signer(secret)], message_id, at, body) == signature
    verify(request(signature, message_id, str(at)), body, [secret], at * 1000)


def test_the_vector_of_a_23_byte_key_is_met() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS=")
    assert len(key) == 23
    assert sign([HmacSigner(key)], ID, AT, BODY) == "v1,LVOXivKoo4FWasi/IaHvzhE/u+7/cu2AME+zS/nXqzk="


def test_a_public_key_verifies_what_its_private_key_signed() -> None:
    verify(request(GOOD_V1A), BODY, [PUBLIC], NOW)


def test_the_public_half_of_a_secret_is_the_published_one() -> None:
    assert parse(PRIVATE).public_text == PUBLIC


def test_every_live_secret_signs_in_order_and_each_alone_verifies() -> None:
    value = sign([signer(PRIVATE), signer(SECRET), signer(OTHER)], ID, AT, BODY)
    assert [entry.partition(",")[0] for entry in value.split(" ")] == ["v1a", "v1", "v1"]
    for secret in (PUBLIC, SECRET, OTHER):
        verify(request(value), BODY, [secret], NOW)


def test_signing_without_a_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="no secret"):
        sign([], ID, AT, BODY)


@pytest.mark.parametrize("message_id", ["a.1", ""])
def test_an_id_that_could_be_confused_is_not_signed(message_id: str) -> None:
    with pytest.raises(ValueError, match="dot"):
        sign([signer(SECRET)], message_id, AT, BODY)


@pytest.mark.parametrize(
    ("style", "names"),
    [
        ("standard", ["webhook-id", "webhook-timestamp", "webhook-signature"]),
        ("svix", ["svix-id", "svix-timestamp", "svix-signature"]),
        ("both", ["webhook-id", "webhook-timestamp", "webhook-signature", "svix-id", "svix-timestamp", "svix-signature"]),
    ],
)
def test_the_header_set_follows_the_style(style: str, names: list[str]) -> None:
    made = headers(ID, AT, GOOD, style)  # type: ignore[arg-type]
    assert [name for name, _ in made] == names
    verify(made, BODY, [SECRET], NOW)


def test_the_reference_library_accepts_what_we_sign() -> None:
    now = int(time.time())
    value = sign([signer(OTHER), signer(SECRET)], ID, now, BODY)
    assert Webhook(SECRET).verify(BODY, dict(headers(ID, now, value))) == {"test": 2432232314}


def test_the_reference_library_refuses_a_changed_body_of_ours() -> None:
    now = int(time.time())
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", dict(headers(ID, now, sign([signer(SECRET)], ID, now, BODY))))


def test_we_accept_what_the_reference_library_signs() -> None:
    value = Webhook(SECRET).sign(ID, datetime.fromtimestamp(AT, UTC), BODY.decode())
    verify(request(value), BODY, [SECRET], NOW)


# Verifying: what is accepted


@pytest.mark.parametrize(
    "given",
    [
        request(),
        request(prefix="svix-"),
        {name.title(): value for name, value in request().items()},
        {name.upper().encode(): value.encode() for name, value in request().items()},
        list(request().items()),
        [(name.encode(), value.encode()) for name, value in request().items()],
        {**request(), **request("v1,bad", prefix="svix-")},
    ],
    ids=["standard", "svix", "title case", "bytes", "pairs", "byte pairs", "standard wins over svix"],
)
def test_headers_are_read_in_every_shape_that_frameworks_give(given: object) -> None:
    verify(given, BODY, [SECRET], NOW)  # type: ignore[arg-type]


def test_one_match_in_a_list_is_enough() -> None:
    other = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
    verify(request(f"{other} v2,{other[3:]} {GOOD} {other}"), BODY, [OTHER, SECRET], NOW)


def test_sixteen_signatures_are_read() -> None:
    verify(request(" ".join(["v2,x"] * 15 + [GOOD])), BODY, [SECRET], NOW)


@pytest.mark.parametrize("offset", [-300_000, 300_000])
def test_five_minutes_either_way_are_tolerated(offset: int) -> None:
    verify(request(), BODY, [SECRET], NOW + offset)


# Verifying: what is refused, always by the same exception


@pytest.mark.parametrize(
    "signature",
    [
        "",
        " ",
        "v1",
        "v1,",
        "v1,invalid_signature",
        "invalid_signature",
        GOOD[:8],
        "v2," + GOOD[3:],
        GOOD + ",x",
        " " + GOOD,
        GOOD + " ",
        GOOD + "  " + GOOD,
        GOOD + "\n",
        "v1,!!!" + GOOD[3:],
        GOOD[:-1],
        GOOD[:-2] + "F=",
        GOOD.replace("+", "-"),
        "v1," + GOOD[3:20] + "\t" + GOOD[20:],
        "v1a," + GOOD[3:],
        "v1," + GOOD_V1A[4:],
        " ".join([GOOD] * 17),
        " ".join(["v1," + "A" * 44] * 1000),
        "v1," + "A" * 65536,
        "ｖ1," + GOOD[3:],
        "v1,é" + GOOD[4:],
    ],
)
def test_a_signature_that_is_not_exactly_right_is_refused(signature: str) -> None:
    with pytest.raises(VerificationError):
        verify(request(signature), BODY, [SECRET], NOW)


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "hello",
        f" {AT}",
        f"{AT} ",
        f"+{AT}",
        f"-{AT}",
        f"0{AT}",
        "1_614265330",
        f"{AT}.9",
        "1.6e9",
        "１６１４２６５３３０",
        "9" * 13,
        "9" * 5000,
    ],
)
def test_a_timestamp_in_any_other_spelling_is_refused(timestamp: str) -> None:
    value = sign([signer(SECRET)], ID, timestamp, BODY)  # type: ignore[arg-type]  # a signer that is as lax as the header
    with pytest.raises(VerificationError):
        verify(request(value, timestamp=timestamp), BODY, [SECRET], NOW)


@pytest.mark.parametrize("offset", [-300_001, 300_001, -(10**12), 10**15])
def test_beyond_the_tolerance_is_refused(offset: int) -> None:
    with pytest.raises(VerificationError, match="timestamp"):
        verify(request(), BODY, [SECRET], NOW + offset)


@pytest.mark.parametrize("message_id", ["", "a.1", "é", "a b", "a" * 257, "a\n"])
def test_an_id_that_could_be_confused_is_refused(message_id: str) -> None:
    content = f"{message_id}.{AT}.".encode() + BODY
    with pytest.raises(VerificationError):
        verify(request(HmacSigner(parse(SECRET).key).sign(content), message_id), BODY, [SECRET], NOW)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused_by_name(missing: str) -> None:
    given = request()
    del given[missing]
    with pytest.raises(VerificationError, match=f"{missing} is missing"):
        verify(given, BODY, [SECRET], NOW)


@pytest.mark.parametrize("doubled", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_doubled_header_is_refused_even_when_both_agree(doubled: str) -> None:
    given = [*request().items(), (doubled.upper(), request()[doubled])]
    with pytest.raises(VerificationError, match="more than once"):
        verify(given, BODY, [SECRET], NOW)


@pytest.mark.parametrize("given", [None, 7, [1], [("a",)], ["webhook-id"], {"webhook-id": 1}, {"webhook-id": ["a"]}, {1: 2}, {}, []])
def test_what_is_no_headers_is_refused_by_the_same_exception(given: object) -> None:
    with pytest.raises(VerificationError):
        verify(given, BODY, [SECRET], NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("secrets", [[], [""], ["whsec_"], [b""], ["whsec_!!!"], [None], None])
def test_an_unusable_secret_verifies_nothing(secrets: object) -> None:
    with pytest.raises(VerificationError):
        verify(request(), BODY, secrets, NOW)  # type: ignore[arg-type]


def test_an_unusable_secret_is_seen_when_a_verifier_is_prepared() -> None:
    with pytest.raises(ValueError, match="no secret"):
        Verifier([])


def test_a_body_that_is_text_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="bytes"):
        verify(request(), BODY.decode(), [SECRET], NOW)  # type: ignore[arg-type]


def test_another_body_another_id_and_another_time_are_refused() -> None:
    for changed, body in ((request(), BODY + b"\n"), (request(message_id="msg_other"), BODY), (request(timestamp=str(AT + 1)), BODY)):
        with pytest.raises(VerificationError, match="no signature matches"):
            verify(changed, body, [SECRET], NOW)


def test_verifying_needs_neither_the_rest_of_the_package_nor_its_dependencies() -> None:
    code = """
import sys
import hookwright.signing, hookwright.signing.diagnosis
loaded = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
ours = {name for name in sys.modules if name.startswith("hookwright.")}
print(sorted(loaded & {"msgspec", "aiohttp", "pydantic", "yarl", "idna"}))
print(sorted(name for name in ours if not name.startswith("hookwright.signing")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['hookwright.errors']"]


# Secrets


def test_a_generated_secret_holds_24_bytes_of_the_given_entropy() -> None:
    text = generate(lambda size: bytes(range(size)))
    assert text == "whsec_" + base64.b64encode(bytes(range(24))).decode()
    assert parse_signing(text) == Secret("hmac", bytes(range(24)))


def test_a_generated_asymmetric_secret_signs_and_its_public_half_verifies() -> None:
    text = generate_asymmetric(lambda size: bytes(range(size)))
    value = sign([signer(text)], ID, AT, BODY)
    verify(request(value), BODY, [parse(text).public_text], NOW)


@pytest.mark.parametrize("text", [SECRET, PRIVATE, PUBLIC])
def test_a_secret_is_written_as_it_was_read(text: str) -> None:
    assert parse(text).text == text


def test_a_symmetric_secret_may_lack_prefix_and_padding() -> None:
    assert parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr") == parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBg==")


@pytest.mark.parametrize("size", [24, 75])
def test_the_shortest_and_the_longest_symmetric_secret_are_accepted(size: int) -> None:
    assert len(parse("whsec_" + base64.b64encode(b"k" * size).decode()).key) == size


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("whsec_", "empty"),
        ("whsec_" + base64.b64encode(b"k" * 23).decode(), "24 to 75 bytes, this one 23"),
        ("whsec_" + base64.b64encode(b"k" * 76).decode(), "24 to 75 bytes, this one 76"),
        ("whsec_" + "A" * 10_000, "too long"),
        (SECRET + "\n", "not base64"),
        (" " + SECRET, "not base64"),
        (SECRET.replace("q", "_"), "not base64"),
        (SECRET.replace("q", "é"), "not base64"),
        ("whsk_" + base64.b64encode(b"k" * 32).decode(), "64 bytes"),
        ("whsk_" + base64.b64encode(b"k" * 64).decode(), "do not belong together"),
        ("whpk_" + base64.b64encode(b"k" * 31).decode(), "32 bytes"),
        (PUBLIC, "cannot sign"),
    ],
)
def test_a_secret_that_cannot_sign_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_signing(text)


def test_no_secret_shows_in_a_repr_or_in_a_refusal() -> None:
    secret = parse(SECRET)
    assert re.search("Mf|key|b'", repr(secret) + str(secret) + f"{secret}") is None
    with pytest.raises(ValueError) as caught:
        parse("whsk_" + SECRET[6:])
    assert SECRET[6:] not in str(caught.value)
