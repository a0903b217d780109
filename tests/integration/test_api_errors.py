"""What every operation does with requests that make no sense, and what is served beside the operations."""

import asyncio
import http.client
import json
import socket
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
import structlog
from fastapi import FastAPI

from hookwright.api import errors
from hookwright.errors import StoreUnavailable
from tests.harness import Server, running_server
from tests.integration.api import Api, code, problems

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'name': 'n'}",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": "n", "metadata": {"\\udc00": "v"}}',
        b'{"name": "n", "throttleRate": NaN}',
        b'{"name": "n", "throttleRate": Infinity}',
        b'{"name": "n", "throttleRate": 1' + b"0" * 5000 + b"}",
        b'{"name": "n", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": "n"} x',
        '{"name": "n"}'.encode("utf-16"),
    ],
)
def test_a_body_that_is_not_json_is_refused_as_such(api: Api, body: bytes) -> None:
    response = api("POST", "/app", content=body)
    assert problems(response) == ["body"]
    assert response.json()["detail"][0]["type"] == "value_error.jsondecode"
    assert api.ok("GET", "/app")["data"] == []


@pytest.mark.parametrize(
    "body",
    [b'{"name": "a\\u0000b"}', b'{"name": "n", "metadata": {"\\u0000": "v"}}', b'{"name": "n", "x": ' + b"[" * 65 + b"]" * 65 + b"}"],
)
def test_a_body_with_nul_or_too_much_nesting_is_refused(api: Api, body: bytes) -> None:
    assert problems(api("POST", "/app", content=body)) == ["body"]


@pytest.mark.parametrize("body", [b"[]", b"7", b'"name"', b"null", b"", b"true"])
def test_a_body_that_is_no_object_is_refused(api: Api, body: bytes) -> None:
    assert problems(api("POST", "/app", content=body)) == ["body"]


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "nonsense", "application/json; charset=utf-8"]
)
def test_a_body_is_json_whatever_its_content_type_says(api: Api, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert api("POST", "/app", content=b'{"name": "n"}', headers=headers).status_code == 201


def test_a_body_that_declares_too_much_is_refused_before_it_is_read(server: Server, api: Api) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("POST", "/api/v1/app")
    connection.putheader("Authorization", f"Bearer {api.token}")
    connection.putheader("Content-Length", str(10 * MEBIBYTE))
    connection.endheaders()
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (413, "payload_too_large")
    connection.close()


@pytest.mark.parametrize("path", ["/app", "/app/a/msg"])
def test_a_body_that_grows_too_large_is_refused(api: Api, path: str) -> None:
    response = api("POST", path, content=iter([b" " * MEBIBYTE, b" "]))
    assert code(response) == (413, "payload_too_large")


@pytest.mark.parametrize("path", ["/app", "/app/a/msg", "/app/a/msg/batch"])
def test_a_body_whose_one_chunk_is_too_large_is_refused(tmp_path: Path, path: str) -> None:
    with running_server(tmp_path, max_message_bytes=1024) as server, socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        head = f"POST /api/v1{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.token}\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"401\r\n" + b" " * 1025 + b"\r\n0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 413"


@pytest.mark.parametrize("path", ["/app", "/app/a/msg"])
@pytest.mark.parametrize("declared", [True, False])
def test_whoever_sends_too_much_is_told_the_limit_and_its_setting(api: Api, path: str, declared: bool) -> None:
    body = b" " * (MEBIBYTE + 1)
    detail = api("POST", path, content=body if declared else iter([body])).json()["detail"]
    assert detail == f"The request is larger than {MEBIBYTE} bytes (HOOKWRIGHT_MAX_MESSAGE_BYTES)"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"name": "n", "throttleRate": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"name": "n", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
        (b'{"name": "\xff"}', "not UTF-8 (at byte 10)"),
    ],
)
def test_what_the_parser_gave_up_at_is_told_in_words_for_callers(api: Api, body: bytes, reason: str) -> None:
    assert reason in api("POST", "/app", content=body).json()["detail"][0]["msg"]


@pytest.mark.parametrize(
    "body",
    [
        {"url": "https://a.example/", "eventTypes": [f"t{n}" for n in range(50_000)]},
        {"url": "https://a.example/", "eventTypes": [f"t{n}" for n in range(1000)]},
        {"url": "https://a.example/", "channels": ["a b"] * 50_000},
        {"url": "https://a.example/", "headers": {f"a b{n}": "v" for n in range(20_000)}},
        {"url": "https://a.example/", "metadata": {f"k{n}": n for n in range(20_000)}},
        {"url": "https://a.example/", "uid": "x y" * 100_000},
    ],
)
def test_an_answer_does_not_grow_with_what_is_wrong(api: Api, body: dict[str, object]) -> None:
    api.app(uid="a")
    response = api("POST", "/app/a/endpoint", body)
    assert problems(response)
    assert len(response.content) < 20_000


def test_ten_of_many_unknown_event_types_are_named(api: Api) -> None:
    api.app(uid="a")
    body = {"url": "https://a.example/", "eventTypes": [f"t{n}" for n in range(12)]}
    assert api("POST", "/app/a/endpoint", body).json()["detail"][0]["msg"].endswith(" and 2 more")


