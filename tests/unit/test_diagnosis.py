"""The words that a developer reads when a webhook does not verify."""

import base64
import json

import pytest

from hookwright.signing.diagnosis import Finding, diagnose
from hookwright.signing.signatures import HmacSigner, headers, sign, signer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
NOW = AT * 1000
BODY = b'{"test": 2432232314, "name": "caf\xc3\xa9"}'


def signed(body: bytes = BODY, secret: str = SECRET, at: int = AT) -> dict[str, str]:
    return dict(headers(ID, at, sign([signer(secret)], ID, at, body)))


def with_mac(key: bytes, content: bytes) -> dict[str, str]:
    return dict(headers(ID, AT, HmacSigner(key).sign(content)))


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_a_genuine_request_has_nothing_against_it() -> None:
    findings = diagnose(signed(), BODY, [OTHER, SECRET], NOW)
    assert codes(findings) == ["verified"]
    assert all(finding.ok for finding in findings)


@pytest.mark.parametrize("part", ["id", "timestamp", "signature"])
def test_a_missing_header_is_named(part: str) -> None:
    given = signed()
    del given[f"webhook-{part}"]
    (finding,) = diagnose(given, BODY, [SECRET], NOW)
    assert finding == Finding("missing_header", False, f"The header webhook-{part} is missing.")


def test_a_doubled_header_is_counted() -> None:
    (finding,) = diagnose([*signed().items(), ("Webhook-Id", ID)], BODY, [SECRET], NOW)
    assert finding.code == "duplicate_header"
    assert "2 times" in finding.text


@pytest.mark.parametrize(("offset", "code", "words"), [(400_000, "too_old", "400 s old"), (-301_000, "too_new", "301 s in the future")])
def test_a_timestamp_out_of_tolerance_says_by_how_much_and_that_the_signature_is_right(offset: int, code: str, words: str) -> None:
    findings = diagnose(signed(), BODY, [SECRET], NOW + offset)
    assert codes(findings) == [code, "verified"]
    assert words in findings[0].text


def test_milliseconds_in_the_header_are_recognised() -> None:
    given = dict(headers(ID, NOW, sign([signer(SECRET)], ID, NOW, BODY)))
    assert codes(diagnose(given, BODY, [SECRET], NOW)) == ["milliseconds"]


def test_another_secret_is_the_last_explanation_left() -> None:
    assert codes(diagnose(signed(), BODY, [OTHER], NOW)) == ["no_match"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (BODY + b"\n", "with a line break (LF) at its end"),
        (BODY + b"\r\n", "with a line break (CRLF) at its end"),
        (json.dumps(json.loads(BODY), separators=(",", ":"), ensure_ascii=False).encode(), "compact JSON"),
        (json.dumps(json.loads(BODY), indent=2, ensure_ascii=False).encode(), "indented by 2"),
        (json.dumps(json.loads(BODY)).encode(), "other characters escaped"),
        (json.dumps(json.loads(BODY), sort_keys=True, ensure_ascii=False).encode(), "sorted keys"),
    ],
)
def test_a_body_that_was_rewritten_is_recognised(sent: bytes, words: str) -> None:
    (finding,) = diagnose(signed(sent), BODY, [SECRET], NOW)
    assert finding.code == "body_changed"
    assert words in finding.text


def test_a_line_break_that_was_added_is_recognised() -> None:
    (finding,) = diagnose(signed(), BODY + b"\n", [SECRET], NOW)
    assert "without the line break" in finding.text


def test_changed_line_endings_are_recognised() -> None:
    (finding,) = diagnose(signed(b"a\r\nb"), b"a\nb", [SECRET], NOW)
    assert "CRLF instead of LF" in finding.text


@pytest.mark.parametrize(
    ("key", "words"), [(SECRET.encode(), "prefix included"), (SECRET[6:].encode(), "instead of its base64-decoded bytes")]
)
def test_a_secret_used_as_text_is_recognised(key: bytes, words: str) -> None:
    (finding,) = diagnose(with_mac(key, f"{ID}.{AT}.".encode() + BODY), BODY, [SECRET], NOW)
    assert finding.code == "raw_secret"
    assert words in finding.text


def test_a_secret_with_a_line_break_is_said_to_have_one_and_to_be_right_otherwise() -> None:
    findings = diagnose(signed(), BODY, [SECRET + "\n"], NOW)
    assert codes(findings) == ["bad_secret", "raw_secret"]
    assert "white space" in findings[0].text


def test_a_secret_that_is_too_short_is_said_to_be_so() -> None:
    key = b"k" * 10
    findings = diagnose(with_mac(key, f"{ID}.{AT}.".encode() + BODY), BODY, [base64.b64encode(key).decode()], NOW)
    assert codes(findings) == ["bad_secret", "raw_secret"]


def test_swapped_header_values_are_recognised() -> None:
    given = signed()
    given["webhook-id"], given["webhook-timestamp"] = given["webhook-timestamp"], given["webhook-id"]
    assert codes(diagnose(given, BODY, [SECRET], NOW)) == ["swapped"]


def test_swapped_parts_of_the_signed_content_are_recognised() -> None:
    key = base64.b64decode(SECRET[6:])
    assert codes(diagnose(with_mac(key, f"{AT}.{ID}.".encode() + BODY), BODY, [SECRET], NOW)) == ["swapped"]


def test_milliseconds_in_the_signed_content_are_recognised() -> None:
    key = base64.b64decode(SECRET[6:])
    assert codes(diagnose(with_mac(key, f"{ID}.{AT}000.".encode() + BODY), BODY, [SECRET], NOW)) == ["other_timestamp"]


@pytest.mark.parametrize(("made_with", "given", "words"), [(PRIVATE, SECRET, "whpk_"), (SECRET, PRIVATE, "whsec_")])
def test_the_wrong_kind_of_secret_is_recognised(made_with: str, given: str, words: str) -> None:
    (finding,) = diagnose(signed(secret=made_with), BODY, [given], NOW)
    assert finding.code == "wrong_kind"
    assert words in finding.text


def test_a_malformed_signature_is_said_to_be_so() -> None:
    (finding,) = diagnose({**signed(), "webhook-signature": "v1,!!"}, BODY, [SECRET], NOW)
    assert finding.code == "malformed"


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff\xfe", b"", b"NaN", b'"\\ud800"'])
def test_no_body_makes_it_fail(body: bytes) -> None:
    assert codes(diagnose(signed(), body, [SECRET], NOW)) == ["no_match"]


def test_no_secret_is_ever_repeated() -> None:
    text = " ".join(finding.text for finding in diagnose(signed(), b"x", [SECRET, SECRET + "\n", "whsk_" + SECRET[6:]], NOW))
    assert SECRET[6:] not in text
