"""Every operation of the API is listed, served and tested; nothing that clients know is missing from our schemas."""

import ast
import asyncio
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from hookwright.api.app import ApiOptions, create_app
from tests.operations import Operation, absent, known_to_the_sdk, operations, read, table

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "api.md"
LINK = re.compile(r"\[`(test_\w+)`\]\(\.\./([\w/]+\.py)\)")
LISTED = operations()
OUR_NAMES = {"EndpointStats": "EndpointStatsOut", "ListResponse": "ListResponse_ApplicationOut_"}
"""Where a schema is called something else with us."""


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document as it is served; it is made of routes alone, so that no store is needed."""
    nothing: Any = SimpleNamespace(store=None, clock=None, news=SimpleNamespace(subscribe=lambda listener: None))
    transport = httpx.ASGITransport(create_app(nothing, ApiOptions(jwt_secret="of no use" * 4)))

    async def get() -> Any:
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return (await client.get("/api/v1/openapi.json")).json()

    found: dict[str, Any] = asyncio.run(get())
    return found


def served(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = document()["paths"][f"/api/v1{operation.path}"][operation.method.lower()]
    return found


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("operation", [one for one in LISTED if one.shown], ids=named)
def test_a_listed_operation_is_served_under_its_name(operation: Operation) -> None:
    assert served(operation)["operationId"] == operation.id


@pytest.mark.parametrize("operation", [one for one in LISTED if one.query], ids=named)
def test_a_listed_operation_takes_its_parameters(operation: Operation) -> None:
    taken = {parameter["name"] for parameter in served(operation).get("parameters", [])}
    assert set(operation.query.split()) <= taken


@pytest.mark.parametrize("operation", LISTED, ids=named)
def test_the_test_that_shows_an_operation_exists(operation: Operation) -> None:
    file, _, name = operation.test.partition("::")
    assert name in functions_of(file)


def test_every_served_operation_is_listed() -> None:
    ours = {(method.upper(), path.removeprefix("/api/v1")) for path, item in document()["paths"].items() for method in item}
    assert ours == {(one.method, one.path) for one in LISTED if one.shown}


def test_of_every_operation_that_the_sdk_can_call_it_is_said_whether_it_is_served_and_if_not_why() -> None:
    listed = {_unnamed(named(one)) for one in LISTED} | {_unnamed(what) for what in absent()}
    assert len(known_to_the_sdk()) > 100
    assert {what for what in known_to_the_sdk() if _unnamed(what) not in listed} == set()


def test_what_is_not_served_is_not_served() -> None:
    served_here = {
        _unnamed(f"{method.upper()} {path.removeprefix('/api/v1')}") for path, item in document()["paths"].items() for method in item
    }
    assert served_here.isdisjoint({_unnamed(what) for what in absent()})


def _unnamed(what: str) -> str:
    """Parameters of paths may have other names with us."""
    return re.sub(r"{[^}]*}", "{}", what).rstrip("/")


def test_no_operation_is_listed_twice() -> None:
    assert len({(one.method, one.path) for one in LISTED}) == len(LISTED)


@pytest.mark.parametrize("name", read()["schemas"])
def test_a_schema_has_every_field_that_clients_know(name: str) -> None:
    fields = read()["schemas"][name].split()
    ours = document()["components"]["schemas"][OUR_NAMES.get(name, name)]
    assert {field.removesuffix("*") for field in fields} <= set(ours["properties"])


@pytest.mark.parametrize("name", [name for name in read()["schemas"] if not name.endswith(("In", "Patch", "Update"))])
def test_an_answer_always_has_the_fields_that_clients_count_on(name: str) -> None:
    always = {field.removesuffix("*") for field in read()["schemas"][name].split() if field.endswith("*")}
    assert always <= set(document()["components"]["schemas"][OUR_NAMES.get(name, name)]["required"])


@pytest.mark.parametrize("name", [name for name in read()["schemas"] if name.endswith(("In", "Patch", "Update"))])
def test_a_request_needs_no_field_that_clients_may_leave_out(name: str) -> None:
    demanded = {field.removesuffix("*") for field in read()["schemas"][name].split() if field.endswith("*")}
    assert set(document()["components"]["schemas"][name].get("required", ())) <= demanded


def test_the_table_in_the_document_is_the_list() -> None:
    found = re.search(r"<!-- operations -->\n(.*)<!-- end of operations -->", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert found[1] == table(), "run scripts/write_operations_table.py"


@pytest.mark.parametrize("link", LINK.findall(DOCUMENT.read_text(encoding="utf-8")), ids=lambda link: link[0])
def test_a_test_that_the_document_names_exists(link: tuple[str, str]) -> None:
    name, file = link
    assert name in functions_of(file)
