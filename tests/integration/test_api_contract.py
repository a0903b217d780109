"""The served OpenAPI document against the server that serves it, by schemathesis; then attacks that no schema describes.

`CONTRACT_EXAMPLES` (default 10): examples per operation and phase; 300 is a long run.
"""

import asyncio
import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest

from hookwright.api.app import ApiOptions, create_app
from hookwright.clock import SystemClock
from hookwright.errors import StoreUnavailable
from tests.harness import Receiver, Server, answers, running_server
from tests.integration.api import Api, fresh

EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "10"))
PATIENCE = 600 + EXAMPLES * 20
"""Seconds: half a minute on a machine that has nothing else to do."""
BUSINESS_RULES = "positive_data_acceptance"
"""Left out: a schema cannot say that an event type must exist, or that `since` is before `until`."""

pytestmark = pytest.mark.long


class Seeded(msgspec.Struct, frozen=True):
    """Things that exist: `names` fills path parameters; `url` is a receiver."""

    api: Api
    names: dict[str, str]
    url: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("contract"), log_level="error") as started:
        yield started


@pytest.fixture
def seeded(server: Server) -> Iterator[Seeded]:
    """An organization with one of everything, so that ids in paths name something."""
    api = fresh(server)
    with Receiver() as receiver:
        app = api.app(uid="unique-app-identifier")["id"]
        schemas = {"1": {"type": "object", "examples": [{"n": 1}]}}
        api.ok("POST", "/event-type", {"name": "user.signup", "description": "d", "schemas": schemas})
        endpoint = "unique-endpoint-identifier"  # of an operational endpoint, too
        for path in (f"/app/{app}/endpoint", "/operational-webhook/endpoint"):
            api.ok("POST", path, {"url": receiver.url, "uid": endpoint})
        poller = api.ok("POST", f"/app/{app}/endpoint", {"type": "poller"})["id"]
        body = {"eventType": "user.signup", "payload": {}, "eventId": "unique-message-identifier"}
        message = api.ok("POST", f"/app/{app}/msg", body)["id"]
        receiver.wait_for(1)
        while not (attempts := api.ok("GET", f"/app/{app}/attempt/msg/{message}")["data"]):
            pass
        key = api.ok("POST", "/auth/api-key", {"name": "k"})["id"]
        names = {
            "app_id": app, "endpoint_id": endpoint, "msg_id": message, "attempt_id": attempts[0]["id"],
            "event_type_name": "user.signup", "key_id": key, "sink_id": poller, "consumer_id": "backup",
        }  # fmt: skip
        yield Seeded(api, names, receiver.url)


def schemathesis_run(seeded: Seeded, folder: Path, path: dict[str, str], *options: str) -> None:
    """Everything that schemathesis can check, in a process of its own. Fails with its report."""
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
        "--config-file", str(Path(__file__).with_name("contract.toml")),
        "run", f"{seeded.api.server.url}/api/v1/openapi.json", "--header", f"Authorization: Bearer {seeded.api.token}",
        "--max-examples", str(EXAMPLES), "--continue-on-failure", "--exclude-checks", BUSINESS_RULES,
        "--generation-deterministic", "--no-color", *options,
    ]  # fmt: skip
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.integration.contract_hooks",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "CONTRACT_SEEDS": json.dumps({"path": path, "url": seeded.url}),
    }
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-20_000:]
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found is not None and found[1] == found[2], done.stdout[-20_000:]
    print(f"\n{found[0]}")


@pytest.mark.timeout(PATIENCE)
def test_the_server_keeps_its_own_document_from_any_state(seeded: Seeded, tmp_path: Path) -> None:
    """All operations in any order, deletions too; ids are made up, or learnt from answers. Fuzzing is for ids that exist, below:
    behind a 404 it finds nothing that coverage does not."""
    schemathesis_run(seeded, tmp_path, {}, "--phases", "coverage,stateful")


@pytest.mark.timeout(PATIENCE)
def test_the_server_keeps_its_own_document_where_things_exist(seeded: Seeded, tmp_path: Path) -> None:
    """Only real ids, so that every request gets past the 404."""
    schemathesis_run(seeded, tmp_path, seeded.names, "--phases", "examples,fuzzing", "--exclude-method", "DELETE")


def well_formed_error(answer: httpx.Response) -> bool:
    """One of the two shapes of `hookwright.api.errors`."""
    body = answer.json()
    if answer.status_code == 422:
        return set(body) == {"detail"} and all(set(item) == {"loc", "msg", "type"} for item in body["detail"])
    return set(body) == {"code", "detail"} and all(isinstance(text, str) and text for text in body.values())


