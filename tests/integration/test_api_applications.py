"""Applications over HTTP: fields, uids, pages, and what a repeated request does."""

import threading
from typing import Any

import pytest

from tests.harness import Server
from tests.integration.api import APP_GONE, Api, code, fresh, problems


def test_an_application_is_shown_with_all_its_fields(api: Api) -> None:
    made = api.app(name="N", uid="u", throttleRate=7, metadata={"k": "v"})
    assert made == {
        "id": made["id"],
        "name": "N",
        "uid": "u",
        "throttleRate": 7,
        "rateLimit": 7,
        "metadata": {"k": "v"},
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
    }


def test_an_absent_uid_is_left_out_and_an_absent_rate_is_null(api: Api) -> None:
    made = api.app()
    assert "uid" not in made
    assert made["throttleRate"] is None


def test_the_older_name_of_the_rate_is_taken(api: Api) -> None:
    assert api.app(rateLimit=9)["throttleRate"] == 9


def test_metadata_that_is_null_is_empty(api: Api) -> None:
    assert api.app(metadata=None)["metadata"] == {}


def test_fields_that_nobody_knows_are_ignored(api: Api) -> None:
    assert "colour" not in api.app(colour="red")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": 7}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 1025}, "name"),
        ({"uid": ""}, "uid"),
        ({"uid": "a b"}, "uid"),
        ({"uid": "é"}, "uid"),
        ({"uid": "a\n"}, "uid"),
        ({"uid": "app_mine"}, "uid"),
        ({"uid": "x" * 257}, "uid"),
        ({"throttleRate": 0}, "throttleRate"),
        ({"throttleRate": 65_536}, "throttleRate"),
        ({"throttleRate": "5"}, "throttleRate"),
        ({"throttleRate": 10**400}, "throttleRate"),
        ({"throttleRate": True}, "throttleRate"),
        ({"metadata": {"k": 1}}, "metadata.k"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"k": "x" * 4090}}, "metadata"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(api: Api, fields: dict[str, Any], place: str) -> None:
    assert problems(api("POST", "/app", {"name": "n"} | fields)) == [f"body.{place}"]
    assert api.ok("GET", "/app")["data"] == []


def test_metadata_of_exactly_4096_bytes_is_taken(api: Api) -> None:
    assert api.app(metadata={"k": "x" * (4096 - len('{"k":""}'))})


def test_every_bad_field_is_named_at_once(api: Api) -> None:
    assert problems(api("POST", "/app", {"uid": "a b", "throttleRate": 0})) == ["body.name", "body.throttleRate", "body.uid"]


def test_a_uid_is_as_good_as_the_id(api: Api) -> None:
    made = api.app(uid="u")
    assert api.ok("GET", "/app/u") == api.ok("GET", f"/app/{made['id']}") == made


def test_a_slash_at_the_end_changes_nothing(api: Api) -> None:
    made = api.app(uid="u")
    assert api.ok("GET", "/app/u/") == made
    assert api("POST", "/app/", {"name": "n"}).status_code == 201


def test_a_taken_uid_is_a_conflict(api: Api) -> None:
    api.app(uid="u")
    assert code(api("POST", "/app", {"name": "n", "uid": "u"})) == (409, "conflict")


def test_two_organizations_may_use_the_same_uid(api: Api, server: Server) -> None:
    assert api.app(uid="u")["id"] != fresh(server).app(uid="u")["id"]


