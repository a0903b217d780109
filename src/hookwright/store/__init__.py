"""The port for what is kept. `stores/` holds what fits it; `tests/conformance` says what fitting means.

A store has two doors: `write` takes one command, `read` one query. Both are frozen values that name their result, so
that one place can batch them, one place can make them fail, and every backend shows the same list of them. And it has an
ear, `heard`, for processes that share it.

A write is committed and fsynced when it returns, together with whatever else was waiting (group commit). Commands are
judged one by one: a caller's mistake is raised to that caller and never touches its group. StoreUnavailable means
that nothing of the command was committed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar, overload

import msgspec

if TYPE_CHECKING:
    from hookwright.store.wakeups import Heard

R = TypeVar("R")

CHANGED = "changed_meanwhile"
"""The code of the Conflict that says: what the new value was computed from (a command's `expected`) is not there any more."""


class Command(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """A change; R is what the store answers."""

    @property
    def weight(self) -> int:
        """About how many rows it writes: what a group commit is cut by."""
        return 1


class Query(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """A question; R is the answer. It sees what was committed.

    An `urgent` one has a message or a delivery waiting for its answer: it never waits behind one that is not.
    """

    urgent: ClassVar[bool] = False


class Once(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """Makes a command happen at most once per idempotency key.

    `key` is a digest of credential, route and the caller's key; `fingerprint` a digest of the request. `remember`
    turns the command's result into the bytes that a repeated request is answered from; they are stored in the same
    transaction. `expires_at` is Unix ms.
    """

    key: bytes
    fingerprint: bytes
    remember: Callable[[R], bytes]
    now: int
    expires_at: int


class Remembered(msgspec.Struct, frozen=True):
    """What an earlier request with this key was answered."""

    answer: bytes


class Store(Protocol):
    @overload
    async def write(self, command: Command[R], *, once: None = None, on_commit: Callable[[R], None] | None = None) -> R: ...

    @overload
    async def write(self, command: Command[R], *, once: Once[R] | None, on_commit: Callable[[R], None] | None = None) -> R | Remembered: ...

    async def write(
        self, command: Command[R], *, once: Once[R] | None = None, on_commit: Callable[[R], None] | None = None
    ) -> R | Remembered:
        """Commit one command. Raises CallerError for the caller's mistakes, StoreUnavailable if nothing was kept.

        With `once`, a repeated request gets what the first was answered; one that comes while the first is under way
        waits for it. Raises Invalid when the key was used with another fingerprint.

        `on_commit` is called with the result as soon as it is committed, whether or not the caller still waits: what
        must follow a commit (a claimed row reaching its lane) must not depend on a task that may be cancelled. It is
        not called for what was only remembered.
        """

    async def read(self, query: Query[R]) -> R:
        """Answer one query from committed data. Raises StoreUnavailable."""

    async def heard(self) -> "Heard":
        """Wait until another process that shares this store has said something (`Wake`), or words may have been missed.

        Words are hints: nothing is lost with them but time. Raises StoreUnavailable. One caller at a time.
        """

    async def close(self) -> None:
        """Finish what was accepted, and let go of the database."""
