"""What the API takes as a transformation and as a format, and trying a script out."""

from pathlib import Path
from typing import Any

import pytest

from hookwright.sandboxes import workers
from tests.harness import Receiver, running_server
from tests.integration.api import FORBIDDEN, NOT_FOUND, Api, code, fresh, problems

KEPT = "function handler(webhook) { return webhook; }"


@pytest.fixture
def endpoint(api: Api, app: str, receiver: Receiver) -> str:
    """The path of an endpoint of the application."""
    headers = {"X-Shown": "1", "Authorization": "Bearer secret"}
    made = api.ok("POST", f"/app/{app}/endpoint", {"url": receiver.url, "headers": headers, "disabled": True})
    return f"/app/{app}/endpoint/{made['id']}"


def tried(api: Api, endpoint: str, script: str | None, **fields: Any) -> Any:
    given = {"payload": {"n": 1}} | fields | ({} if script is None else {"code": script})
    return api.ok("POST", f"{endpoint}/transformation/test", given)


def test_there_is_none_until_there_is_one(api: Api, endpoint: str) -> None:
    assert api.ok("GET", f"{endpoint}/transformation") == {"code": None, "enabled": False, "variables": {}, "updatedAt": None}
    assert api("PATCH", f"{endpoint}/transformation", {"code": KEPT}).status_code == 204
    found = api.ok("GET", f"{endpoint}/transformation")
    assert (found["code"], found["enabled"]) == (KEPT, False)


def test_all_that_is_wrong_is_told_at_once(api: Api, endpoint: str) -> None:
    wrong = {"code": "x" * 65_537, "enabled": "yes", "variables": {f"v{n}": "" for n in range(65)}}
    assert set(problems(api("PATCH", f"{endpoint}/transformation", wrong))) == {"body.code", "body.enabled", "body.variables"}


@pytest.mark.parametrize(
    ("fields", "place"),
    [({"variables": {"a": 1}}, "body.variables.a"), ({"code": 1}, "body.code"), ({"variables": ["a"]}, "body.variables")],
)
def test_what_is_not_what_it_should_be_is_named(api: Api, endpoint: str, fields: dict[str, Any], place: str) -> None:
    assert problems(api("PATCH", f"{endpoint}/transformation", fields)) == [place]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("function handler(webhook) {\n  return webhook;\n", "SyntaxError: unexpected token in expression: '' (line 3)"),
        ("let a;\nlet a;\n" + KEPT, "SyntaxError: invalid redefinition of lexical identifier (line 2)"),
        (KEPT + "\n\nnothing.at.all;", "ReferenceError: nothing is not defined (line 3)"),
        ("const other = 1;", "there is no function handler(webhook) in it"),
        ("for (;;) {}", "it took more than"),
        ("throw null", "null was thrown"),
    ],
)
def test_code_that_would_fail_with_every_message_is_not_stored(api: Api, endpoint: str, script: str, told: str) -> None:
    api.ok("PATCH", f"{endpoint}/transformation", {"code": KEPT, "enabled": True})
    response = api("PATCH", f"{endpoint}/transformation", {"code": script, "enabled": False})
    assert problems(response) == ["body.code"]
    assert response.json()["detail"][0]["msg"].startswith(told), response.text
    kept = api.ok("GET", f"{endpoint}/transformation")
    assert (kept["code"], kept["enabled"]) == (KEPT, True)


def test_code_that_fails_for_some_messages_only_is_stored(api: Api, endpoint: str) -> None:
    api.ok("PATCH", f"{endpoint}/transformation", {"code": "function handler(webhook) { return webhook.payload.a.b; }"})


def test_where_no_process_can_be_begun_the_caller_is_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "worker.py").write_text("raise SystemExit")
    monkeypatch.setattr(workers, "PROGRAM", tmp_path / "worker.py")
    with running_server(tmp_path) as server:
        api = fresh(server)
        app = api.app()["id"]
        path = f"/app/{app}/endpoint/{api.ok('POST', f'/app/{app}/endpoint', {'url': 'https://example.com/'})['id']}/transformation"
        for response in (api("PATCH", path, {"code": KEPT}), api("POST", f"{path}/test", {"payload": {}, "code": KEPT})):
            assert code(response) == (503, "unavailable")
            assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PATCH", ""), ("POST", "/test")])
def test_of_an_endpoint_that_is_not_there_there_is_none(api: Api, app: str, method: str, path: str) -> None:
    body: Any = None if method == "GET" else {"payload": {}}
    assert code(api(method, f"/app/{app}/endpoint/none/transformation{path}", body)) == NOT_FOUND