def test_get_if_exists_says_by_its_status_whether_it_was_made(api: Api) -> None:
    first = api("POST", "/app?get_if_exists=true", {"name": "n", "uid": "u"})
    second = api("POST", "/app?get_if_exists=true", {"name": "other", "uid": "u"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()


def test_putting_replaces_what_is_there(api: Api) -> None:
    made = api.app(uid="u", throttleRate=5, metadata={"k": "v"})
    response = api("PUT", "/app/u", {"name": "new"})
    assert response.status_code == 200
    assert response.json() | {"updatedAt": None} == {
        "id": made["id"],
        "name": "new",
        "throttleRate": None,
        "rateLimit": None,
        "metadata": {},
        "createdAt": made["createdAt"],
        "updatedAt": None,
    }


def test_putting_what_is_not_there_creates_it_under_a_fresh_id_with_the_uid_of_the_body(api: Api) -> None:
    response = api("PUT", f"/app/{APP_GONE}", {"name": "n", "uid": "u"})
    assert response.status_code == 201
    assert response.json()["id"] != APP_GONE
    assert response.json()["uid"] == "u"


def test_putting_to_a_taken_uid_is_a_conflict(api: Api) -> None:
    api.app(uid="taken")
    api.app(uid="u")
    assert code(api("PUT", "/app/u", {"name": "n", "uid": "taken"})) == (409, "conflict")


def test_patching_changes_only_what_it_names(api: Api) -> None:
    made = api.app(uid="u", throttleRate=5, metadata={"k": "v"})
    patched = api.ok("PATCH", "/app/u", {"name": "new"})
    assert patched | {"updatedAt": None} == made | {"name": "new", "updatedAt": None}


@pytest.mark.parametrize(("field", "gone"), [("throttleRate", "throttleRate"), ("rateLimit", "throttleRate"), ("uid", "uid")])
def test_patching_with_null_takes_away(api: Api, field: str, gone: str) -> None:
    made = api.app(uid="u", throttleRate=5)
    assert api.ok("PATCH", f"/app/{made['id']}", {field: None}).get(gone) is None


@pytest.mark.parametrize("field", ["name", "metadata"])
def test_patching_what_cannot_be_absent_with_null_is_refused(api: Api, field: str) -> None:
    api.app(uid="u")
    assert problems(api("PATCH", "/app/u", {field: None})) == [f"body.{field}"]


def test_deleting_frees_the_uid(api: Api) -> None:
    first = api.app(uid="u")
    assert api("DELETE", "/app/u").status_code == 204
    assert code(api("GET", f"/app/{first['id']}")) == (404, "not_found")
    assert api.app(uid="u")["id"] != first["id"]


def test_deleting_is_seen_by_what_is_kept_in_memory(api: Api) -> None:
    api.app(uid="u")
    api.ok("GET", "/app/u")
    api.ok("DELETE", "/app/u")
    assert code(api("POST", "/app/u/msg", {"eventType": "a", "payload": {}})) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("ref", [APP_GONE, "nobody", "%00", "a%20b", "x" * 2000, "%ff"])
def test_what_is_not_there_is_not_found(api: Api, method: str, ref: str) -> None:
    assert code(api(method, f"/app/{ref}", {} if method == "PATCH" else None)) == (404, "not_found")


def pages(api: Api, query: str, field: str = "iterator") -> list[list[str]]:
    """The names on each page, following `field` until the list is done."""
    found, cursor = [], ""
    while True:
        page = api.ok("GET", f"/app?{query}{cursor}")
        found.append([item["name"] for item in page["data"]])
        if page["done"]:
            return found
        cursor = f"&iterator={page[field]}"


def test_a_list_is_read_page_by_page_oldest_first(api: Api) -> None:
    for name in "abcde":
        api.app(name=name)
    assert pages(api, "limit=2") == [["a", "b"], ["c", "d"], ["e"]]


def test_a_list_may_be_read_newest_first(api: Api) -> None:
    for name in "abc":
        api.app(name=name)
    assert pages(api, "limit=2&order=descending") == [["c", "b"], ["a"]]


def test_a_list_may_be_read_backwards(api: Api) -> None:
    made = [api.app(name=name) for name in "abcd"]
    page = api.ok("GET", f"/app?limit=2&iterator=-{made[3]['id']}")
    assert [item["name"] for item in page["data"]] == ["b", "c"]
    assert (page["iterator"], page["prevIterator"], page["done"]) == (made[2]["id"], f"-{made[1]['id']}", False)


def test_an_empty_page_has_no_previous_one(api: Api) -> None:
    assert api.ok("GET", "/app") == {"data": [], "iterator": None, "done": True}


def test_a_limit_of_nothing_is_allowed(api: Api) -> None:
    api.app()
    assert api.ok("GET", "/app?limit=0")["data"] == []


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=251", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        (f"limit={10**30}", "limit"),
        ("order=sideways", "order"),
        ("iterator=msg_1srOrx2ZWZBpBUvZwXKQmoEYga2", "iterator"),
        ("iterator=app_garbage", "iterator"),
        ("iterator=app_" + "z" * 27, "iterator"),
        ("iterator=", "iterator"),
        ("iterator=-", "iterator"),
        ("iterator=%00", "iterator"),
    ],
)
def test_a_bad_question_is_named(api: Api, query: str, place: str) -> None:
    assert problems(api("GET", f"/app?{query}")) == [f"query.{place}"]