def check(answer: httpx.Response, server: Server) -> None:
    assert answer.status_code < 500, answer.text
    assert answer.is_success or well_formed_error(answer), answer.text
    assert answers(server.port)


def with_bodies(seeded: Seeded) -> list[tuple[str, str]]:
    """Every operation that takes a JSON body: (method, path without its prefix)."""
    document = httpx.get(f"{seeded.api.server.url}/api/v1/openapi.json").json()
    return [
        (method.upper(), path.removeprefix("/api/v1").format(**seeded.names))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "requestBody" in operation
    ]


def deep(opening: str, closing: str, depth: int = 10_000) -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


NOT_JSON = {
    "cut off": b'{"name": "a',
    "two values": b'{"name": "a"} {}',
    "comment": b'{"name": "a" /* why */}',
    "single quotes": b"{'name': 'a'}",
    "NaN": b'{"name": "a", "payload": {"n": NaN}}',
    "Infinity": b'{"name": "a", "payload": {"n": -Infinity}}',
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"name": "\xed\xa0\x80"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "lone surrogate": b'{"name": "\\ud800", "payload": {"s": "\\ud800"}}',
    "lone surrogate as a key": b'{"name": "a", "payload": {"\\udfff": 1}}',
    "lists nested 10,000 deep": deep("[", "]"),
    "objects nested 10,000 deep": deep('{"a":', "}"),
    "a payload nested 10,000 deep": b'{"name": "a", "eventType": "a", "payload": ' + deep('{"a":', "}") + b"}",
    "raw control character": b'{"name": "a\x00b"}',
}
JSON_BUT_WRONG = {
    "list": b'[{"name": "a"}]',
    "text": b'"name"',
    "number": b"12",
    "null": b"null",
    "true": b"true",
    "escaped NUL": b'{"name": "a\\u0000", "eventType": "a\\u0000", "payload": {"s": "\\u0000"}, "url": "http://127.0.0.1/\\u0000"}',
    "beyond 64 bits": b'{"name": "a", "throttleRate": 9223372036854775809, "gracePeriodSeconds": 9223372036854775809, "expiry": 1e999}',
    "1e999": b'{"name": "a", "throttleRate": 1e999, "eventType": 1e999, "url": 1e999}',
    "a number of 5,000 digits": b'{"name": "a", "throttleRate": ' + b"9" * 5000 + b"}",
    "wrong types everywhere": (
        b'{"name": {}, "uid": [], "url": 1, "eventType": null, "payload": [], "headers": 3, "since": {}, "scopes": "x"}'
    ),
    "a text of 900,000 characters": b'{"name": "' + b"a" * 900_000 + b'", "eventType": "b", "url": "c", "description": 1}',
    "80,000 keys": b"{" + b",".join(b'"k%d":1' % n for n in range(80_000)) + b"}",
    "100,000 channels": b'{"eventType": "a", "payload": {}, "channels": [' + b",".join([b'"c"'] * 100_000) + b"]}",
    "prototype": b'{"__proto__": {"name": "a"}, "constructor": 1}',
}  # fmt: skip
HARMLESS = {
    "empty": b"",
    "blanks": b" \r\n\t",
    "byte order mark": b'\xef\xbb\xbf{"name": "a"}',
    "duplicate keys": b'{"name": "a", "name": "b", "eventType": "a", "eventType": "b", "payload": {"x": 1}, "payload": {"y": 2}}',
    "an empty object": b"{}",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_a_body_that_is_not_json_is_refused_by_every_operation(seeded: Seeded, body: bytes) -> None:
    for method, path in with_bodies(seeded):
        answer = seeded.api(method, path, content=body)
        check(answer, seeded.api.server)
        assert answer.status_code == 422, f"{method} {path} {answer.text}"


@pytest.mark.parametrize("body", (JSON_BUT_WRONG | HARMLESS).values(), ids=(JSON_BUT_WRONG | HARMLESS).keys())
def test_json_of_the_wrong_shape_is_answered_in_a_known_shape_by_every_operation(seeded: Seeded, body: bytes) -> None:
    for method, path in with_bodies(seeded):
        check(seeded.api(method, path, content=body), seeded.api.server)


def test_of_duplicate_keys_the_last_one_counts_for_what_is_stored_and_what_is_sent(seeded: Seeded) -> None:
    body = b'{"eventType":"a","payload":{"x":1},"eventType":"b","payload":{"y":2}}'
    made = seeded.api("POST", "/app/unique-app-identifier/msg", content=body).json()
    assert (made["eventType"], made["payload"]) == ("b", {"y": 2})


def test_a_body_beyond_the_limit_is_413_by_every_operation(seeded: Seeded) -> None:
    body = b'{"name": "' + b"a" * 1_100_000 + b'"}'
    for method, path in with_bodies(seeded):
        answer = seeded.api(method, path, content=body)
        check(answer, seeded.api.server)
        assert answer.status_code == 413


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "\xff/;;;"]
)
def test_a_body_is_json_whatever_its_content_type_says(seeded: Seeded, content_type: str) -> None:
    answer = seeded.api("POST", "/app", content=b'{"name": "a"}', headers={b"content-type": content_type.encode("latin-1")})
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "OPTIONS", "BREW", "get", "POST", "G" * 200])
def test_an_unknown_method_is_told_so(seeded: Seeded, method: str) -> None:
    answer = raw(seeded, method, b"/api/v1/app/unique-app-identifier/msg/unique-message-identifier")
    assert answer.status_code in (200, 400, 405), answer.text
    assert answer.is_success or well_formed_error(answer)


