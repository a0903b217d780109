"""What must be true: a second, naive account of every committed command, and the promises as checks on it.

The account is told each command when its transaction commits, in the order of commits. It never looks at the store to
know what it should hold; at the end the two are compared.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from hookwright import ids
from hookwright.clock import Clock
from hookwright.domain.deliveries import UNOWNED, Delivery, Key, State, Trigger
from hookwright.domain.endpoints import Options
from hookwright.domain.retries import RetryPolicy
from hookwright.domain.tasks import Kind, Task
from hookwright.store.deliveries import CancelDeliveries, ClaimDue, Release, Resend, Settle, Settlement
from hookwright.store.endpoints import CreateEndpoint, DeleteEndpoint, UpdateEndpoint
from hookwright.store.messages import Canceled, CancelMessage, CreateMessage, ExpungeContent
from hookwright.store.nodes import CloseNode, TakeOver
from hookwright.store.tasks import ContinueTasks, StartTask
from hookwright.stores.sql.registry import WRITERS


class Violation(AssertionError):
    """A promise was broken."""


class Ended(msgspec.Struct, frozen=True):
    state: State
    attempts: int


class Begun(msgspec.Struct, frozen=True):
    """A task as it was asked for; `due`: the messages that it has to send again, and how many rounds each had."""

    endpoint: str
    kind: Kind
    due: dict[str, int]


class Place(msgspec.Struct):
    """An endpoint as committed; `since`: when (Unix ms) its state changed last. `order`: its deliveries as they were committed."""

    id: str
    disabled: bool = False
    deleted: bool = False
    since: int = 0
    options: Options = Options()
    order: list[Key] = []


class Model:
    def __init__(self, clock: Clock, retries: RetryPolicy, tell: Callable[["Violation"], None]) -> None:
        """`tell` hears of the first broken promise; it is raised too, but who is called there may swallow it."""
        self._clock, self._retries, self._tell = clock, retries, tell
        self.live: dict[Key, Delivery] = {}
        self.ended: dict[Key, Ended] = {}
        self.attempts: dict[Key, int] = {}
        self.messages: dict[str, bytes] = {}
        self.event_ids: dict[tuple[str, str], str] = {}
        self.expunged: set[str] = set()
        self.canceled: set[str] = set()
        self.places: dict[str, Place] = {}
        self.tasks: dict[str, Begun] = {}
        self._by_tasks: Counter[tuple[str, str]] = Counter()
        self.epoch = 0
        self._pending: list[Callable[[], None]] = []
        self._handlers: dict[type, Callable[[Any, Any], None]] = {
            CreateMessage: self._created, Settle: self._settled, ClaimDue: self._claimed, Release: self._released,
            TakeOver: self._taken_over, CloseNode: self._closed,
            CancelDeliveries: self._canceled, Resend: self._resent, StartTask: self._task_begun,
            ContinueTasks: self._task_went_on,
            CancelMessage: self._message_canceled, ExpungeContent: self._expunged,
            CreateEndpoint: self._endpoint, UpdateEndpoint: self._endpoint, DeleteEndpoint: self._deleted,
        }  # fmt: skip

    # From the store's handlers to the account

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hear of every command that a store in this process carries out, within the block."""
        before = dict(WRITERS)
        for command, note in self._handlers.items():
            WRITERS[command] = self._noting(before[command], note)
        try:
            yield
        finally:
            WRITERS.clear()
            WRITERS.update(before)

    def _noting(self, handler: Callable[[Any, Any], Any], note: Callable[..., None]) -> Callable[[Any, Any], Any]:
        async def carry_out(db: Any, command: Any) -> Any:
            result = await handler(db, command)
            told = result
            if isinstance(command, ContinueTasks):  # its answer does not name the rows
                rows = await db.all(
                    "select endpoint, message, round, due_at from deliveries where trigger = ? order by position", (Trigger.RECOVER,)
                )
                told = [(Key(*row[:3]), row[3]) for row in rows]
            self._pending.append(lambda: note(command, told))
            return result

        return carry_out

    def committed(self) -> None:
        """What was carried out since the last call is committed now."""
        pending, self._pending = self._pending, []
        for note in pending:
            note()

    def rolled_back(self) -> None:
        self._pending.clear()

    # The account

    def _created(self, command: CreateMessage, result: Any) -> None:
        self.messages[command.message.id] = command.content.body
        if command.message.event_id is not None:
            key = command.message.application, command.message.event_id
            self.check(key not in self.event_ids, "an event id was taken twice")
            self.event_ids[key] = command.message.id
        expected = {delivery.key for delivery in command.deliveries if not self.places[delivery.key.endpoint].deleted}
        self.check({delivery.key for delivery in result.deliveries} == expected, "P1: a message without one of its deliveries")
        for delivery in result.deliveries:
            self._add(delivery)

    def _add(self, delivery: Delivery) -> None:
        self.check(delivery.key not in self.live and delivery.key not in self.ended, f"{delivery.key} exists twice")
        self.live[delivery.key] = delivery
        self.places[delivery.key.endpoint].order.append(delivery.key)

    def _claimed(self, command: ClaimDue, result: Any) -> None:
        self.check(len(result.claimed) <= command.limit, "more was claimed than asked for")
        for claimed in result.claimed:
            row = self.live.get(claimed.delivery.key)
            self.check(row is not None and row.owner == UNOWNED, f"{claimed.delivery.key} was claimed, but it is not there or is owned")
            assert row is not None
            self.check(row.due_at <= command.now, f"{row.key} was claimed before it is due")
            self.check(row.attempts == claimed.delivery.attempts, f"{row.key} was claimed with another number of attempts")
            self.live[row.key] = msgspec.structs.replace(row, owner=command.owner)

    def _settled(self, command: Settle, result: Any) -> None:
        for settlement, took in zip(command.settlements, result, strict=True):
            row = self.live.get(settlement.key)
            matches = row is not None and row.fence == settlement.fence
            self.check(took == matches, f"P4: {settlement.key} was settled {'past' if took else 'not, in spite of'} its fence")
            if took and row is not None:
                self.check(row.owner == self.epoch, f"P4: a dead epoch settled {row.key}")
                self._apply(settlement, row)

    def _apply(self, settlement: Settlement, row: Delivery) -> None:
        attempts = row.attempts + (settlement.attempt is not None)
        self.attempts[row.key] = attempts
        if settlement.attempt is not None:
            self.check(settlement.attempt.started_at >= row.due_at - 5, f"{row.key} was tried before it was due")
        if settlement.disable and not self.places[row.key.endpoint].disabled:
            self._change(row.key.endpoint, disabled=True)
        if settlement.state is State.PENDING:
            assert settlement.due_at is not None
            if attempts > len(self._retries.schedule):
                paused = settlement.disable == "exhausted" and self._pauses(row)
                self.check(paused, f"{row.key} goes on after all of its attempts")
            else:
                self._check_schedule(settlement, attempts)
            self.live[row.key] = msgspec.structs.replace(row, owner=UNOWNED, attempts=attempts, due_at=settlement.due_at)
            return
        if settlement.state is State.FAIL:
            full = 1 if row.trigger is Trigger.RESEND else len(self._retries.schedule) + 1
            self.check(attempts == full, f"P2: {row.key} was given up after {attempts} of {full} attempts")
            self.check(not self._pauses(row), f"FIFO: {row.key} was given up, and its endpoint goes on")
        if settlement.state is State.CANCELED:
            self.check(row.key.message in self.expunged, f"P2: {row.key} was canceled, but its content is there")
        self._end(row.key, settlement.state, attempts)

    def _pauses(self, row: Delivery) -> bool:
        options = self.places[row.key.endpoint].options
        return options.ordered and options.on_exhausted == "pause" and row.trigger is not Trigger.RESEND

    def _check_schedule(self, settlement: Settlement, attempts: int) -> None:
        assert settlement.due_at is not None
        step, jitter, wait = self._retries.schedule[attempts - 1], self._retries.jitter, (settlement.due_at - settlement.now) / 1000
        asked = settlement.attempt is not None and settlement.attempt.response_status in (429, 503)
        longest = max(step * (1 + jitter), self._retries.longest_retry_after if asked else 0)
        self.check(step * (1 - jitter) - 0.01 <= wait <= longest + 0.01, f"{settlement.key} waits {wait} s instead of {step} s")

    def _end(self, key: Key, state: State, attempts: int) -> None:
        del self.live[key]
        self.ended[key] = Ended(state, attempts)

    def _released(self, command: Release, _: None) -> None:
        for key, fence, due_at in command.rows:
            row = self.live.get(key)
            if row is not None and row.fence == fence:
                self.live[key] = msgspec.structs.replace(row, owner=UNOWNED, due_at=max(row.due_at, due_at))

    def _taken_over(self, command: TakeOver, result: int) -> None:
        self.epoch = command.owner
        others = [row for row in self.live.values() if row.owner not in (UNOWNED, command.owner)]
        self.check(result == len(others), f"P3: {result} rows of the dead were taken over, there were {len(others)}")
        self._freed(others)

    def _closed(self, command: CloseNode, result: int) -> None:
        owned = [row for row in self.live.values() if row.owner == command.owner]
        self.check(result == len(owned), f"P3: a node that ended let go of {result} rows, it held {len(owned)}")
        self._freed(owned)

    def _freed(self, rows: list[Delivery]) -> None:
        for row in rows:
            self.live[row.key] = msgspec.structs.replace(row, owner=UNOWNED)

    def _canceled(self, command: CancelDeliveries, result: int) -> None:
        keys = [key for key in self.live if self.places[key.endpoint].deleted]
        self.check(result == len(keys), f"P2: {result} rows of deleted endpoints were ended, there were {len(keys)}")
        for key in keys:
            self._end(key, State.CANCELED, self.live[key].attempts)

    def _resent(self, _: Resend, delivery: Delivery) -> None:
        self._add(delivery)

    def _task_begun(self, command: StartTask, _: Task) -> None:
        """What it has to send again: messages that have ended there as it asks, and do not live."""
        rounds: dict[str, list[State]] = defaultdict(list)
        for key, ended in self.ended.items():
            if key.endpoint == command.endpoint:
                rounds[key.message].append(ended.state)
        others = {key.message for key in self.live if key.endpoint == command.endpoint}
        end = ids.lowest("msg", command.selection.until)
        due = {
            message: len(states)
            for message, states in rounds.items()
            if message < end and message not in others and _goes_again(command.kind, states)
        }
        self.tasks[command.task] = Begun(command.endpoint, command.kind, due)

    def _task_went_on(self, command: ContinueTasks, rows: list[tuple[Key, int]]) -> None:
        for key, due_at in rows:
            if key in self.live:
                continue
            states = [ended.state for other, ended in self.ended.items() if _pair(other) == _pair(key)]
            tasks = [task for task in self.tasks.values() if task.endpoint == key.endpoint]
            self.check(any(_goes_again(task.kind, states) for task in tasks), f"{key} was sent again without need")
            self.check(all(_pair(other) != _pair(key) for other in self.live), f"{key} was sent again while it was live")
            self._by_tasks[_pair(key)] += 1
            self.check(self._by_tasks[_pair(key)] <= len(tasks), f"{key} is the second round of one task")
            self._add(Delivery(key=key, application="", organization="", trigger=Trigger.RECOVER, due_at=due_at, created_at=command.now))

    def check_task(self, ident: str) -> None:
        """Of one that has looked at all of its range. Who was quicker than it (a resend, another task) did what it was to do."""
        task = self.tasks[ident]
        rounds = Counter(key.message for key in self.ended if key.endpoint == task.endpoint)
        for message, before in task.due.items():
            self.check(rounds[message] > before or message in self.expunged, f"{ident} passed over {message} at {task.endpoint}")

    def _expunged(self, command: ExpungeContent, _: None) -> None:
        self.expunged.add(command.message)
        for key in [key for key in self.live if key.message == command.message]:
            self._end(key, State.CANCELED, self.live[key].attempts)

    def _message_canceled(self, command: CancelMessage, result: Canceled) -> None:
        """What somebody holds ends only if it is who asks, and holds it still (P4)."""
        self.canceled.add(command.message)
        rows = [row for row in self.live.values() if row.key.message == command.message]
        ending = [row for row in rows if row.owner == UNOWNED or (row.key, row.fence) in command.held]
        self.check(
            (result.canceled, result.sending) == (len(ending), len(rows) - len(ending)), f"{command.message} was canceled as {result}"
        )
        for row in ending:
            self._end(row.key, State.CANCELED, row.attempts)

    def _endpoint(self, _: CreateEndpoint | UpdateEndpoint, endpoint: Any) -> None:
        self._change(endpoint.id, disabled=endpoint.disabled)
        self.places[endpoint.id].options = endpoint.options

    def _deleted(self, _: DeleteEndpoint, endpoint: Any) -> None:
        self._change(endpoint.id, deleted=True)

    def _change(self, endpoint: str, *, disabled: bool | None = None, deleted: bool = False) -> None:
        place = self.places.setdefault(endpoint, Place(endpoint))
        disabled = place.disabled if disabled is None else disabled
        self.places[endpoint] = Place(endpoint, disabled, place.deleted or deleted, self._clock.now(), place.options, place.order)

    # Checks

    def check(self, holds: bool, promise: str) -> None:
        if not holds:
            violation = Violation(promise)
            self._tell(violation)
            raise violation

    def check_may_send(self, url: str) -> None:
        place = self.places[url.rpartition("/")[2]]
        late = place.since < self._clock.now()  # within the millisecond of the change, an attempt counts as under way
        self.check(not (late and place.disabled), f"{place.id} was sent to after it was disabled")
        self.check(not (late and place.deleted), f"{place.id} was sent to after it was deleted")

    def is_ordered(self, url: str) -> bool:
        return self.places[url.rpartition("/")[2]].options.ordered

    def check_order(self, url: str, message: str) -> None:
        """What is sent to an ordered endpoint is the first that lives of what was committed for it. What ended this moment is not asked."""
        order = self.places[url.rpartition("/")[2]].order
        while order and order[0] not in self.live:
            del order[0]
        lives = any(key.message == message and key in self.live for key in order)
        self.check(not lives or order[0].message == message, f"FIFO: {message} was sent before {order[0] if order else None}")


def _pair(key: Key) -> tuple[str, str]:
    return key.endpoint, key.message


def _goes_again(kind: Kind, states: list[State]) -> bool:
    """Whether a task is for a message whose rounds ended so. Every endpoint here wants all there is, so nothing is ever missing."""
    if kind is Kind.RECOVER:
        return State.FAIL in states and State.SUCCESS not in states
    return kind is Kind.BULK and any(state is not State.CANCELED for state in states)