def test_scopes_are_asked_for(api: Api, endpoint: str) -> None:
    reader, other = api.key("endpoint.transformation:read"), api.key("endpoint:read", "endpoint:write", "endpoint.secret:read")
    assert reader("GET", f"{endpoint}/transformation").status_code == 200
    assert code(reader("PATCH", f"{endpoint}/transformation", {"code": KEPT})) == FORBIDDEN
    assert code(reader("POST", f"{endpoint}/transformation/test", {"payload": {}})) == FORBIDDEN
    assert code(other("GET", f"{endpoint}/transformation")) == FORBIDDEN


def test_a_trial_shows_what_would_be_sent(api: Api, endpoint: str, receiver: Receiver) -> None:
    script = (
        "function handler(webhook) { console.log('got', webhook.payload, webhook.channels); webhook.method = 'PUT';"
        " webhook.headers = {'X-Key': webhook.variables.key}; webhook.payload.type = webhook.eventType; return webhook; }"
    )
    shown = tried(api, endpoint, script, eventType="invoice.paid", channels=["c"], variables={"key": "v"})
    assert shown.pop("durationMs") >= 0
    assert shown == {
        "result": "sent", "method": "PUT", "url": receiver.url, "body": '{"n":1,"type":"invoice.paid"}',
        "headers": {"content-type": "application/json", "X-Shown": "1", "X-Key": "v"}, "error": None, "log": ['got {"n":1} ["c"]'],
    }  # fmt: skip


def test_a_trial_is_of_what_is_kept_unless_it_brings_its_own(api: Api, endpoint: str) -> None:
    script = "function handler(webhook) { webhook.payload = webhook.variables; return webhook; }"
    api.ok("PATCH", f"{endpoint}/transformation", {"code": script, "variables": {"a": "1"}})
    assert tried(api, endpoint, None)["body"] == '{"a":"1"}'
    assert tried(api, endpoint, None, variables={"b": "2"})["body"] == '{"b":"2"}'
    assert tried(api, endpoint, KEPT)["body"] == '{"n":1}'


def test_a_trial_of_a_text_is_of_a_text(api: Api, endpoint: str) -> None:
    shown = tried(api, endpoint, "function handler(w) { w.payload = w.payload + '!'; return w; }", payload="up")
    assert (shown["body"], shown["headers"]["content-type"]) == ("up!", "text/plain; charset=utf-8")


def test_a_trial_that_cancels_says_so(api: Api, endpoint: str) -> None:
    assert tried(api, endpoint, "function handler(w) { w.cancel = true; return w; }")["result"] == "canceled"


@pytest.mark.parametrize(
    ("script", "line"),
    [("function handler(w) {\n  oops();\n}", 2), ("const a =\n;", 2), ("", None), ("function handler(w) {\n for (;;) {}\n}", None)],
)
def test_a_trial_that_fails_says_why_and_where(api: Api, endpoint: str, script: str, line: int | None) -> None:
    shown = tried(api, endpoint, "console.log('a');" + script if line is None else script)
    assert shown["result"] == "failed"
    assert shown["error"]["message"].startswith("the transformation failed: ")
    assert line is None or shown["error"]["line"] == line


def test_where_they_are_turned_off_a_trial_says_so(tmp_path: Any) -> None:
    with running_server(tmp_path, transformation_workers=0) as server:
        api = fresh(server)
        made = api.ok("POST", f"/app/{api.app()['id']}/endpoint", {"url": "https://example.com/"})
        app = api.ok("GET", "/app")["data"][0]["id"]
        shown = tried(api, f"/app/{app}/endpoint/{made['id']}", KEPT)
        assert "turned off" in shown["error"]["message"]


def test_a_format_is_shown_where_there_is_one(api: Api, endpoint: str) -> None:
    assert "format" not in api.ok("GET", endpoint)
    assert api.ok("PATCH", endpoint, {"format": "cloudevents"})["format"] == "cloudevents"
    assert api.ok("PATCH", endpoint, {"description": "a"})["format"] == "cloudevents"
    assert "format" not in api.ok("PATCH", endpoint, {"format": "json"})


def test_a_format_that_nobody_knows_is_refused(api: Api, endpoint: str) -> None:
    response = api("PATCH", endpoint, {"format": "xml"})
    assert problems(response) == ["body.format"]
    assert "cloudevents-binary" in response.text
