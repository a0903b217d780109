"""Commands that wait for a group commit: how a group is cut from them, and how each gets its answer."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from hookwright.errors import CallerError, StoreUnavailable
from hookwright.store import Command, Once, Remembered

C = TypeVar("C", bound=Command[Any])
MOST_PER_GROUP = 128
log = logging.getLogger(__name__)


class Asked(msgspec.Struct, Generic[C]):
    """One command, and what becomes of it: a result or an error; neither if it is left for the next group."""

    command: C
    once: Once[Any] | None = None
    result: Any = msgspec.UNSET
    error: Exception | None = None

    @property
    def left(self) -> bool:
        return self.result is msgspec.UNSET and self.error is None


class Item(Asked[C], kw_only=True):
    """One command of a group, for which somebody waits."""

    on_commit: Callable[[Any], None] | None
    waiter: "asyncio.Future[Any]"


def cut_group(waiting: deque[Item[C]], most_rows: int) -> list[Item[C]]:
    """What is committed together, taken from the front: one command at least, and no more rows than that if they are several."""
    group, rows = [waiting.popleft()], 0
    rows += group[0].command.weight
    while waiting and len(group) < MOST_PER_GROUP and rows + waiting[0].command.weight <= most_rows:
        group.append(waiting.popleft())
        rows += group[-1].command.weight
    return group


def answer(item: Item[Any]) -> None:
    """Tell of a command whose group is committed. No callback may keep the others of its group from their answers."""
    if item.error is not None:
        if not isinstance(item.error, CallerError | StoreUnavailable):
            log.error("command %s failed", type(item.command).__name__, exc_info=item.error)
        if not item.waiter.done():
            item.waiter.set_exception(item.error)
    elif not item.left:
        tell(item.command, item.on_commit, item.result)
        if not item.waiter.done():
            item.waiter.set_result(item.result)


def tell(command: Command[Any], on_commit: Callable[[Any], None] | None, result: Any) -> None:
    """What is to follow the commit of a command; not of what was only remembered."""
    if on_commit is None or isinstance(result, Remembered):
        return
    try:
        on_commit(result)
    except Exception:
        log.exception("what should follow the commit of %s failed", type(command).__name__)


def refuse(items: list[Item[C]], error: StoreUnavailable) -> None:
    """Nothing of the group was kept."""
    for item in items:
        if not item.waiter.done():
            item.waiter.set_exception(error)
