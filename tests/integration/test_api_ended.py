"""Tokens that were ended over HTTP have ended, at once and for good; the others have not."""

import base64
from typing import Any

import pytest

from tests.harness import running_server
from tests.integration.api import FORBIDDEN, UNAUTHENTICATED, Api, code, foreign, fresh


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/event-type"), ("GET", "/event-type/x"), ("GET", "/app/a"), ("POST", "/app/a/msg"), ("POST", "/auth/logout")],
)
def test_the_tokens_of_a_deleted_application_are_refused_everywhere(api: Api, app: str, method: str, path: str) -> None:
    holders = [api.portal(app), foreign(api, app)]
    assert [holder("GET", "/event-type").status_code for holder in holders] == [200, 200]
    api.ok("DELETE", f"/app/{app}")
    assert [code(holder(method, path)) for holder in holders] == [UNAUTHENTICATED] * 2


def test_logging_out_ends_that_token_and_no_other(api: Api, app: str) -> None:
    first, second = api.portal(app), api.portal(app)
    assert first("POST", "/auth/logout").status_code == 204
    assert code(first("GET", f"/app/{app}")) == UNAUTHENTICATED
    assert second("GET", f"/app/{app}").status_code == 200


def test_a_token_that_others_made_can_log_out_too(api: Api, app: str) -> None:
    holder = foreign(api, app)
    holder.ok("POST", "/auth/logout")
    assert code(holder("GET", f"/app/{app}")) == UNAUTHENTICATED


def respelled(token: str) -> list[str]:
    """Texts that lenient decoders take for this token."""
    head, _, signature = token.rpartition(".")
    spare = signature[:-1] + chr(ord(signature[-1]) + 1)  # 43 characters carry 258 bits, the digest has 256
    assert base64.urlsafe_b64decode(spare + "=") == base64.urlsafe_b64decode(signature + "=")
    return [f"{token}=", f"{token}==", f"{head}.!{signature}", f"{head}=.{signature}", f"{head}.{spare}"]


def test_a_token_that_logged_out_stays_ended_however_it_is_spelled(api: Api, app: str) -> None:
    holder = foreign(api, app)
    assert holder.token is not None
    holder.ok("POST", "/auth/logout")
    answers = [Api(api.server, spelling)("GET", f"/app/{app}") for spelling in respelled(holder.token)]
    assert [code(answer) for answer in answers] == [UNAUTHENTICATED] * 5


def test_logging_out_twice_is_as_good_as_once(api: Api, app: str) -> None:
    holder, header = api.portal(app), {"idempotency-key": "once"}
    assert [holder("POST", "/auth/logout", headers=header).status_code for _ in range(3)] == [204] * 3
    assert code(holder("GET", f"/app/{app}")) == UNAUTHENTICATED


def test_a_token_that_another_way_ended_cannot_log_out(api: Api, app: str) -> None:
    holder = api.portal(app)
    api.ok("POST", f"/auth/app/{app}/expire-all", {"expiry": 0})
    assert code(holder("POST", "/auth/logout")) == UNAUTHENTICATED


def test_only_an_application_s_token_can_log_out(api: Api) -> None:
    assert code(api("POST", "/auth/logout")) == FORBIDDEN
    assert api("GET", "/app").status_code == 200


def test_expiring_all_at_once_ends_what_was_made_and_not_what_is_made_then(api: Api, app: str) -> None:
    before = [api.portal(app), api.portal(app, sessionId="s"), foreign(api, app)]
    other = api.portal(str(api.app()["id"]))
    assert api("POST", f"/auth/app/{app}/expire-all", {"expiry": 0}).status_code == 204
    assert {code(holder("GET", f"/app/{app}")) for holder in before} == {UNAUTHENTICATED}
    assert api.portal(app)("GET", f"/app/{app}").status_code == 200
    assert other("GET", "/event-type").status_code == 200


def test_expiring_with_time_left_ends_nothing_yet(api: Api, app: str) -> None:
    holder = api.portal(app)
    api.ok("POST", f"/auth/app/{app}/expire-all")
    assert holder("GET", f"/app/{app}").status_code == 200


def test_expiring_a_session_ends_its_tokens_only(api: Api, app: str) -> None:
    first, second, without = api.portal(app, sessionId="1"), api.portal(app, sessionId="2"), api.portal(app)
    api.ok("POST", f"/auth/app/{app}/expire-all", {"expiry": 0, "sessionIds": ["1", "3"]})
    assert code(first("GET", f"/app/{app}")) == UNAUTHENTICATED
    assert (second("GET", f"/app/{app}").status_code, without("GET", f"/app/{app}").status_code) == (200, 200)


def test_what_was_ended_stays_ended_when_the_server_starts_again(tmp_path: Any) -> None:
    with running_server(tmp_path) as server:
        api = fresh(server)
        app = str(api.app()["id"])
        out, expired = api.portal(app), api.portal(app, sessionId="s")
        key = api.ok("POST", "/auth/api-key", {"name": "k"})
        out.ok("POST", "/auth/logout")
        api.ok("POST", f"/auth/app/{app}/expire-all", {"expiry": 0, "sessionIds": ["s"]})
        api.ok("DELETE", f"/auth/api-key/{key['id']}")
    with running_server(tmp_path) as server:
        answers = [Api(server, token)("GET", f"/app/{app}") for token in (out.token, expired.token, key["token"])]
        assert [code(answer) for answer in answers] == [UNAUTHENTICATED] * 3