LISTS = (
    "/app", "/app/{app_id}/endpoint", "/app/{app_id}/msg", "/event-type", "/app/{app_id}/endpoint/{endpoint_id}/msg",
    "/app/{app_id}/attempt/endpoint/{endpoint_id}", "/app/{app_id}/attempt/msg/{msg_id}", "/app/{app_id}/msg/{msg_id}/endpoint",
)  # fmt: skip
FOREIGN = "org_000000000000000000000000000"
ABSURD_ITERATORS = (
    "", "-", "--", "~", "-~-", " ", "\0", "\r\n", FOREIGN, "app_", "msg_zzzzzzzzzzzzzzzzzzzzzzzzzzz", "ep_é", "'; DROP TABLE messages; --",
    "%00", "a b", "\U0001f9ff", "x" * 10_000, "-" * 500,
)  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_an_absurd_iterator_is_refused(seeded: Seeded, path: str) -> None:
    for iterator in ABSURD_ITERATORS:
        answer = seeded.api("GET", path.format(**seeded.names), params={"iterator": iterator})
        check(answer, seeded.api.server)
        named = path == "/event-type" and iterator in (FOREIGN, "app_", "--", "-~-", "msg_zzzzzzzzzzzzzzzzzzzzzzzzzzz")
        assert answer.status_code == (200 if named else 422) or iterator.strip("-") == "", (iterator[:50], answer.text)


ABSURD_VALUES = (
    "-1", "251", "1e9", str(2**64), "9" * 5000, "1.5", "٣", "NaN", "", "\0", "\U0001f9ff", "0000-00-00T00:00:00Z", "9999-12-31T23:59:60Z",
    "1969-12-31T23:59:59Z", "9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00-23:59",
)  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "name", ["limit", "before", "after", "status", "status_code_class", "order", "channel", "event_types", "with_content"]
)
def test_an_absurd_value_of_a_query_parameter_is_answered_in_a_known_shape(seeded: Seeded, path: str, name: str) -> None:
    for value in ABSURD_VALUES:
        check(seeded.api("GET", path.format(**seeded.names), params={name: value}), seeded.api.server)


@pytest.mark.parametrize("path", LISTS)
def test_a_limit_beyond_the_range_is_refused(seeded: Seeded, path: str) -> None:
    codes = {limit: seeded.api("GET", path.format(**seeded.names), params={"limit": limit}).status_code for limit in ("-1", "251", "abc")}
    assert set(codes.values()) == {422}


STRANGE_PARTS = (
    b"..%2f..%2fetc%2fpasswd", b"..%5c..%5cwindows", b"%2e%2e", b"%00", b"a%00b", b"%ff%fe", b"%c0%af", b"a%2fb", b"%", b"%zz", b";",
    b"%3f", b"%23", b"app_", b"app_" + b"0" * 27, b"app_zzzzzzzzzzzzzzzzzzzzzzzzzzz", b"x" * 10_000, b"%F0%9F%A7%BF",
    b"%0d%0aSet-Cookie:%20a=b", b"*", b"null", b"%20", b"'%20OR%201=1--",
)  # fmt: skip


