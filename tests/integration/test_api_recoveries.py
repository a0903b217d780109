"""Sending many messages again over HTTP: what is refused, what it says beforehand, how far it is, and ending it."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.harness import Receiver, running_server
from tests.integration.api import NOT_FOUND, Api, code, fresh, problems
from tests.integration.deliveries import endpoint, message, settled
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("app")
EVER = {"since": "2020-01-01T00:00:00Z"}
KINDS = {"recover": "endpoint.recover", "replay-missing": "endpoint.replay", "bulk-replay": "endpoint.bulk-replay"}


def finished(api: Api, task: str) -> dict[str, Any]:
    """The task, as soon as it has ended."""
    return eventually(lambda: shown if (shown := api.ok("GET", f"/background-task/{task}"))["status"] != "running" else None)


def test_a_recover_sends_what_failed_again_and_nothing_else(tmp_path: Path) -> None:
    broken = True
    with (
        running_server(tmp_path, retry_schedule="0.01") as server,
        Receiver(lambda request: web.Response(status=500 if broken and request.body == b'{"n":2}' else 200)) as receiver,
    ):
        api = fresh(server)
        api.app(uid="a")
        where = endpoint(api, receiver)
        message(api)
        failed = message(api, payload={"n": 2})
        settled(api, where["id"], 3)
        broken = False
        answered = api("POST", f"/app/a/endpoint/{where['id']}/recover", {"since": "2020-01-01T00:00:00Z"})
        shown = answered.json()
        assert answered.status_code == 202
        assert (shown["id"][:6], shown["status"], shown["task"]) == ("qtask_", "running", "endpoint.recover")
        latest, *before = settled(api, where["id"], 4)
        assert len(before) == 3
        assert (latest["msgId"], latest["triggerType"], latest["responseStatusCode"]) == (failed["id"], 1, 200)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "body.since"),
        ({"since": 5}, "body.since"),
        ({"since": "2026-01-01T00:00:00"}, "body.since"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "body.since"),
        ({"since": "9999-01-01T00:00:00Z"}, "body.since"),
        (EVER | {"rate": 0}, "body.rate"),
        (EVER | {"rate": 1001}, "body.rate"),
    ],
)
def test_a_range_that_is_none_is_refused_by_every_kind_and_its_preview(
    api: Api, receiver: Receiver, kind: str, body: dict[str, Any], place: str
) -> None:
    where = endpoint(api, receiver)
    for path in (kind, f"{kind}/preview"):
        assert problems(api("POST", f"/app/a/endpoint/{where['id']}/{path}", body)) == [place]


def test_everything_that_is_wrong_with_a_bulk_replay_is_told_at_once(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    body = EVER | {"eventTypes": [], "channel": "not a channel", "tag": "t", "status": 7, "statusCodeClass": 250}
    found = problems(api("POST", f"/app/a/endpoint/{where['id']}/bulk-replay", body))
    assert {place.split(".")[1] for place in found} == {"eventTypes", "channel", "tag", "status", "statusCodeClass"}


@pytest.mark.parametrize("status", [1, 3])
def test_what_is_on_its_way_is_not_replayed_and_the_refusal_says_so(api: Api, receiver: Receiver, status: int) -> None:
    where = endpoint(api, receiver)
    refused = api("POST", f"/app/a/endpoint/{where['id']}/bulk-replay", EVER | {"status": status})
    assert problems(refused) == ["body.status"]
    assert "on its way" in refused.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_of_nothing_finishes_and_says_what_was_asked(api: Api, receiver: Receiver, kind: str) -> None:
    where = endpoint(api, receiver)
    answered = api("POST", f"/app/a/endpoint/{where['id']}/{kind}", EVER | {"until": "2021-01-01T00:00:00Z", "rate": 7})
    shown = answered.json()
    assert (answered.status_code, shown["status"], shown["task"]) == (202, "running", KINDS[kind])
    data = finished(api, shown["id"])["data"]
    assert (data["messagesSent"], data["looked"], data["total"], data["problem"], data["canceled"]) == (0, 0, 0, None, False)
    assert (data["endpointId"], data["since"], data["upTo"], data["rate"]) == (
        where["id"], "2020-01-01T00:00:00.000Z", "2021-01-01T00:00:00.000Z", 7,
    )  # fmt: skip


def test_a_range_that_goes_beyond_now_ends_now(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    task = api.ok("POST", f"/app/a/endpoint/{where['id']}/bulk-replay", EVER | {"until": "2999-01-01T00:00:00Z"})
    data = finished(api, task["id"])["data"]
    assert data["upTo"] == data["until"] < "2999"


def test_what_was_delivered_is_delivered_again_and_the_preview_said_how_often(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    made = [message(api, eventType=kind) for kind in ("a.b", "c.d", "a.b")]
    settled(api, where["id"], 3)
    path = f"/app/a/endpoint/{where['id']}/bulk-replay"
    body = EVER | {"eventTypes": ["a.b"], "status": 0, "statusCodeClass": 200}
    assert api.ok("POST", f"{path}/preview", body) == {"messages": 2, "exact": True}
    task = api.ok("POST", path, body)
    again = settled(api, where["id"], 5)[:2]
    assert {one["msgId"] for one in again} == {made[0]["id"], made[2]["id"]}
    assert {one["triggerType"] for one in again} == {1}
    assert finished(api, task["id"])["data"]["messagesSent"] == 2


def test_what_an_endpoint_missed_is_sent_to_it_once(api: Api, receiver: Receiver) -> None:
    made = [message(api, eventType=kind) for kind in ("a.b", "c.d")]
    where = endpoint(api, receiver, eventTypes=None)
    path = f"/app/a/endpoint/{where['id']}/replay-missing"
    assert api.ok("POST", f"{path}/preview", EVER) == {"messages": 2, "exact": True}
    finished(api, api.ok("POST", path, EVER)["id"])
    assert {one["msgId"] for one in settled(api, where["id"], 2)} == {one["id"] for one in made}
    assert api.ok("POST", f"{path}/preview", EVER) == {"messages": 0, "exact": True}


def test_a_preview_of_too_many_says_at_least(api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookwright.engine.replays.GLANCES", 1)
    monkeypatch.setattr("hookwright.engine.replays.SLICE", 1)
    where = endpoint(api, receiver)
    for _ in range(3):
        message(api)
    settled(api, where["id"], 3)
    assert api.ok("POST", f"/app/a/endpoint/{where['id']}/bulk-replay/preview", EVER) == {"messages": 2, "exact": False}


def test_a_repeated_request_with_its_key_is_one_task(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    path = f"/app/a/endpoint/{where['id']}/bulk-replay"
    first, second = [api.ok("POST", path, EVER, headers={"idempotency-key": "k"}) for _ in range(2)]
    assert first == second
    assert len(api.ok("GET", "/background-task")["data"]) == 1


def held_task(api: Api, receiver: Receiver) -> dict[str, Any]:
    """A task that waits: enough is held for its disabled endpoint already. In the application `a`."""
    where = endpoint(api, receiver)
    message(api)
    settled(api, where["id"], 1)
    api.ok("PATCH", f"/app/a/endpoint/{where['id']}", {"disabled": True})
    for _ in range(5):
        message(api)
    task: dict[str, Any] = api.ok("POST", f"/app/a/endpoint/{where['id']}/bulk-replay", EVER | {"rate": 1})
    return task


def test_a_task_is_canceled_and_shown_as_one_that_did_not_finish(api: Api, receiver: Receiver) -> None:
    task = held_task(api, receiver)
    path = f"/background-task/{task['id']}"
    assert api.ok("GET", path)["status"] == "running"
    for _ in range(2):
        canceled = api.ok("POST", f"{path}/cancel")
        assert (canceled["status"], canceled["data"]["canceled"], canceled["data"]["messagesSent"]) == ("failed", True, 0)
    assert api.ok("GET", path)["data"]["problem"] == "it was canceled by hand"


def test_tasks_are_listed_by_status_and_kind(api: Api, receiver: Receiver) -> None:
    running = held_task(api, receiver)["id"]
    where = endpoint(api, receiver)
    done = api.ok("POST", f"/app/a/endpoint/{where['id']}/recover", EVER)["id"]
    finished(api, done)

    def listed(query: str) -> list[str]:
        return [one["id"] for one in api.ok("GET", f"/background-task?{query}")["data"]]

    assert listed("") == [done, running]
    assert listed("order=ascending&limit=1") == [running]
    assert listed("status=running") == listed("task=endpoint.bulk-replay") == [running]
    assert listed("status=finished") == listed("task=endpoint.recover") == [done]
    assert listed("status=failed") == listed("task=sdk.generate") == []
    assert problems(api("GET", "/background-task?status=canceled")) == ["query.status"]
    assert problems(api("GET", "/background-task?task=another")) == ["query.task"]
    assert problems(api("GET", "/background-task?iterator=ep_1")) == ["query.iterator"]


def test_a_task_of_another_tenant_is_not_there(api: Api, receiver: Receiver) -> None:
    task = held_task(api, receiver)["id"]
    stranger = fresh(api.server)
    stranger.app(uid="a")
    for who in (stranger, stranger.portal("a")):
        assert code(who("GET", f"/background-task/{task}")) == NOT_FOUND
        assert code(who("POST", f"/background-task/{task}/cancel")) == NOT_FOUND
        assert who.ok("GET", "/background-task")["data"] == []
    assert api.ok("GET", f"/background-task/{task}")["status"] == "running"


def test_a_token_of_an_application_sees_the_tasks_of_that_one(api: Api, receiver: Receiver) -> None:
    task = held_task(api, receiver)["id"]
    api.app(uid="b")
    own, other, reader = api.portal("a"), api.portal("b"), api.portal("a", readOnly=True)
    assert [one["id"] for one in own.ok("GET", "/background-task")["data"]] == [task]
    assert other.ok("GET", "/background-task")["data"] == []
    assert code(other("GET", f"/background-task/{task}")) == NOT_FOUND
    assert reader.ok("GET", f"/background-task/{task}")["id"] == task
    assert reader("POST", f"/background-task/{task}/cancel").status_code == 403
    assert own.ok("POST", f"/background-task/{task}/cancel")["data"]["canceled"]


def test_what_was_given_up_is_a_dead_letter_until_it_is_made_good(tmp_path: Path) -> None:
    broken = True
    with (
        running_server(tmp_path, retry_schedule="0.01") as server,
        Receiver(lambda request: web.Response(status=503 if broken else 200)) as receiver,
    ):
        api = fresh(server)
        api.app(uid="a")
        where = endpoint(api, receiver, uid="u")
        made = message(api, eventId="mine", channels=["c"])
        settled(api, where["id"], 2)
        (letter,) = eventually(lambda: api.ok("GET", "/app/a/dead-letter?endpoint_id=u")["data"])
        assert (letter["msgId"], letter["endpointId"], letter["eventId"], letter["channels"]) == (made["id"], where["id"], "mine", ["c"])
        assert (letter["attempts"], letter["responseStatusCode"], letter["eventType"]) == (2, 503, "a.b")
        broken = False
        api.ok("POST", f"/app/a/endpoint/{where['id']}/recover", EVER)
        settled(api, where["id"], 3)
        assert eventually(lambda: api.ok("GET", "/app/a/dead-letter")["data"] == [])


def test_an_iterator_that_is_none_of_dead_letters_is_refused(api: Api) -> None:
    assert problems(api("GET", "/app/a/dead-letter?iterator=msg_1")) == ["query.iterator"]
    assert api.ok("GET", "/app/a/dead-letter") == {"data": [], "iterator": None, "done": True}
