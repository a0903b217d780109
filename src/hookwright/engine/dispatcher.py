"""Decides which claimed delivery is tried next, and keeps memory bounded while it does (P3, P6).

What this process inserted it may own at once (claim on insert) and send straight from memory. There is room for so many
deliveries and so many bytes of bodies; what finds no room is inserted unowned and claimed later, per endpoint, never
"the oldest of everything". Half of the room, of the attempts under way and of the turns are kept for fresh messages, so that a
backlog cannot shut them out: not one of many rows, of many endpoints, nor of endpoints that hang.

`due_at` in the database is the only timer. What is here is a copy of it: when an endpoint may have due rows next. It is
filled at start, moved along by each settled retry, and what it missed is found late by `look_on`.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence

from hookwright.clock import Clock, elapsed
from hookwright.domain.deliveries import State
from hookwright.engine.bounds import Bounds
from hookwright.engine.directory import Directory, Target
from hookwright.engine.executor import Executor, Tried
from hookwright.engine.faults import EGRESS_PAUSE_MS, FAULT_PAUSE_MS, Faults, pause_ms
from hookwright.engine.feeder import Feeder
from hookwright.engine.headroom import Headroom
from hookwright.engine.healths import HealthPolicy, Healths
from hookwright.engine.herald import Held
from hookwright.engine.jobs import Job, from_claim
from hookwright.engine.lanes import Lane, Turns
from hookwright.engine.lookouts import Lookout
from hookwright.engine.order import HELD_MS, WAIT_MS, Order, is_drained, part
from hookwright.engine.paces import Paces, turns_of
from hookwright.engine.room import Room
from hookwright.engine.settler import Settler
from hookwright.engine.tenants import Tenants
from hookwright.engine.timers import Timers
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.deliveries import ClaimedRows, Settlement

log = logging.getLogger(__name__)
RETRY_PAUSE_MS = 5_000
"""So much later comes a retry for which the endpoint has no budget now."""
DRAIN_SECONDS = 5.0
"""How long a stop waits for the database, whatever grace attempts are given: what was finished deserves to be kept."""


class Dispatcher:
    def __init__(
        self, *, store: Store, directory: Directory, executor: Executor, clock: Clock, rand: Callable[[], float], owner: int,
        bounds: Bounds, health: HealthPolicy, tell: Callable[[str], None] = lambda endpoint: None,
    ) -> None:  # fmt: skip
        """`owner` is this node's epoch. `tell` makes other nodes look at an endpoint whose rows may wait for long here."""
        self._tell = tell
        self.owner = owner
        self._leased_until = math.inf
        self._directory, self._executor, self._clock, self._bounds = directory, executor, clock, bounds
        self._order = Order(self._clear, self.wake, self._after)
        self._settler = Settler(
            store, on_settled=self._settled, on_given=self.wake, on_refused=self._order.refused, on_unwritable=self._unwritable
        )
        self._lanes: dict[str, Lane] = {}
        self._tenants = Tenants(bounds.attempts)
        self._turns = Turns(self._tenants.may_begin)
        self._attempts: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._headroom = Headroom(bounds.attempts // 2, self._pump)
        self._room = Room(bounds.queue, bounds.queue_bytes)
        self._stopping = False
        self._healths = Healths(
            store=store, clock=clock, rand=rand, policy=health, changed=self._health_changed, disabled=self._was_disabled,
            forgot=directory.forget,
        )  # fmt: skip
        self._paces = Paces(store, clock, self._turn_came, self._no_turn)
        self._feeder = Feeder(
            self, store=store, directory=directory, healths=self._healths, clock=clock, bounds=bounds, room=self._room
        )  # fmt: skip
        self._faults = Faults(clock, self._feeder.failed, self._feeder.rest)
        self._timers = Timers(clock, self._feeder.starve, self._feeder.feed)
        self._lookout = Lookout(store, clock, self.wake, lambda endpoint: self._order.waits(self._lanes.get(endpoint)))

    # What others tell it

    def reserve(self, endpoint: str, size: int) -> bool:
        """Whether a fresh delivery of `size` bytes may be inserted as ours; it is then handed over by `admit`.

        A yes takes its room at once, until `unreserve`. Without a lease it is no: others deliver it, or we do when we have one again.
        """
        lane = self._lanes.get(endpoint)
        if self._stopping or not self._is_leased() or (lane is not None and len(lane.queue) >= self.depth(lane)):
            return False
        return self._healths.is_open(endpoint) and self._room.reserve(size)

    def unreserve(self, count: int, size: int) -> None:
        """What `count` reservations of `size` bytes each were for is admitted by now, or was not kept."""
        self._room.unreserve(count, size)
        self._feeder.feed()

    def admit(self, job: Job) -> None:
        """Take a committed delivery that we own; one that was claimed for a node that we were is somebody else's by now."""
        if job.delivery.owner != self.owner:
            return
        lane = self._lane(job.delivery.key.endpoint)
        lane.organization = job.delivery.organization
        self._room.enter(job.size)
        if self._stopping:
            self._give_back([job])
            return
        lane.queue.append(job)
        self._ready(lane)
        self._pump()

    def wake(self, endpoint: str, due_at: int) -> None:
        """There is, or may be, an unowned row for this endpoint that is due at `due_at` (Unix ms)."""
        if self._stopping:
            self._tell(endpoint)
            return
        lane = self._lane(endpoint)
        due_at = max(due_at, self._healths.free_at(endpoint))
        if due_at <= self._clock.now():
            self._feeder.starve(lane)
            self._feeder.feed()
        else:
            self._timers.set(lane, min(due_at, self._clock.now() + WAIT_MS) if lane.ordered else due_at)

    def leave(self, endpoint: str, due_at: int) -> None:
        """As `wake`, of a fresh row that found no room here: others may have some."""
        self.wake(endpoint, due_at)
        if self._healths.is_open(endpoint) and self._lane(endpoint).pace is None:  # else they may send it no sooner
            self._tell(endpoint)

    def endpoint_changed(self, endpoint: str) -> None:
        """Its URL, state or existence changed: what is queued here goes back, and is claimed again if it may be sent."""
        self._clear(self._lane(endpoint))
        self._healths.look_again(endpoint)
        self.wake(endpoint, 0)

    def health_changed(self, application: str, endpoint: str) -> None:
        """Another process may have found that more, or less, may be sent there."""
        self._healths.look(application, endpoint)

    def everything_changed(self) -> None:
        """Any endpoint may have changed."""
        for endpoint in list(self._lanes):
            self.endpoint_changed(endpoint)

    def message_expunged(self, message: str) -> None:
        """Its body must not be sent any more; the store has ended its rows."""
        self.take_out(message)
        self._order.look(self._lanes.values())

    def take_out(self, message: str) -> list[Held]:
        """What is queued here of a message and not being sent yet: now the caller's, to be ended or put back."""
        taken = [(lane, job) for lane in self._lanes.values() for job in lane.queue if job.delivery.key.message == message]
        for lane, job in taken:
            lane.queue.remove(job)
            self._room.leave(job.size)
            if job.probe:
                self.wake(lane.endpoint, 0)
        for lane in {lane for lane, _ in taken if lane.ordered}:
            self._clear(lane)  # what is behind it waits for what becomes of it
        self._feeder.feed()
        return [(job.delivery.key, job.delivery.fence) for _, job in taken]

    def put_back(self, taken: Sequence[Held]) -> None:
        """What was taken out is to be sent after all, if it was not ended."""
        self._settler.give_back([(key, fence, 0) for key, fence in taken])
        self._order.look(self._lanes.values())

    def lease(self, until: float) -> None:
        """This process is a node until then (by `clock.elapsed`); after it it claims and sends nothing: others may by then."""
        self._leased_until = until
        self._pump()
        self._feeder.feed()

    def _is_leased(self) -> bool:
        return self._leased_until == math.inf or elapsed() < self._leased_until

    def begin_again(self, owner: int) -> None:
        """This process was ended as a node and is a new one: nothing that was claimed for the old one is its own."""
        self.owner = owner
        for lane in self._lanes.values():
            for job in lane.queue:
                self._room.leave(job.size)
            self._paces.drop(lane)
            lane.queue.clear()
        self._feeder.feed()

    async def look_again(self) -> None:
        """Read from the store which endpoints have unowned rows, and when they are due. At start, and as a backstop."""
        await self._lookout.look_at_all()

    async def look_on(self, after: str = "", late_ms: int = 0) -> str | None:
        """As `Lookout`. Who looks keeps the place: not all look for the same."""
        return await self._lookout.look_on(after, late_ms)

    def may_claim(self) -> bool:
        return self._is_leased() and not self._stopping

    async def stop(self, grace: float) -> None:
        """Start nothing new; give attempts under way `grace` seconds; make the rest claimable; commit all of it."""
        self._stopping = True
        self._timers.stop()
        await self._feeder.stop(DRAIN_SECONDS)
        for lane in self._lanes.values():
            self._clear(lane)
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=grace)
        for task in self._attempts:
            task.cancel()
        if self._attempts:
            await asyncio.wait(self._attempts)
        await asyncio.gather(self._healths.close(), self._paces.close())
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._settler.drain()
        except TimeoutError:
            log.error("%d deliveries could not be written back; they are taken up at the next start", self._settler.abandon())

    # From lane to attempt

    def _lane(self, endpoint: str) -> Lane:
        lane = self._lanes.get(endpoint)
        if lane is None:
            lane = self._lanes[endpoint] = Lane(endpoint, self._bounds.per_endpoint)
        return lane

    def depth(self, lane: Lane) -> int:
        return min(lane.depth, self._bounds.queue_per_endpoint)

    def _clear(self, lane: Lane, again_at: int = 0) -> None:
        """Give back what it has queued."""
        self._paces.drop(lane)
        self._give_back(list(lane.queue), again_at)
        lane.queue.clear()

    def _ready(self, lane: Lane) -> None:
        if lane.queue and lane.in_flight < lane.slots and (lane.pace is None or self._paces.has_turn(lane)):
            self._turns.join(lane)

    def _pump(self) -> None:
        """Begin attempts while there are slots; not while finished ones pile up before the database."""
        bounds = self._bounds
        while self._turns and self._is_leased() and self._under_way < bounds.attempts and self._settler.waiting < 4 * bounds.attempts:
            lane = self._turns.next(late=self._headroom.free)
            if lane is None:
                return
            if not lane.queue or lane.in_flight >= lane.slots or (lane.pace is not None and not self._paces.has_turn(lane)):
                continue  # emptied, or slowed down, while it waited for its turn
            job = lane.queue.popleft()
            if lane.pace is not None:
                self._paces.use_turn(lane)
            lane.in_flight += 1
            self._under_way += 1
            self._tenants.begin(job.delivery.organization)
            if job.late:
                self._headroom.take()
            task = asyncio.get_running_loop().create_task(self._attempt(lane, job))
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)
            self._ready(lane)

    async def _attempt(self, lane: Lane, job: Job) -> None:
        tried: Tried | None = None
        again_at = 0
        probing = False
        began = asyncio.get_running_loop().time()
        try:
            if job.probe:
                probing = await self._healths.begin_probe(lane.endpoint, self.owner)
            if probing or not job.probe:
                tried = await self._executor.attempt(job, self._may_send)
            if tried is not None:
                lane.learn(asyncio.get_running_loop().time() - began, strained=tried.strained)
                if self._faults.no_way_out:
                    self._faults.way_found()
        except Exception as error:
            again_at = self._faults.again_at(job.delivery.key, error)
        finally:
            lane.in_flight -= 1
            self._under_way -= 1
            self._tenants.end(job.delivery.organization)
            if job.late:
                self._headroom.give()
            if lane.ordered:
                self._order.tried(lane, tried)
            if tried is not None:
                self._room.leave(job.size)
                self._settler.settle(tried.settlement, hurry=lane.ordered)
            else:
                self._give_back([job], again_at)
                if probing:
                    self._healths.probe_not_made(lane.endpoint, self.owner)
        if tried is not None:
            self._learn(job, tried, probing)
        self._after(lane)

    def _may_send(self, job: Job, target: Target) -> bool:
        """Asked right before sending."""
        return self._is_leased() and self._healths.may_send(target, self.owner, late=job.late, probe=job.probe)

    def _learn(self, job: Job, tried: Tried, probing: bool) -> None:
        """What the attempt says about its endpoint; nothing, where the fault was ours."""
        delivery, attempt = job.delivery, tried.settlement.attempt
        if tried.sign is not None:
            self._healths.saw(
                delivery.application, delivery.key.endpoint, tried.sign, tried.patience_until, self.owner, probe=probing,
                retry=delivery.attempts > 0,
            )  # fmt: skip
        elif probing:  # while we are what fails, who waits for it to be asked must not spend attempts
            failed = attempt is not None and attempt.state is State.FAIL
            self._healths.probe_not_made(delivery.key.endpoint, self.owner, EGRESS_PAUSE_MS if failed else 0)

    def _after(self, lane: Lane) -> None:
        self._shed(lane)
        self._ready(lane)
        if lane.more:
            self._feeder.starve(lane)
        elif lane.pace is not None and not lane.queue and not lane.claiming:
            self._paces.set(lane, ())
            self._healths.drained(lane.endpoint)
        self.fed(lane)
        self._pump()
        self._feeder.feed()

    def _shed(self, lane: Lane) -> None:
        """Give back what a lane that lost slots has queued beyond its depth: it must not keep others from the room."""
        excess = len(lane.queue) - self.depth(lane)
        if excess > 0:
            self._give_back([lane.queue.pop() for _ in range(excess)])
            lane.more = True

    def _settled(self, settlement: Settlement) -> None:
        """A settlement is committed: a retry sets its endpoint's timer, a 410 changes its endpoint."""
        if settlement.state is State.PENDING and settlement.due_at is not None:
            self.wake(settlement.key.endpoint, settlement.due_at)
        if settlement.disable and settlement.attempt is not None:
            self._directory.forget(settlement.attempt.application)
            self.endpoint_changed(settlement.key.endpoint)
        self._order.settled(settlement, counts=True)
        self._pump()

    def _unwritable(self, settlement: Settlement) -> None:
        self._order.settled(settlement, counts=False)
        self._settler.give_back([(settlement.key, settlement.fence, self._clock.now() + FAULT_PAUSE_MS)])

    def _give_back(self, jobs: Sequence[Job], again_at: int = 0) -> None:
        """Make them claimable again, at once or from `again_at` (Unix ms) on: the row itself says so, to whoever looks."""
        for job in jobs:
            self._room.leave(job.size)
        if jobs:
            self._settler.give_back([(job.delivery.key, job.delivery.fence, again_at) for job in jobs])

    # What the feeder brings

    def prepare(self, lane: Lane, target: Target) -> None:
        """Whether it is ordered; its rates, those of its application and of its recovery."""
        lane.set_ordered(target.endpoint.options.ordered, self._bounds.per_endpoint)
        self._paces.set(lane, turns_of(target, self._healths.rate(lane.endpoint)))

    def claimed(self, lane: Lane, rows: ClaimedRows, *, probe: bool) -> None:
        fit, back = part(lane, rows.claimed, lambda one: probe or not one.attempts or self._healths.may_retry(lane.endpoint))
        for claimed in fit:
            self.admit(from_claim(claimed, probe=probe))
        again_at = self._clock.now() + RETRY_PAUSE_MS
        self._settler.give_back([(one.delivery.key, one.delivery.fence, again_at) for one in back])
        for damaged in rows.set_aside:
            log.error("delivery %s cannot be read and is set aside for an hour: %s", damaged.key, damaged.problem)
        if rows.held or rows.next_due_at is not None:
            self.wake(lane.endpoint, rows.next_due_at or self._clock.now() + HELD_MS)
        if is_drained(lane, rows, self._clock.now()):
            self._healths.drained(lane.endpoint)

    def fed(self, lane: Lane) -> None:
        if lane.idle and not lane.starving:
            self._paces.drop(lane)
            self._lanes.pop(lane.endpoint, None)

    # Endpoints with a rate, or not simply well

    def _turn_came(self, lane: Lane) -> None:
        self._ready(lane)
        self._pump()

    def _no_turn(self, lane: Lane, error: Exception) -> None:
        if isinstance(error, StoreUnavailable):
            self._clear(lane)
            self._feeder.failed(error)
        else:
            self._clear(lane, self._clock.now() + pause_ms(error))

    def _health_changed(self, endpoint: str) -> None:
        """More, or less, may be sent to it than before."""
        if not self._healths.is_open(endpoint) and (lane := self._lanes.get(endpoint)) is not None:
            self._clear(lane)
        if not self._stopping:
            self.wake(endpoint, 0)

    def _was_disabled(self, application: str, endpoint: str) -> None:
        self._directory.forget(application)
        self.endpoint_changed(endpoint)
