"""Canceling a message over HTTP: what waits is ended, what is on the wire ends as it ends."""

import asyncio
import threading
from pathlib import Path

import pytest
from aiohttp import web

from tests.harness import Received, Receiver, running_server
from tests.integration.api import NOT_FOUND, Api, code, fresh
from tests.integration.deliveries import endpoint, message, settled
from tests.waiting import eventually


@pytest.mark.usefixtures("app")
def test_what_is_held_or_waits_for_a_retry_is_canceled(api: Api, receiver: Receiver) -> None:
    held, failing = endpoint(api, receiver, disabled=True), endpoint(api, receiver, "/fail")
    made = message(api)
    settled(api, failing["id"], 1)
    eventually(lambda: api.ok("GET", f"/app/a/endpoint/{failing['id']}/stats")["pending"])
    assert api.ok("POST", f"/app/a/msg/{made['id']}/cancel") == {"canceled": 2, "sending": 0}
    assert api.ok("POST", f"/app/a/msg/{made['id']}/cancel") == {"canceled": 0, "sending": 0}
    for where in (held, failing):
        assert api.ok("GET", f"/app/a/endpoint/{where['id']}/msg")["data"][0]["statusText"] == "canceled"


@pytest.mark.parametrize("ordered", [False, True])
def test_what_is_queued_is_canceled_and_what_is_on_the_wire_is_delivered(tmp_path: Path, ordered: bool) -> None:
    go = threading.Event()

    async def answer(_: Received) -> web.Response:
        await asyncio.to_thread(go.wait, 60)
        return web.Response()

    with running_server(tmp_path, endpoint_concurrency=1) as server, Receiver(answer) as receiver:
        api = fresh(server)
        api.app(uid="a")
        where = endpoint(api, receiver, ordered=ordered)
        sent, queued, last = message(api), message(api), message(api)
        receiver.wait_for(1)
        assert api.ok("POST", f"/app/a/msg/{queued['id']}/cancel") == {"canceled": 1, "sending": 0}
        assert api.ok("POST", f"/app/a/msg/{sent['id']}/cancel") == {"canceled": 0, "sending": 1}
        go.set()
        assert {one["msgId"] for one in settled(api, where["id"], 2)} == {sent["id"], last["id"]}
    assert [request.header("webhook-id") for request in receiver.requests] == [sent["id"], last["id"]]


@pytest.mark.usefixtures("app")
def test_canceling_is_for_the_organization_and_for_messages_that_exist(api: Api, receiver: Receiver) -> None:
    endpoint(api, receiver, disabled=True)
    made = message(api, eventId="mine")
    assert code(api("POST", "/app/a/msg/nothing/cancel")) == NOT_FOUND
    assert api.portal("a")("POST", "/app/a/msg/mine/cancel").status_code == 403
    first, second = [api.ok("POST", f"/app/a/msg/{made['id']}/cancel", headers={"idempotency-key": "k"}) for _ in range(2)]
    assert first == second == {"canceled": 1, "sending": 0}
