"""Producers that do not stop, beside whatever a test does to the server; and what has arrived."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.harness import Receiver
from tests.integration.api import Api


class Load:
    """Producers that do not stop; `acknowledged` has the ids of what was answered 202, in the order of the answers."""

    def __init__(self, api: Api, app: str) -> None:
        self.acknowledged: list[str] = []
        self._api, self._app, self._stop = api, app, threading.Event()

    def wait_for(self, count: int) -> None:
        until = time.monotonic() + 60
        while len(self.acknowledged) < count:
            assert time.monotonic() < until
            time.sleep(0.01)

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
            self.acknowledged.append(self._api.ok("POST", f"/app/{self._app}/msg", body)["id"])


def arrived(receiver: Receiver) -> set[str | None]:
    return {request.header("webhook-id") for request in list(receiver.requests) if request.path.endswith("/held")}


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)
