"""Endpoints over HTTP: fields, rules, headers, secrets, and what is refused with which reason."""

import base64
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.harness import Receiver, Server, running_server
from tests.integration.api import Api, code, fresh, problems

URL = "https://example.com/hook"
ENDPOINTS = "/app/a/endpoint"

pytestmark = pytest.mark.usefixtures("app")


def made(api: Api, **fields: Any) -> dict[str, Any]:
    endpoint: dict[str, Any] = api.ok("POST", ENDPOINTS, {"url": URL} | fields)
    return endpoint


def event_types(api: Api, *names: str) -> None:
    for name in names:
        api.ok("POST", "/event-type", {"name": name, "description": "d"})


def test_an_endpoint_is_shown_with_all_its_fields_and_their_older_names(api: Api) -> None:
    event_types(api, "a", "b")
    given = {
        "description": "d",
        "uid": "u",
        "eventTypes": ["b", "a"],
        "channels": ["c"],
        "throttleRate": 3,
        "retrySchedule": [5, 0.5],
        "version": 2,
        "metadata": {"k": "v"},
        "ordered": True,
        "onExhausted": "skip",
    }
    endpoint = made(api, **given)
    assert endpoint == {
        "id": endpoint["id"],
        "url": URL,
        "description": "d",
        "uid": "u",
        "disabled": False,
        "eventTypes": ["a", "b"],
        "filterTypes": ["a", "b"],
        "channels": ["c"],
        "throttleRate": 3,
        "rateLimit": 3,
        "retrySchedule": [5.0, 0.5],
        "version": 2,
        "createdAt": endpoint["createdAt"],
        "updatedAt": endpoint["createdAt"],
        "metadata": {"k": "v"},
        "ordered": True,
        "onExhausted": "skip",
    }
    assert api.ok("GET", f"{ENDPOINTS}/u") == endpoint


def test_what_is_left_out_has_its_default(api: Api) -> None:
    endpoint = made(api)
    absent = ("uid", "eventTypes", "filterTypes", "channels", "throttleRate", "rateLimit")
    assert {name: endpoint[name] for name in absent} == dict.fromkeys(absent)
    assert (endpoint["description"], endpoint["disabled"], endpoint["version"], endpoint["metadata"]) == ("", False, 1, {})


def test_the_older_names_are_read_too(api: Api) -> None:
    event_types(api, "a")
    endpoint = made(api, filterTypes=["a"], rateLimit=5)
    assert (endpoint["eventTypes"], endpoint["throttleRate"]) == (["a"], 5)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"url": "ftp://example.com/"}, "body.url"),
        ({"url": "example.com"}, "body.url"),
        ({"url": "https://user:pass@example.com/"}, "body.url"),
        ({"url": "https://10.0.0.1/"}, "body.url"),
        ({"url": "https://[fd00::1]/"}, "body.url"),
        ({"url": "http://169.254.169.254/latest"}, "body.url"),
        ({"url": None}, "body.url"),
        ({"uid": "ep_mine"}, "body.uid"),
        ({"uid": "no spaces"}, "body.uid"),
        ({"eventTypes": []}, "body.eventTypes"),
        ({"eventTypes": ["unknown.one"]}, "body.eventTypes"),
        ({"channels": []}, "body.channels"),
        ({"channels": [str(n) for n in range(11)]}, "body.channels"),
        ({"channels": ["c", "c"]}, "body.channels"),
        ({"channels": ["c" * 129]}, "body.channels.0"),
        ({"throttleRate": 0}, "body.throttleRate"),
        ({"throttleRate": 65_536}, "body.throttleRate"),
        ({"throttleRate": "5"}, "body.throttleRate"),
        ({"retrySchedule": [5, 0]}, "body.retrySchedule"),
        ({"retrySchedule": [30 * 86_400 + 1]}, "body.retrySchedule"),
        ({"retrySchedule": [1] * 101}, "body.retrySchedule"),
        ({"retrySchedule": ["5"]}, "body.retrySchedule.0"),
        ({"retrySchedule": 5}, "body.retrySchedule"),
        ({"version": 0}, "body.version"),
        ({"disabled": "no"}, "body.disabled"),
        ({"metadata": {"k": "v" * 4096}}, "body.metadata"),
        ({"secret": "whsec_short"}, "body.secret"),
        ({"secret": "whpk_" + base64.b64encode(bytes(32)).decode()}, "body.secret"),
        ({"headers": {"Host": "x"}}, "body.headers.Host"),
        ({"headers": {"webhook-id": "x"}}, "body.headers.webhook-id"),
        ({"headers": {"X-A": "a\r\nb"}}, "body.headers.X-A"),
    ],
)
def test_a_bad_value_is_refused_at_its_place_and_nothing_is_stored(api: Api, fields: dict[str, Any], place: str) -> None:
    assert problems(api("POST", ENDPOINTS, {"url": URL} | fields)) == [place]
    assert api.ok("GET", ENDPOINTS)["data"] == []


