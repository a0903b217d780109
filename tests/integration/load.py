"""Producers that do not stop, beside whatever a test does to the server; and what has arrived."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness import Receiver, Server
from tests.integration.api import Api, fresh
from tests.waiting import eventually


class Load:
    """Producers that do not stop; `acknowledged` has the ids of what was answered 202, in the order of the answers.

    Theirs is an application of its own, with an endpoint that is sent to at once and one that holds everything.
    """

    def __init__(self, server: Server, receiver: Receiver) -> None:
        self.acknowledged: list[str] = []
        self._api, self._receiver, self._stop = fresh(server), receiver, threading.Event()
        self.app = self._api.app()["id"]
        for path in ("/at-once", "/held"):
            self._api.ok("POST", f"/app/{self.app}/endpoint", {"url": receiver.url + path, "uid": path[1:], "disabled": path == "/held"})

    def wait_for(self, count: int) -> None:
        eventually(lambda: len(self.acknowledged) >= count)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._produce) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _produce(self) -> None:
        body = {"eventType": "a.b", "payload": {"text": "x" * 2000}}
        while not self._stop.is_set():
            self.acknowledged.append(self._api.ok("POST", f"/app/{self.app}/msg", body)["id"])

    def assert_taken_up(self, server: Server, messages: list[str]) -> Api:
        """By this server, which begins where another left off: it has them, and sends what was held; its API."""
        api = Api(server, self._api.token, self._api.organization)
        for ident in messages:
            assert api("GET", f"/app/{self.app}/msg/{ident}").status_code == 200
        self._receiver.requests.clear()
        api.ok("PATCH", f"/app/{self.app}/endpoint/held", {"disabled": False})
        eventually(lambda: set(messages) <= self._arrived())
        return api

    def _arrived(self) -> set[str | None]:
        return {request.header("webhook-id") for request in list(self._receiver.requests) if request.path.endswith("/held")}
