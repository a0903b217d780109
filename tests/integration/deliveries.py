"""What tests of messages, attempts and replays share: messages and endpoints of the application `a`, and waiting."""

import time
from typing import Any

from aiohttp import web

from tests.harness import Received, Receiver
from tests.integration.api import Api


def answer(request: Received) -> web.Response:
    """500 at paths that say `fail`, else 200."""
    return web.Response(text="no", status=500) if "fail" in request.path else web.Response(text="ok")


def message(api: Api, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = api.ok("POST", "/app/a/msg", {"eventType": "a.b", "payload": {"n": 1}} | fields)
    return made


def endpoint(api: Api, receiver: Receiver, path: str = "", **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = api.ok("POST", "/app/a/endpoint", {"url": receiver.url + path} | fields)
    return made


def settled(api: Api, endpoint: str, count: int) -> list[dict[str, Any]]:
    """The attempts at an endpoint, newest first, as soon as there are `count`."""
    deadline = time.monotonic() + 30
    while True:
        attempts: list[dict[str, Any]] = api.ok("GET", f"/app/a/attempt/endpoint/{endpoint}")["data"]
        if len(attempts) >= count:
            return attempts
        assert time.monotonic() < deadline, f"{len(attempts)} of {count} attempts"
        time.sleep(0.01)