def test_everything_that_is_wrong_is_told_at_once(api: Api) -> None:
    wrong = {"url": "nowhere", "secret": "x", "headers": {"Host": "x"}, "eventTypes": ["unknown"]}
    assert sorted(problems(api("POST", ENDPOINTS, wrong))) == ["body.eventTypes", "body.headers.Host", "body.secret", "body.url"]


def test_unknown_event_types_are_named(api: Api) -> None:
    event_types(api, "known")
    (problem,) = api("POST", ENDPOINTS, {"url": URL, "eventTypes": ["known", "z", "y"]}).json()["detail"]
    assert problem["msg"] == "The following event types don't exist: y, z"


def test_a_uid_that_is_taken_is_a_conflict_until_its_endpoint_is_deleted(api: Api) -> None:
    first = made(api, uid="u")
    assert code(api("POST", ENDPOINTS, {"url": URL, "uid": "u"})) == (409, "conflict")
    api.ok("DELETE", f"{ENDPOINTS}/u")
    assert code(api("GET", f"{ENDPOINTS}/{first['id']}")) == (404, "not_found")
    assert made(api, uid="u")["id"] != first["id"]


def test_a_repeated_request_with_its_key_makes_one_endpoint(api: Api) -> None:
    key = {"idempotency-key": "k"}
    answers = [api("POST", ENDPOINTS, {"url": URL}, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(api.ok("GET", ENDPOINTS)["data"]) == 1
    assert problems(api("POST", ENDPOINTS, {"url": URL + "2"}, headers=key)) == ["header.idempotency-key"]


def test_a_put_replaces_everything_it_leaves_out_and_keeps_the_secret(api: Api) -> None:
    endpoint = made(api, uid="u", description="d", metadata={"k": "v"}, throttleRate=3, retrySchedule=[1])
    secret = api.ok("GET", f"{ENDPOINTS}/u/secret")
    new = api.ok("PUT", f"{ENDPOINTS}/u", {"url": URL + "/new", "uid": "v"})
    assert (new["id"], new["url"], new["uid"]) == (endpoint["id"], URL + "/new", "v")
    assert (new["description"], new["metadata"], new["throttleRate"], new.get("retrySchedule")) == ("", {}, None, None)
    assert api.ok("GET", f"{ENDPOINTS}/v/secret") == secret


def test_a_put_of_an_endpoint_that_is_not_there_makes_one_with_the_uid_of_the_body(api: Api) -> None:
    answer = api("PUT", f"{ENDPOINTS}/nobody", {"url": URL, "uid": "u"})
    assert (answer.status_code, answer.json()["uid"]) == (201, "u")
    assert api("PUT", f"{ENDPOINTS}/u", {"url": URL, "uid": "u"}).status_code == 200


def test_a_patch_changes_what_it_names_and_null_unsets(api: Api) -> None:
    event_types(api, "a")
    made(api, uid="u", description="d", eventTypes=["a"], channels=["c"], throttleRate=3, metadata={"k": "v"}, version=4)
    patched = api.ok("PATCH", f"{ENDPOINTS}/u", {"throttleRate": None, "channels": None, "eventTypes": None, "disabled": True})
    assert (patched["throttleRate"], patched["channels"], patched["eventTypes"], patched["disabled"]) == (None, None, None, True)
    assert (patched["description"], patched["metadata"], patched["uid"], patched["version"]) == ("d", {"k": "v"}, "u", 4)
    assert api.ok("PATCH", f"{ENDPOINTS}/u", {"uid": None})["uid"] is None


def test_a_patch_leaves_a_schedule_alone_or_takes_it_away(api: Api) -> None:
    made(api, uid="u", retrySchedule=[])
    assert api.ok("PATCH", f"{ENDPOINTS}/u", {"description": "d"})["retrySchedule"] == []
    assert api.ok("PATCH", f"{ENDPOINTS}/u", {"retrySchedule": [7]})["retrySchedule"] == [7]
    assert api.ok("PATCH", f"{ENDPOINTS}/u", {"retrySchedule": None}).get("retrySchedule") is None


@pytest.mark.parametrize("field", ["url", "description", "disabled", "metadata", "version"])
def test_a_patch_cannot_unset_what_must_have_a_value(api: Api, field: str) -> None:
    made(api, uid="u")
    assert problems(api("PATCH", f"{ENDPOINTS}/u", {field: None})) == [f"body.{field}"]


def test_patches_at_the_same_moment_do_not_undo_each_other(api: Api) -> None:
    made(api, uid="u")
    changes: list[dict[str, Any]] = [{"description": "d"}, {"version": 9}, {"throttleRate": 5}, {"metadata": {"k": "v"}}]
    threads = [threading.Thread(target=api.ok, args=("PATCH", f"{ENDPOINTS}/u", change)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    endpoint = api.ok("GET", f"{ENDPOINTS}/u")
    assert {name: endpoint[name] for change in changes for name in change} == {k: v for change in changes for k, v in change.items()}


def test_headers_given_at_creation_are_kept_and_sensitive_ones_shown_by_name_only(api: Api) -> None:
    made(api, uid="u", headers={"X-A": "1", "Authorization": "Bearer t"})
    assert api.ok("GET", f"{ENDPOINTS}/u/headers") == {"headers": {"X-A": "1"}, "sensitive": ["Authorization"]}


def test_headers_are_replaced_by_a_put_and_merged_by_a_patch_whatever_their_case(api: Api) -> None:
    made(api, uid="u", headers={"X-Old": "1"})
    path = f"{ENDPOINTS}/u/headers"
    assert api("PUT", path, {"headers": {"X-A": "1", "X-B": "2", "X-C": "3"}}).status_code == 204
    assert api("PATCH", path, {"headers": {"x-a": "4", "X-B": None}, "deleteHeaders": ["x-c"]}).status_code == 204
    assert api.ok("GET", path)["headers"] == {"x-a": "4"}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("headers", [{"X-A": "é"}, {"X-A": "v" * 4097}, {"content-length": "1"}, {"svix-id": "x"}, {"a b": "c"}])
def test_a_bad_header_is_refused_by_name_and_changes_nothing(api: Api, method: str, headers: dict[str, str]) -> None:
    made(api, uid="u", headers={"X-Kept": "1"})
    assert problems(api(method, f"{ENDPOINTS}/u/headers", {"headers": headers})) == [f"body.headers.{name}" for name in headers]
    assert api.ok("GET", f"{ENDPOINTS}/u/headers")["headers"] == {"X-Kept": "1"}


def test_patches_cannot_add_up_to_more_headers_than_one_request_could_set(api: Api) -> None:
    made(api, uid="u", headers={f"X-{n}": "1" for n in range(32)})
    assert problems(api("PATCH", f"{ENDPOINTS}/u/headers", {"headers": {"X-More": "1"}})) == ["body.headers"]


def test_a_secret_is_taken_with_and_without_its_prefix_and_shown_with_it(api: Api) -> None:
    bare = base64.b64encode(bytes(range(24))).decode()
    for uid, secret in (("u", bare), ("v", f"whsec_{bare}")):
        made(api, uid=uid, secret=secret)
        assert api.ok("GET", f"{ENDPOINTS}/{uid}/secret") == {"key": f"whsec_{bare}"}


def test_of_an_ed25519_secret_only_the_public_key_is_shown(api: Api) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    seed = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    made(api, uid="u", secret="whsk_" + base64.b64encode(seed + public).decode())
    assert api.ok("GET", f"{ENDPOINTS}/u/secret") == {"key": "whpk_" + base64.b64encode(public).decode()}
    api.ok("POST", f"{ENDPOINTS}/u/secret/rotate", {})
    assert api.ok("GET", f"{ENDPOINTS}/u/secret")["key"].startswith("whpk_")


def test_a_rotation_gives_a_new_secret_of_ones_own_or_a_made_one(api: Api) -> None:
    made(api, uid="u")
    path = f"{ENDPOINTS}/u/secret"
    before = api.ok("GET", path)["key"]
    between = api.ok("POST", f"{path}/rotate")["key"]
    assert api.ok("GET", path)["key"] == between
    own = "whsec_" + base64.b64encode(bytes(24)).decode()
    api.ok("POST", f"{path}/rotate", {"key": own, "gracePeriodSeconds": 0})
    assert len({before, between, own}) == 3
    assert api.ok("GET", path)["key"] == own


def test_after_ten_rotations_another_is_refused_while_the_old_secrets_sign(api: Api) -> None:
    made(api, uid="u")
    path = f"{ENDPOINTS}/u/secret/rotate"
    for _ in range(10):
        api.ok("POST", path, {})
    assert code(api("POST", path, {})) == (400, "limit_reached")


def test_a_repeated_rotation_with_its_key_rotates_once(api: Api) -> None:
    made(api, uid="u")
    answers = [api("POST", f"{ENDPOINTS}/u/secret/rotate", {}, headers={"idempotency-key": "k"}) for _ in range(12)]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].json() == api.ok("GET", f"{ENDPOINTS}/u/secret")
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None] + ["true"] * 11


def test_a_repeated_rotation_gets_its_first_answer_also_after_another_rotation(api: Api) -> None:
    made(api, uid="u")
    first = api.ok("POST", f"{ENDPOINTS}/u/secret/rotate", {}, headers={"idempotency-key": "k"})
    api.ok("POST", f"{ENDPOINTS}/u/secret/rotate", {})
    assert api.ok("POST", f"{ENDPOINTS}/u/secret/rotate", {}, headers={"idempotency-key": "k"}) == first


def test_no_secret_lies_open_in_the_database(api: Api, server: Server) -> None:
    made(api, uid="u")
    key = api.ok("POST", f"{ENDPOINTS}/u/secret/rotate", {}, headers={"idempotency-key": "k"})["key"]
    files = [server.database, server.database.with_name(server.database.name + "-wal")]
    kept = b"".join(file.read_bytes() for file in files if file.exists())
    assert b"idempotency_keys" in kept
    assert key.removeprefix("whsec_").encode() not in kept


@pytest.mark.parametrize(
    ("body", "place"), [({"gracePeriodSeconds": 604_801}, "body.gracePeriodSeconds"), ({"key": "whsec_x"}, "body.key")]
)
def test_a_bad_rotation_is_refused(api: Api, body: dict[str, Any], place: str) -> None:
    made(api, uid="u")
    assert problems(api("POST", f"{ENDPOINTS}/u/secret/rotate", body)) == [place]


def test_old_and_new_secret_both_sign_during_the_grace_period(api: Api) -> None:
    with Receiver() as receiver:
        made(api, uid="u", url=receiver.url, headers={"X-Own": "1"})
        api.ok("POST", f"{ENDPOINTS}/u/secret/rotate", {})
        api.ok("POST", "/app/a/msg", {"eventType": "a", "payload": {}})
        (request,) = receiver.wait_for(1)
        assert len((request.header("webhook-signature") or "").split(" ")) == 2
        assert request.header("x-own") == "1"


def test_pages_of_endpoints_are_newest_first_and_can_be_turned(api: Api) -> None:
    ids = [made(api)["id"] for _ in range(3)]
    first = api.ok("GET", ENDPOINTS, params={"limit": 2})
    assert ([one["id"] for one in first["data"]], first["done"]) == ([ids[2], ids[1]], False)
    second = api.ok("GET", ENDPOINTS, params={"limit": 2, "iterator": first["iterator"]})
    assert ([one["id"] for one in second["data"]], second["done"]) == ([ids[0]], True)
    back = api.ok("GET", ENDPOINTS, params={"limit": 2, "iterator": second["prevIterator"]})
    assert back["data"] == first["data"]
    assert [one["id"] for one in api.ok("GET", ENDPOINTS, params={"order": "ascending"})["data"]] == ids


@pytest.mark.parametrize("iterator", ["x", "app_1srOrx2ZWZBpBUvZwXKQmoEYga2", "ep_zzzzzzzzzzzzzzzzzzzzzzzzzzz", "ep_short"])
def test_a_bad_iterator_is_refused(api: Api, iterator: str) -> None:
    assert problems(api("GET", ENDPOINTS, params={"iterator": iterator})) == ["query.iterator"]


@pytest.mark.parametrize("path", ["", "/headers", "/secret", "/stats", "/msg"])
def test_another_tenants_endpoint_does_not_exist(api: Api, server: Server, path: str) -> None:
    endpoint = made(api)
    other = fresh(server)
    other.app(uid="a")
    assert code(other("GET", f"{ENDPOINTS}/{endpoint['id']}{path}")) == (404, "not_found")
    assert code(other("DELETE", f"{ENDPOINTS}/{endpoint['id']}")) == (404, "not_found")


def test_a_portal_token_reads_and_changes_the_endpoints_of_its_application_only(api: Api) -> None:
    api.app(uid="b")
    portal = api.portal("a")
    made(portal, uid="u")
    assert portal.ok("GET", f"{ENDPOINTS}/u/secret")["key"]
    assert code(portal("GET", "/app/b/endpoint")) == (404, "not_found")
    reading = api.portal("a", readOnly=True)
    assert reading.ok("GET", f"{ENDPOINTS}/u")["uid"] == "u"
    assert reading("POST", ENDPOINTS, {"url": URL}).status_code == 403
    assert reading("GET", f"{ENDPOINTS}/u/secret").status_code == 403


def test_an_installation_for_https_only_refuses_http(tmp_path: Path) -> None:
    with running_server(tmp_path, https_only=True) as server:
        api = fresh(server)
        api.app(uid="a")
        assert problems(api("POST", ENDPOINTS, {"url": "http://example.com/"})) == ["body.url"]
        made(api)


def test_stats_count_messages_by_status_and_refuse_a_turned_range(api: Api) -> None:
    with Receiver() as receiver:
        made(api, uid="u", url=receiver.url)
        made(api, uid="held", url=receiver.url, disabled=True)
        api.ok("POST", "/app/a/msg", {"eventType": "a", "payload": {}})
        receiver.wait_for(1)
        assert api.ok("GET", f"{ENDPOINTS}/held/stats") == {"success": 0, "pending": 1, "sending": 0, "fail": 0, "canceled": 0}
    turned = {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    assert code(api("GET", f"{ENDPOINTS}/u/stats", params=turned)) == (400, "invalid_range")
    assert problems(api("GET", f"{ENDPOINTS}/u/stats", params={"since": "yesterday"})) == ["query.since"]
