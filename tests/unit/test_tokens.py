"""What tokens mean: claims, capabilities, revocations, and the form of API keys."""

import math
from typing import Any

import pytest

from hookwright.domain.credentials import SCOPES, Principal, Revocation
from hookwright.domain.tokens import (
    APPLICATION_SCOPES,
    CAPABILITIES,
    VIEW,
    application_scopes,
    ended,
    format_key,
    parse_key,
    portal_claims,
    read_claims,
)
from hookwright.errors import Unauthenticated

NOW = 1_790_000_000_123
ORG, APP = "org_23rb8YdGqMT0qIzpgGwdXfHirMu", "app_1srOrx2ZWZBpBUvZwXKQmoEYga2"
KEY = "key_" + "0" * 26 + "1"


def read(**claims: Any) -> Principal:
    return read_claims(claims, "fingerprint", NOW)


def portal(**more: Any) -> dict[str, Any]:
    return portal_claims(organization=ORG, application=APP, jti="tok_1", now=NOW, expiry=3600, **more)


def test_an_organization_may_do_everything() -> None:
    assert read(sub=ORG).scopes == SCOPES


def test_an_organization_sees_every_event_type() -> None:
    assert read(sub=ORG).feature_flags is None


def test_an_application_token_speaks_for_its_application() -> None:
    principal = read(**portal())
    assert (principal.organization, principal.application) == (ORG, APP)


def test_an_application_token_without_capabilities_may_do_all_that_one_can() -> None:
    assert read(**portal()).scopes == APPLICATION_SCOPES


@pytest.mark.parametrize("scope", ["application:write", "message:write", "event_type:write", "key:write"])
def test_no_application_token_can_have_what_is_the_organizations(scope: str) -> None:
    assert scope not in APPLICATION_SCOPES


def test_a_read_only_token_only_looks() -> None:
    assert read(**portal(read_only=True)).scopes == VIEW


def test_read_only_wins_over_capabilities() -> None:
    assert application_scopes(["ViewBase", "ManageEndpoint"], read_only=True) == VIEW


def test_looking_does_not_show_secrets() -> None:
    assert "endpoint.secret:read" not in VIEW


def test_capabilities_add_up() -> None:
    assert application_scopes(["ViewBase", "CreateAttempts"], False) == VIEW | {"replay:write"}


def test_a_capability_that_nobody_knows_allows_nothing() -> None:
    assert application_scopes(["Everything"], False) == frozenset()


def test_every_scope_of_every_capability_is_a_scope() -> None:
    assert frozenset().union(*CAPABILITIES.values()) <= SCOPES


def test_capabilities_that_are_no_list_allow_nothing() -> None:
    assert read(org=ORG, sub=APP, capabilities="ViewBase").scopes == frozenset()


def test_flags_of_a_foreign_token_are_read_under_their_older_name() -> None:
    assert read(org=ORG, sub=APP, feature_flags=["beta"]).feature_flags == frozenset({"beta"})


def test_a_session_is_kept() -> None:
    assert read(**portal(session_id="s1")).session_id == "s1"


def test_a_token_without_a_jti_is_named_by_its_fingerprint() -> None:
    assert read(sub=ORG).credential == "jwt_fingerprint"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": 7},
        {"sub": "user_1"},
        {"sub": "org_"},
        {"sub": "org_a b"},
        {"sub": "org_" + "x" * 300},
        {"sub": APP},
        {"sub": APP, "org": "app_x"},
        {"sub": "app_\0", "org": ORG},
        {"sub": ORG, "exp": NOW / 1000},
        {"sub": ORG, "exp": "tomorrow"},
        {"sub": ORG, "exp": True},
        {"sub": ORG, "exp": math.nan},
        {"sub": ORG, "exp": math.inf},
        {"sub": ORG, "exp": -1},
        {"sub": ORG, "nbf": NOW / 1000 + 61},
        {"sub": ORG, "iat": NOW / 1000 + 61},
    ],
)
def test_claims_that_speak_for_nobody_or_at_another_time_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        read(**claims)


def test_a_clock_that_is_a_minute_ahead_is_forgiven() -> None:
    assert read(sub=ORG, iat=NOW / 1000 + 59, nbf=NOW / 1000 + 59).organization == ORG


def revocation(**more: Any) -> Revocation:
    values: dict[str, Any] = {"organization": ORG, "application": APP, "issued_until": NOW, "effective_at": NOW, "forget_at": NOW * 2}
    return Revocation(**values | more)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"effective_at": NOW + 1}, False),
        ({"issued_until": NOW - 1}, False),
        ({"session_id": "s1"}, True),
        ({"session_id": "s2"}, False),
        ({"credential": "jwt_tok_1"}, True),
        ({"credential": "jwt_tok_2"}, False),
    ],
)
def test_a_revocation_ends_the_tokens_it_speaks_of(change: dict[str, Any], expected: bool) -> None:
    assert (ended(read(**portal(session_id="s1")), [revocation(**change)], NOW) is not None) is expected


def test_a_token_made_a_millisecond_after_the_end_of_all_is_alive() -> None:
    later = read(**portal_claims(organization=ORG, application=APP, jti="tok_2", now=NOW + 1, expiry=3600))
    assert not ended(later, [revocation()], NOW + 2)


def test_a_token_made_elsewhere_does_not_outlive_the_end_of_all_because_that_clock_is_ahead() -> None:
    ahead = read(org=ORG, sub=APP, jti="theirs", iat=NOW / 1000 + 59)
    assert ended(ahead, [revocation()], NOW + 1)


def test_a_token_made_elsewhere_a_minute_after_the_end_of_all_is_alive() -> None:
    assert not ended(read(org=ORG, sub=APP, jti="theirs", iat=NOW / 1000 + 0.001), [revocation(issued_until=NOW - 60_000)], NOW)


def test_of_two_ends_the_logout_is_told() -> None:
    logout = revocation(credential="jwt_tok_1")
    assert ended(read(**portal()), [revocation(), logout], NOW) is logout


def test_a_key_is_read_as_it_was_written() -> None:
    text, secret = format_key(KEY, bytes(range(32)))
    parts = parse_key(text)
    assert parts is not None
    assert (parts.id, parts.secret) == (KEY, secret)


def test_a_key_with_one_wrong_character_is_none() -> None:
    text, _ = format_key(KEY, bytes(range(32)))
    wrong = [text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :] for at in range(len(text))]
    assert [parse_key(candidate) for candidate in wrong] == [None] * len(wrong)


@pytest.mark.parametrize("text", ["", "hw_", "hw_a_b_c", "hw_" + "0" * 27 + "_" + "0" * 43 + "_000000\n"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_key(text) is None