def test_a_message_with_too_many_channels_is_told_so_once(api: Api) -> None:
    api.app(uid="a")
    assert problems(api("POST", "/app/a/msg", {"eventType": "a", "payload": {}, "channels": ["a b"] * 5000})) == ["body.channels"]


def test_a_whole_number_is_one_in_either_spelling_everywhere(api: Api) -> None:
    api.app(uid="a")
    made = api.ok("POST", "/app/a/endpoint", {"url": "https://a.example/", "version": 2.0, "throttleRate": 1000.0})
    assert (made["version"], made["throttleRate"]) == (2, 1000)
    api.ok("POST", f"/app/a/endpoint/{made['id']}/secret/rotate", {"gracePeriodSeconds": 5.0})
    for field in ("payloadRetentionPeriod", "payloadRetentionHours"):
        api.ok("POST", "/app/a/msg", {"eventType": "a", "payload": {}, field: 30.0})


@pytest.mark.parametrize("field", ["payloadRetentionPeriod", "payloadRetentionHours"])
@pytest.mark.parametrize("value", [30.5, 1e300, "30", True, 0])
def test_what_is_no_whole_number_of_days_or_hours_is_refused(api: Api, field: str, value: object) -> None:
    api.app(uid="a")
    assert problems(api("POST", "/app/a/msg", {"eventType": "a", "payload": {}, field: value})) == [f"body.{field}"]


def test_an_unknown_path_is_not_found(api: Api) -> None:
    assert code(api("GET", "/nothing")) == (404, "not_found")


def test_an_unknown_method_is_told_which_there_are(api: Api) -> None:
    response = api("DELETE", "/app")
    assert code(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"


def test_a_page_of_another_origin_may_call(server: Server) -> None:
    asked = {
        "origin": "https://example.com",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization, x-a",
    }
    response = httpx.options(f"{server.url}/api/v1/app", headers=asked)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-headers"] == "authorization, x-a"
    assert response.headers["access-control-max-age"] == "600"


def test_an_error_can_be_read_by_a_page_of_another_origin(server: Server) -> None:
    response = httpx.get(f"{server.url}/api/v1/app", headers={"origin": "https://example.com"})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, "*")


def test_the_root_leads_to_the_documentation(server: Server) -> None:
    response = httpx.get(server.url)
    assert (response.status_code, response.headers["location"]) == (307, "/docs")


def test_health_tells_of_its_parts(server: Server) -> None:
    ok = {"status": "ok"}
    assert httpx.get(f"{server.url}/api/v1/health").json() == {"database": ok, "queue": ok, "cache": ok}
    assert httpx.head(f"{server.url}/api/v1/health/").status_code == 200
    assert httpx.get(f"{server.url}/api/v1/health/ping").status_code == 204


def answer_of(error: Exception) -> httpx.Response:
    """What an application answers whose only route raises this."""
    app = FastAPI()
    errors.install(app)
    app.add_middleware(errors.Unexpected)

    async def fail() -> None:
        raise error

    app.add_api_route("/", fail)

    async def call() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            return await client.get("/")

    return asyncio.run(call())


def test_what_nobody_expected_is_logged_once_under_the_id_that_the_caller_gets() -> None:
    with structlog.testing.capture_logs() as logs:
        response = answer_of(ZeroDivisionError("inner workings"))
    assert code(response) == (500, "internal_error")
    assert [log["event"] for log in logs] == ["request.failed"]
    assert logs[0]["incident"] in response.text
    assert "inner workings" not in response.text


def test_a_database_that_is_not_there_is_told_with_a_time_to_come_back() -> None:
    response = answer_of(StoreUnavailable("the disk is full"))
    assert code(response) == (503, "unavailable")
    assert int(response.headers["retry-after"]) > 0


class _Page(HTMLParser):
    """Everything that a page would load, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in {"script", "img", "link", "iframe", "object", "embed"} or "src" in found:
            self.loads.append(tag)
        self.anchors.add(f"#{found.get('id')}")
        if tag == "a":
            self.links.add(str(found.get("href")))


def test_the_page_for_people_loads_nothing_and_its_links_lead_somewhere(server: Server) -> None:
    response = httpx.get(f"{server.url}/docs")
    page = _Page()
    page.feed(response.text)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert page.loads == []
    assert page.links - {"/api/v1/openapi.json"} <= page.anchors


def test_the_page_for_people_names_every_operation(server: Server) -> None:
    page = httpx.get(f"{server.url}/docs").text
    paths = httpx.get(f"{server.url}/api/v1/openapi.json").json()["paths"]
    assert [path for path in paths if f"<code>{path}</code>" not in page] == []


def test_the_document_describes_the_errors_of_every_operation(server: Server) -> None:
    paths = httpx.get(f"{server.url}/api/v1/openapi.json").json()["paths"]
    expected = {"400", "401", "403", "404", "409", "413", "422", "503"}
    operations = {f"{method} {path}": operation for path, item in paths.items() for method, operation in item.items()}
    lacking = {name: expected - set(operation["responses"]) for name, operation in operations.items() if "/health" not in name}
    assert {name: codes for name, codes in lacking.items() if codes} == {}


def test_the_document_s_references_lead_somewhere(server: Server) -> None:
    text = httpx.get(f"{server.url}/api/v1/openapi.json").text
    known = json.loads(text)["components"]["schemas"]
    named = {part.split('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}
    assert named <= set(known)