def test_a_repeated_request_gets_its_first_answer(api: Api) -> None:
    first = api("POST", "/app", {"name": "n"}, headers={"idempotency-key": "k"})
    second = api("POST", "/app", {"name": "n"}, headers={"idempotency-key": "k"})
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["idempotency-replayed"] == "true"
    assert len(api.ok("GET", "/app")["data"]) == 1


def test_a_quoted_key_is_the_same_key(api: Api) -> None:
    first = api.ok("POST", "/app", {"name": "n"}, headers={"idempotency-key": "k"})
    assert api.ok("POST", "/app", {"name": "n"}, headers={"idempotency-key": '"k"'}) == first


def test_the_same_key_with_another_body_is_refused(api: Api) -> None:
    api.ok("POST", "/app", {"name": "n"}, headers={"idempotency-key": "k"})
    assert problems(api("POST", "/app", {"name": "other"}, headers={"idempotency-key": "k"})) == ["header.idempotency-key"]
    assert len(api.ok("GET", "/app")["data"]) == 1


@pytest.mark.parametrize("key", ["", "x" * 257])
def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    assert problems(api("POST", "/app", {"name": "n"}, headers={"idempotency-key": key})) == ["header.idempotency-key"]


def test_a_failed_request_does_not_use_its_key_up(api: Api) -> None:
    api.app(uid="u")
    again = {"name": "n", "uid": "u"}
    assert api("POST", "/app", again, headers={"idempotency-key": "k"}).status_code == 409
    api.ok("DELETE", "/app/u")
    assert api("POST", "/app", again, headers={"idempotency-key": "k"}).status_code == 201


def test_another_organization_s_key_is_another_key(api: Api, server: Server) -> None:
    first = api.ok("POST", "/app", {"name": "n"}, headers={"idempotency-key": "k"})
    assert fresh(server).ok("POST", "/app", {"name": "n"}, headers={"idempotency-key": "k"})["id"] != first["id"]


def test_requests_with_one_key_at_the_same_moment_have_one_effect(api: Api) -> None:
    answers: list[bytes] = []

    def send() -> None:
        answers.append(Api(api.server, api.token)("POST", "/app", {"name": "n"}, headers={"idempotency-key": "k"}).content)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and len(set(answers)) == 1
    assert len(api.ok("GET", "/app")["data"]) == 1


def test_patches_of_different_fields_at_the_same_moment_are_both_kept(api: Api) -> None:
    api.app(uid="u")
    bodies: list[dict[str, Any]] = [{"name": "new"}, {"throttleRate": 3}, {"metadata": {"k": "v"}}]

    def send(body: dict[str, Any]) -> None:
        Api(api.server, api.token).ok("PATCH", "/app/u", body)

    threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = api.ok("GET", "/app/u")
    assert (found["name"], found["throttleRate"], found["metadata"]) == ("new", 3, {"k": "v"})
