"""What counts as a receiver's yes, and what becomes of an endpoint that waits for one."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from hookwright.domain.endpoints import Endpoint, Options, held_until_verified
from hookwright.domain.verification import Consent, Grant, challenge_body, challenge_url, granted, is_echo

ORIGIN = "hooks.example.com"
URL = "https://receiver.example/hook"


def allowing(origin: str, rate: str | None = None) -> tuple[tuple[str, str], ...]:
    headers = (("webhook-allowed-origin", origin),)
    return headers if rate is None else (*headers, ("webhook-allowed-rate", rate))


@pytest.mark.parametrize(
    ("headers", "grant"),
    [
        (allowing(ORIGIN), Grant(None)),
        (allowing("*"), Grant(None)),
        (allowing(" Hooks.Example.COM "), Grant(None)),
        (allowing("*", "*"), Grant(None)),
        (allowing("*", "120"), Grant(120)),
        (allowing(ORIGIN) + allowing(ORIGIN, "30"), Grant(30)),
    ],
)
def test_an_allowed_origin_is_a_yes_with_its_rate(headers: tuple[tuple[str, str], ...], grant: Grant) -> None:
    assert granted(headers, ORIGIN) == grant


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("webhook-allowed-rate", "120"),),
        allowing(""),
        allowing("other.example.com"),
        allowing("*.example.com"),
        allowing(f"{ORIGIN}, *"),
        allowing(ORIGIN) + allowing("other.example.com"),
        allowing("*", "0"),
        allowing("*", "-5"),
        allowing("*", "many"),
        allowing("*", "1e3"),
        allowing("*", "9" * 10),
        (*allowing("*", "60"), ("webhook-allowed-rate", "120")),
    ],
)
def test_anything_else_is_none(headers: tuple[tuple[str, str], ...]) -> None:
    assert granted(headers, ORIGIN) is None


@pytest.mark.parametrize("url", [URL, f"{URL}?token=a%26b", f"{URL}?", "https://receiver.example/"])
def test_a_challenge_is_added_to_the_query(url: str) -> None:
    asked = challenge_url(url, "ep_1", "a-b_c=")
    assert asked.startswith(url)
    query = parse_qs(urlsplit(asked).query)
    assert (query["hub.mode"], query["hub.topic"], query["hub.challenge"]) == (["subscribe"], ["ep_1"], ["a-b_c="])
    assert query.get("token", ["a&b"]) == ["a&b"]


@pytest.mark.parametrize("body", [b"abc", b" abc\r\n", b'{"challenge":"abc"}', b'{"ok":true,"challenge":"abc"}'])
def test_the_challenge_is_taken_as_it_is_or_in_an_object(body: bytes) -> None:
    assert is_echo(body, "abc")


@pytest.mark.parametrize(
    "body", [b"", b"ab", b"abcd", b"ABC", b'"abc"', b'["abc"]', b'{"challenge":1}', b"{", b"\xff", b"<p>abc</p>", b"[" * 5000]
)
def test_nothing_else_is_an_echo(body: bytes) -> None:
    assert not is_echo(body, "abc")


def test_a_posted_challenge_says_what_it_is() -> None:
    assert msgspec.json.decode(challenge_body("ep_1", "abc")) == {"type": "endpoint.verification", "endpointId": "ep_1", "challenge": "abc"}


def endpoint(options: Options, **fields: Any) -> Endpoint:
    return Endpoint(id="ep_1", application="app_1", organization="org_1", url=URL, options=options, created_at=1, updated_at=1, **fields)


CONSENT = Consent(url=URL, asked="challenge", at=5)
ASKED = Options(verification="challenge")


@pytest.mark.parametrize("options", [ASKED, msgspec.structs.replace(ASKED, consent=Consent(url=URL + "2", asked="challenge", at=5)),
                                     msgspec.structs.replace(ASKED, consent=Consent(url=URL, asked="options", at=5))])  # fmt: skip
def test_an_endpoint_waits_for_a_yes_to_what_it_asks_at_the_url_that_it_has(options: Options) -> None:
    assert held_until_verified(endpoint(options)).disabled_reason == "unverified"
    assert held_until_verified(endpoint(options, disabled_reason="gone")).disabled_reason == "gone"


@pytest.mark.parametrize("options", [Options(), msgspec.structs.replace(ASKED, consent=CONSENT)])
def test_with_a_yes_it_waits_no_more_for_that_and_goes_on_waiting_for_a_person(options: Options) -> None:
    assert held_until_verified(endpoint(options, disabled_reason="unverified")).disabled_reason is None
    assert held_until_verified(endpoint(options, disabled_reason="manual")).disabled_reason == "manual"
    assert held_until_verified(endpoint(options)).disabled_reason is None


def test_what_is_at_its_default_is_left_out_of_what_is_kept() -> None:
    assert msgspec.json.encode(Options()) == b"{}"
    kept = msgspec.structs.replace(ASKED, consent=CONSENT)
    assert msgspec.json.decode(msgspec.json.encode(kept), type=Options) == kept


@pytest.mark.parametrize(
    ("throttle", "allowed", "rate"), [(None, None, None), (5, None, 5), (5, 120, 2.0), (1, 30, 0.5), (5, 6000, 5), (None, 60, None)]
)
def test_the_rate_is_what_both_allow(throttle: int | None, allowed: int | None, rate: float | None) -> None:
    options = Options(consent=Consent(url=URL, asked="options", at=5, origin=ORIGIN, rate=allowed))
    assert endpoint(options, throttle_rate=throttle).rate == rate