@pytest.mark.parametrize("part", STRANGE_PARTS, ids=lambda part: part[:24].decode())
def test_a_strange_id_in_a_path_names_nothing(seeded: Seeded, part: bytes) -> None:
    app = seeded.names["app_id"].encode()
    for path in (b"/app/" + part, b"/app/" + app + b"/endpoint/" + part, b"/app/" + app + b"/msg/" + part, b"/event-type/" + part):
        answer = raw(seeded, "GET", b"/api/v1" + path)
        assert answer.status_code in (400, 404, 422), answer.text
        assert well_formed_error(answer)
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path", [b"/../../etc/passwd", b"//api/v1/app", b"/api/v1/../v1/app", b"/api/v1/./app", b"/api//v1/app", b"/%2e%2e/api/v1/app"]
)
def test_a_path_that_climbs_leads_nowhere(seeded: Seeded, path: bytes) -> None:
    answer = raw(seeded, "GET", path)
    assert answer.status_code in (400, 404)
    assert well_formed_error(answer)


INJECTED = "a\r\nX-Injected: yes"


@pytest.mark.parametrize("name", ["X-A", "X-A\r\nX-Injected", "X-A: b", "X A", "", "é"])
@pytest.mark.parametrize("value", [INJECTED, "a\nb", "a\0b", "é", "x" * 5000])
def test_a_header_that_would_break_a_request_apart_is_refused(seeded: Seeded, name: str, value: str) -> None:
    path = f"/app/{seeded.names['app_id']}/endpoint/{seeded.names['endpoint_id']}/headers"
    for method in ("PUT", "PATCH"):
        assert seeded.api(method, path, {"headers": {name: value}}).status_code == 422
    assert seeded.api.ok("GET", path)["headers"] == {}


@pytest.mark.parametrize("content_type", [INJECTED, "text/plain\r\nX-Injected: yes", "text/plain\n", "é/é", "text", "x" * 300 + "/y"])
def test_a_content_type_that_is_none_is_refused(seeded: Seeded, content_type: str) -> None:
    body = {"eventType": "a", "payload": {}, "transformationsParams": {"rawPayload": "x", "headers": {"content-type": content_type}}}
    assert seeded.api("POST", f"/app/{seeded.names['app_id']}/msg", body).status_code == 422


@pytest.mark.parametrize("key", [b"", b" ", b"x" * 1000, b"\xff\xfe", b'"', b'""', b"\x7f", "schlüssel".encode()])
def test_a_strange_idempotency_key_is_taken_or_refused_in_a_known_shape(seeded: Seeded, key: bytes) -> None:
    for path, body in (("/app", {"name": "a"}), (f"/app/{seeded.names['app_id']}/msg", {"eventType": "a", "payload": {}})):
        answer = raw(seeded, "POST", b"/api/v1" + path.encode(), json.dumps(body).encode(), (b"Idempotency-Key: " + key,))
        assert answer.status_code in (201, 202, 400, 422), answer.text
        assert answer.is_success or well_formed_error(answer)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic YTpi",
        b"Bearer \xff\xfe",
        b"Bearer " + b"x" * 20_000,
        b"Bearer a.b.c",
        b"Bearer e30.e30.",
        b"\xc3\xa9",
    ],
)
def test_a_strange_authorization_is_401(server: Server, value: bytes) -> None:
    answer = exchange(server, b"GET /api/v1/app HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + value + b"\r\n\r\n")
    assert answer.status_code == 401
    assert well_formed_error(answer)


@pytest.mark.parametrize("gone", ["read", "write"])
def test_health_is_503_with_the_same_body_when_the_database_cannot_be_read_or_written(gone: str) -> None:
    async def works(_: object) -> tuple[()]:
        return ()

    async def fails(_: object) -> None:
        raise StoreUnavailable("the disk is full")

    store = SimpleNamespace(**({"read": works, "write": works} | {gone: fails}))
    services: Any = SimpleNamespace(store=store, clock=SystemClock(), news=SimpleNamespace(subscribe=lambda listener: None))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(services, ApiOptions(jwt_secret="x" * 32)))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get("/api/v1/health")

    answer = asyncio.run(ask())
    assert answer.status_code == 503
    assert answer.json() == {"database": {"status": "error"}, "queue": {"status": "error"}, "cache": {"status": "ok"}}


def raw(seeded: Seeded, method: str, path: bytes, body: bytes = b"", headers: tuple[bytes, ...] = ()) -> httpx.Response:
    """A request as these very bytes, which no client library has tidied up."""
    head = [
        method.encode() + b" " + path + b" HTTP/1.1", b"Host: x", b"Connection: close", b"Content-Length: %d" % len(body),
        b"Authorization: Bearer " + str(seeded.api.token).encode(), *headers,
    ]  # fmt: skip
    return exchange(seeded.api.server, b"\r\n".join(head) + b"\r\n\r\n" + body)


def exchange(server: Server, request: bytes) -> httpx.Response:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        headers: Any = answer.getheaders()
        return httpx.Response(answer.status, headers=headers, content=answer.read())
