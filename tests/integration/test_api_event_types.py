"""Event types over HTTP: fields, schemas, flags, archiving, and their list by name."""

from typing import Any

import pytest

from tests.harness import Server
from tests.integration.api import Api, code, fresh, problems

SCHEMA = {"1": {"type": "object", "properties": {"id": {"$ref": "#/definitions/id"}}, "definitions": {"id": {"type": "string"}}}}


def make(api: Api, name: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = api.ok("POST", "/event-type", {"name": name, "description": "d"} | fields)
    return made


def listed(api: Api, query: str = "") -> list[str]:
    return [item["name"] for item in api.ok("GET", f"/event-type?{query}")["data"]]


def test_an_event_type_is_shown_with_all_its_fields(api: Api) -> None:
    made = make(api, "a.b", schemas=SCHEMA, featureFlags=["x", "y"], groupName="g", deprecated=True)
    assert made == {
        "name": "a.b",
        "description": "d",
        "archived": False,
        "deprecated": True,
        "schemas": SCHEMA,
        "featureFlags": ["x", "y"],
        "featureFlag": "x",
        "groupName": "g",
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
    }
    assert api.ok("GET", "/event-type/a.b") == made


def test_the_older_single_flag_is_taken(api: Api) -> None:
    assert make(api, "a", featureFlag="x")["featureFlags"] == ["x"]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": "a b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 257}, "name"),
        ({"description": None}, "description"),
        ({"archived": "no"}, "archived"),
        ({"featureFlags": ["x", "x"]}, "featureFlags"),
        ({"featureFlag": "a b"}, "featureFlag"),
        ({"schemas": []}, "schemas"),
        ({"schemas": {"1": 7}}, "schemas.1"),
        ({"schemas": {"a b": {}}}, "schemas.a b"),
        ({"schemas": {"1": {"type": "objekt"}}}, "schemas.1.type"),
        ({"schemas": {"1": {"properties": {"a": {"minimum": "x"}}}}}, "schemas.1.properties.a.minimum"),
        ({"schemas": {"1": {"items": [{"$ref": "http://127.0.0.1/x.json"}]}}}, "schemas.1.items.0.$ref"),
        ({"schemas": {"1": {"pattern": "("}}}, "schemas.1.pattern"),
        ({"schemas": {"1": {"title": "x" * 262_144}}}, "schemas"),
        ({"schemas": {str(version): {} for version in range(101)}}, "schemas"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(api: Api, fields: dict[str, Any], place: str) -> None:
    assert problems(api("POST", "/event-type", {"name": "n", "description": "d"} | fields)) == [f"body.{place}"]
    assert listed(api, "include_archived=true") == []


def test_a_taken_name_is_a_conflict(api: Api) -> None:
    make(api, "a")
    assert code(api("POST", "/event-type", {"name": "a", "description": "d"})) == (409, "event_type_exists")


def test_creating_an_archived_one_brings_it_back(api: Api) -> None:
    made = make(api, "a")
    api.ok("DELETE", "/event-type/a")
    assert make(api, "a", description="new")["createdAt"] == made["createdAt"]
    assert listed(api) == ["a"]


def test_deleting_archives_and_what_is_archived_can_be_read(api: Api) -> None:
    make(api, "a")
    assert api("DELETE", "/event-type/a").status_code == 204
    assert api.ok("GET", "/event-type/a")["archived"] is True
    assert (listed(api), listed(api, "include_archived=true")) == ([], ["a"])


def test_expunging_removes(api: Api) -> None:
    make(api, "a")
    api.ok("DELETE", "/event-type/a?expunge=true")
    assert code(api("GET", "/event-type/a")) == (404, "not_found")


def test_the_name_in_the_path_wins(api: Api) -> None:
    response = api("PUT", "/event-type/a", {"name": "b", "description": "d"})
    assert (response.status_code, response.json()["name"]) == (201, "a")
    assert api("PUT", "/event-type/a", {"description": "new"}).status_code == 200


def test_putting_replaces_all_of_it(api: Api) -> None:
    made = make(api, "a", schemas=SCHEMA, featureFlags=["x"], groupName="g", deprecated=True)
    put = api.ok("PUT", "/event-type/a", {"description": "new"})
    emptied: dict[str, Any] = {"schemas": None, "featureFlags": [], "featureFlag": None, "groupName": None, "deprecated": False}
    assert put == made | emptied | {"description": "new", "updatedAt": put["updatedAt"]}


def test_patching_changes_only_what_it_names(api: Api) -> None:
    made = make(api, "a", schemas=SCHEMA, featureFlags=["x"], groupName="g")
    patched = api.ok("PATCH", "/event-type/a", {"deprecated": True})
    assert patched == made | {"deprecated": True, "updatedAt": patched["updatedAt"]}


@pytest.mark.parametrize(("field", "empty"), [("schemas", None), ("groupName", None), ("featureFlag", None), ("featureFlags", [])])
def test_patching_with_null_takes_away(api: Api, field: str, empty: object) -> None:
    make(api, "a", schemas=SCHEMA, featureFlags=["x"], groupName="g")
    assert api.ok("PATCH", "/event-type/a", {field: None})[field] == empty


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_is_not_there_is_not_found(api: Api, method: str) -> None:
    assert code(api(method, "/event-type/none", {} if method == "PATCH" else None)) == (404, "not_found")


def test_another_organization_s_types_are_not_there(api: Api, server: Server) -> None:
    make(api, "a")
    other = fresh(server)
    assert code(other("GET", "/event-type/a")) == (404, "not_found")
    assert code(other("DELETE", "/event-type/a")) == (404, "not_found")
    assert listed(api) == ["a"]


def test_a_list_is_by_name_in_the_order_that_was_asked_for(api: Api) -> None:
    for name in "bca":
        make(api, name)
    assert (listed(api), listed(api, "order=descending")) == (["a", "b", "c"], ["c", "b", "a"])


def test_a_list_is_read_by_pages_even_when_names_begin_with_a_minus(api: Api) -> None:
    names = ["--a", "-b", "c", "d"]
    for name in names:
        make(api, name)
    found, cursor = [], ""
    for _ in names:
        page = api.ok("GET", f"/event-type?limit=1{cursor}")
        found += [item["name"] for item in page["data"]]
        cursor = f"&iterator={page['iterator']}"
    assert found == names


def test_a_list_is_read_backwards_from_a_name_that_begins_with_a_minus(api: Api) -> None:
    for name in ["-a", "-b"]:
        make(api, name)
    page = api.ok("GET", "/event-type?limit=1&order=descending")
    page = api.ok("GET", f"/event-type?limit=1&order=descending&iterator={page['iterator']}")
    assert [item["name"] for item in page["data"]] == ["-a"]
    assert listed(api, f"order=descending&iterator={page['prevIterator']}") == ["-b"]


def test_a_list_shows_schemas_only_when_asked(api: Api) -> None:
    make(api, "a", schemas=SCHEMA)
    assert api.ok("GET", "/event-type")["data"][0]["schemas"] is None
    assert api.ok("GET", "/event-type?with_content=true")["data"][0]["schemas"] == SCHEMA


@pytest.mark.parametrize(("query", "place"), [("include_archived=maybe", "include_archived"), ("iterator=a%20b", "iterator")])
def test_a_bad_question_is_named(api: Api, query: str, place: str) -> None:
    assert problems(api("GET", f"/event-type?{query}")) == [f"query.{place}"]


def test_an_application_s_token_sees_what_its_flags_open(api: Api) -> None:
    make(api, "free")
    make(api, "beta", featureFlags=["beta", "alpha"])
    make(api, "secret", featureFlag="secret")
    app = api.app()["id"]
    assert listed(api.portal(app)) == ["free"]
    assert listed(api.portal(app, featureFlags=["alpha"])) == ["beta", "free"]
    assert code(api.portal(app)("GET", "/event-type/beta")) == (404, "not_found")


def test_a_repeated_creation_gets_its_first_answer(api: Api) -> None:
    body = {"name": "a", "description": "d"}
    first = api("POST", "/event-type", body, headers={"idempotency-key": "k"})
    second = api("POST", "/event-type", body, headers={"idempotency-key": "k"})
    assert (second.status_code, second.content) == (201, first.content)
