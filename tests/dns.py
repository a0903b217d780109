"""A name server that answers by script: what each name means at its first lookup, its second, and so on.

It is a `Lookup` for a sender of one's own; `installed` puts it where the program's own lookup asks, for a server in this process.
"""

import random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

NO_NAME = "!"
"""As an answer: there is no such name."""
HANGS = "..."
"""As an answer: it does not come before `release`."""
ALIAS = "="
"""Before a name: what that means (a CNAME, as a resolver follows it)."""
MOST_ALIASES = 8

Answer = Sequence[str]
Schedule = Sequence[Answer]


class Dns:
    """`schedules`: of each name what its lookups come to, one after another, the last for ever. Other names there are none.

    `asked`: every name, each time, as it was asked for.
    """

    def __init__(self, schedules: Mapping[str, Schedule] | None = None) -> None:
        self._schedules = {name: list(schedule) for name, schedule in (schedules or {}).items()}
        self._released = threading.Event()
        self._lock = threading.Lock()
        self.asked: list[str] = []

    def add(self, name: str, *answers: Answer) -> None:
        with self._lock:
            self._schedules[name] = list(answers)

    def release(self) -> None:
        self._released.set()

    def __call__(self, name: str) -> Sequence[str]:
        """Raises socket.gaierror as getaddrinfo does."""
        with self._lock:
            self.asked.append(name)
            return self._find(name.removesuffix("."), MOST_ALIASES)

    def _find(self, name: str, aliases: int) -> Sequence[str]:
        schedule = self._schedules.get(name)
        if not schedule:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        answer = schedule.pop(0) if len(schedule) > 1 else schedule[0]
        found: list[str] = []
        for each in answer:
            if each == NO_NAME or (each.startswith(ALIAS) and not aliases):
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            if each == HANGS:
                self._lock.release()
                self._released.wait()
                self._lock.acquire()
            elif each.startswith(ALIAS):
                found += self._find(each.removeprefix(ALIAS), aliases - 1)
            else:
                found.append(each)
        return found

    @contextmanager
    def installed(self) -> Iterator["Dns"]:
        """Answers all lookups of names in this process; addresses, and the absence of a host, are the system's as before."""
        system: Callable[..., Any] = socket.getaddrinfo

        def getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if not name or name.rstrip(".").rpartition(".")[2].isdigit() or ":" in name:
                return system(host, port, *rest, **options)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in self(name)]

        socket.getaddrinfo = getaddrinfo
        try:
            yield self
        finally:
            socket.getaddrinfo = system
            self.release()


def rebinding(rand: random.Random, good: Sequence[str], bad: Sequence[str]) -> list[Answer]:
    """A schedule by which somebody may hope to have `bad` connected to: at least one answer of it has a bad address."""

    def answer() -> Answer:
        match rand.randrange(7):
            case 0:
                return [rand.choice(bad)]
            case 1:
                return rand.sample([rand.choice(good), rand.choice(bad)], 2)
            case 2:
                many = [rand.choice(good) for _ in range(rand.randrange(1, 40))]
                many.insert(rand.randrange(len(many) + 1), rand.choice(bad))
                return many
            case 3:
                return [NO_NAME]
            case _:
                return [rand.choice(good) for _ in range(rand.randrange(1, 4))]

    schedule = [answer() for _ in range(rand.randrange(1, 5))]
    schedule.insert(rand.randrange(len(schedule) + 1), [rand.choice(bad)])
    return schedule
