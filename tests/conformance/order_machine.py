"""An ordered endpoint as a state machine: whatever nodes and people do to it, a naive model says what each claim gives (FIFO)."""

from collections.abc import Coroutine
from itertools import takewhile
from typing import Any, Protocol, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hookwright.domain.deliveries import UNOWNED, Delivery, Key, State
from hookwright.domain.endpoints import Endpoint, Options
from hookwright.domain.messages import Message
from hookwright.ids import Minter
from hookwright.store import Store
from hookwright.store.deliveries import ClaimDue, ClaimedRows, Release
from hookwright.store.endpoints import UpdateEndpoint
from hookwright.store.messages import ExpungeContent
from hookwright.store.nodes import OpenNode, TakeOver

from .deliveries import settle, settlement
from .makers import World

R = TypeVar("R")
ORDERED = Options(ordered=True)
MOST = 40
"""Live rows: fewer than a claim looks at."""
ANY = st.integers(min_value=0, max_value=1000)


class Run(Protocol):
    def __call__(self, work: Coroutine[Any, Any, R], /) -> R: ...


class Row(msgspec.Struct):
    """A live row as it should be."""

    key: Key
    due_at: int
    owner: int = UNOWNED
    attempts: int = 0


class OrderMachine(RuleBasedStateMachine):
    """`entropy` makes ids; it must not give the same twice while the store lasts."""

    def __init__(self, run: Run, store: Store, entropy: Any) -> None:
        super().__init__()
        self._run, self._store, self._entropy = run, store, entropy
        self.rows: list[Row] = []
        self.strays: list[Row] = []
        self.claims: dict[Key, Delivery] = {}
        self.loose: dict[Key, Delivery] = {}
        """Claimed without an order: strays."""
        self.stale: list[Delivery] = []
        self.messages: list[Message] = []
        self.rounds: dict[str, int] = {}

    @initialize()
    def begin(self) -> None:
        self._run(self._begin())

    async def _begin(self) -> None:
        self.world = World(self._store)
        self.world.mint = Minter(self._entropy)
        await self.world.application()
        self.endpoint = await self.world.endpoint(options=ORDERED)
        self.nodes = [await self._store.write(OpenNode(now=self.world.now)) for _ in range(3)]

    # What producers and people do

    @precondition(lambda self: len(self.rows) < MOST)
    @rule(count=st.integers(min_value=1, max_value=4))
    def accept(self, count: int) -> None:
        for _ in range(count):
            self.rows.append(self._message(self.endpoint))

    @precondition(lambda self: len(self.strays) < 4)
    @rule()
    def accept_by_a_process_that_does_not_know(self) -> None:
        self.strays.append(self._message(msgspec.structs.replace(self.endpoint, options=Options())))

    def _message(self, endpoint: Endpoint) -> Row:
        self.world.now += 4  # no two are made at the same time, to the 4 ms that ids tell apart
        message = self._run(self.world.message(endpoint))
        self.messages.append(message)
        self.rounds[message.id] = 0
        return Row(Key(endpoint.id, message.id), message.created_at)

    @precondition(lambda self: self.messages and len(self.rows) < MOST)
    @rule(which=ANY)
    def resend(self, which: int) -> None:
        message = self.messages[which % len(self.messages)]
        self.world.now += 1
        delivery = self._run(self.world.resend(message, self.endpoint))
        self.rounds[message.id] += 1
        assert delivery.key.round == self.rounds[message.id]
        self.rows.append(Row(delivery.key, delivery.due_at))

    @precondition(lambda self: self.messages)
    @rule(which=ANY)
    def expunge(self, which: int) -> None:
        message = self.messages.pop(which % len(self.messages))
        self._run(self._store.write(ExpungeContent(application=self.world.app, message=message.id, now=self.world.now)))
        for rows in (self.rows, self.strays):
            rows[:] = [row for row in rows if row.key.message != message.id]
        for claims in (self.claims, self.loose):
            self.stale += [claims.pop(key) for key in list(claims) if key.message == message.id]

    @rule()
    def change_the_endpoint_there_and_back(self) -> None:
        for options in (Options(), ORDERED):
            changed = msgspec.structs.replace(self.endpoint, options=options)
            self._run(self._store.write(UpdateEndpoint(endpoint=changed)))

    @rule(ms=st.integers(min_value=1, max_value=10_000))
    def wait(self, ms: int) -> None:
        self.world.now += ms

    # What nodes do

    @rule(node=ANY, limit=st.integers(min_value=1, max_value=10))
    def claim(self, node: int, limit: int) -> None:
        owner = self.nodes[node % len(self.nodes)]
        result = self._claim(owner, limit)
        expected, next_due, held = self._expected(owner, limit)
        assert (result.next_due_at, result.held) == (next_due, held)
        assert [(one.delivery.key, one.delivery.attempts) for one in result.claimed] == [(row.key, row.attempts) for row in expected]
        self.claims |= {one.delivery.key: one.delivery for one in result.claimed}

    @rule(node=ANY)
    def claim_by_a_process_that_does_not_know(self, node: int) -> None:
        owner = self.nodes[node % len(self.nodes)]
        result = self._claim(owner, MOST, ordered=False)
        free = [row for row in self.strays if not row.owner and row.due_at <= self.world.now]
        assert [one.delivery.key for one in result.claimed] == [row.key for row in free]
        for row in free:
            row.owner = owner
        self.loose |= {one.delivery.key: one.delivery for one in result.claimed}

    def _claim(self, owner: int, limit: int, *, ordered: bool = True) -> ClaimedRows:
        return self._run(
            self._store.write(
                ClaimDue(endpoint=self.endpoint.id, owner=owner, now=self.world.now, limit=limit, most_bytes=2**20, ordered=ordered)
            )
        )

    def _expected(self, owner: int, limit: int) -> tuple[list[Row], int | None, bool]:
        """What a claim gives, by the model, which has it then; when the next is due; and whether somebody holds rows."""
        if any(row.owner for row in self.rows):
            return [], None, True
        found = sorted((row for row in self.strays if not row.owner and row.due_at <= self.world.now), key=lambda row: row.due_at)
        self.strays = [row for row in self.strays if row not in found]
        self.rows[:0] = found
        given = list(takewhile(lambda row: row.due_at <= self.world.now, self.rows))[:limit]
        for row in given:
            row.owner = owner
        left = self.rows[len(given) :]
        return given, left[0].due_at if left else None, False

    @precondition(lambda self: self.claims)
    @rule(which=ANY, state=st.sampled_from([State.SUCCESS, State.FAIL, State.PENDING]), ms=st.integers(min_value=0, max_value=10_000))
    def settle(self, which: int, state: State, ms: int) -> None:
        delivery = self.claims.pop(list(self.claims)[which % len(self.claims)])
        due_at = self.world.now + ms
        assert self._run(settle(self.world, settlement(self.world, delivery, state, due_at=due_at))) == [True]
        row = self._row(delivery.key)
        if state is State.PENDING:
            row.owner, row.attempts, row.due_at = UNOWNED, row.attempts + 1, due_at
        else:
            self.rows.remove(row)

    @precondition(lambda self: self.claims)
    @rule(which=ANY, count=st.integers(min_value=1, max_value=10), due=st.booleans())
    def give_back(self, which: int, count: int, due: bool) -> None:
        keys = list(self.claims)[which % len(self.claims) :][:count]
        due_at = 0 if due else self.world.now + 5000
        given = [self.claims.pop(key) for key in keys]
        self._run(self._store.write(Release(rows=tuple((delivery.key, delivery.fence, due_at) for delivery in given))))
        for key in keys:
            row = self._row(key)
            row.owner, row.due_at = UNOWNED, max(row.due_at, due_at)

    @precondition(lambda self: self.loose)
    @rule(which=ANY, ends=st.booleans())
    def end_or_give_back_a_stray(self, which: int, ends: bool) -> None:
        delivery = self.loose.pop(list(self.loose)[which % len(self.loose)])
        row = next(row for row in self.strays if row.key == delivery.key)
        if ends:
            assert self._run(settle(self.world, settlement(self.world, delivery, State.SUCCESS))) == [True]
            self.strays.remove(row)
        else:
            self._run(self._store.write(Release(rows=((delivery.key, delivery.fence, 0),))))
            row.owner = UNOWNED

    @rule(survivor=ANY)
    def all_others_die(self, survivor: int) -> None:
        owner = self.nodes[survivor % len(self.nodes)]
        self._run(self._store.write(TakeOver(owner=owner)))
        self.nodes = [owner, *(self._run(self._store.write(OpenNode(now=self.world.now))) for _ in range(2))]
        for row in (*self.rows, *self.strays):
            if row.owner != owner:
                row.owner = UNOWNED
        for claims in (self.claims, self.loose):
            freed = [key for key, delivery in claims.items() if delivery.owner != owner]
            self.stale += [claims.pop(key) for key in freed]

    @precondition(lambda self: self.stale)
    @rule()
    def settle_what_was_lost(self) -> None:
        late = settlement(self.world, self.stale.pop(), State.SUCCESS)
        assert self._run(settle(self.world, late)) == [False]

    def _row(self, key: Key) -> Row:
        return next(row for row in self.rows if row.key == key)

    def teardown(self) -> None:
        """In the end everything is delivered, in this order."""
        self.world.now += 3_600_000
        held = [*self.claims.values(), *self.loose.values()]
        self._run(self._store.write(Release(rows=tuple((delivery.key, delivery.fence, 0) for delivery in held))))
        for row in (*self.rows, *self.strays):
            row.owner = UNOWNED
        self.claims.clear()
        while self.rows or self.strays:
            self.claim(0, 10)
            assert self.claims, "nobody has any of them, and all are due"
            for _ in range(len(self.claims)):
                self.settle(0, State.SUCCESS, 0)
        assert self._claim(self.nodes[0], 10) == ClaimedRows((), None)
