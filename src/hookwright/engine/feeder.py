"""From store to lane: claims what is due, endpoint by endpoint in turn, while there is room for what waited (P3, P6)."""

import asyncio
import logging
from collections import deque
from typing import Protocol

from hookwright.clock import Clock
from hookwright.engine.bounds import Bounds
from hookwright.engine.directory import Directory, Target
from hookwright.engine.faults import pause_ms
from hookwright.engine.healths import Healths
from hookwright.engine.lanes import Lane
from hookwright.engine.rest import Rest
from hookwright.engine.room import Room
from hookwright.errors import HookwrightError, StoreUnavailable
from hookwright.store import Store
from hookwright.store.deliveries import ClaimDue, ClaimedRows

log = logging.getLogger(__name__)


class Fed(Protocol):
    """What the feeder asks of the dispatcher whose lanes it fills."""

    owner: int

    def may_claim(self) -> bool:
        """Whether this process is a node now, and not about to stop."""

    def depth(self, lane: Lane) -> int:
        """How many deliveries the lane may hold."""

    def prepare(self, lane: Lane, target: Target) -> None:
        """It is to be fed for this endpoint, as it is now."""

    def claimed(self, lane: Lane, rows: ClaimedRows, *, probe: bool) -> None:
        """This was committed. `probe`: of it one may show how the endpoint is, if this node gets to."""

    def wake(self, endpoint: str, due_at: int) -> None:
        """Look at it again then (Unix ms)."""

    def fed(self, lane: Lane) -> None:
        """A claim for it is over."""


class Feeder:
    def __init__(self, fed: Fed, *, store: Store, directory: Directory, healths: Healths, clock: Clock, bounds: Bounds, room: Room) -> None:
        self._fed, self._store, self._directory, self._healths = fed, store, directory, healths
        self._clock, self._bounds, self._room = clock, bounds, room
        self._starving: deque[Lane] = deque()
        self._claims: set[asyncio.Task[None]] = set()
        self._rest = Rest(self.feed)

    def starve(self, lane: Lane) -> None:
        """The lane wants rows from the store; it gets them when what it has queued runs low."""
        lane.more = True
        if self._is_low(lane) and not (lane.starving or lane.claiming):
            lane.starving = True
            self._starving.append(lane)

    def feed(self) -> None:
        """Claim for starving lanes, in turn, while there is room; not without a lease, which brings us here again."""
        if not self._starving or not self._fed.may_claim() or self._rest.on:
            return
        while self._starving and len(self._claims) < self._bounds.claims_at_once and self._room.for_late:
            lane = self._starving.popleft()
            lane.starving = False
            lane.claiming = True
            task = asyncio.get_running_loop().create_task(self._claim(lane))
            self._claims.add(task)
            task.add_done_callback(self._claims.discard)

    def failed(self, error: StoreUnavailable) -> None:
        """The store did not do what it was asked for a delivery: nobody asks for a moment."""
        self._rest.begin(error)

    def rest(self) -> None:
        """What is claimed in the next moment could not be sent."""
        self._rest.take()

    async def stop(self, seconds: float) -> None:
        """Wait for what is under way, so long at most."""
        if self._claims:
            await asyncio.wait(self._claims, timeout=seconds)

    def _is_low(self, lane: Lane) -> bool:
        """Whether it is time to claim more for this lane."""
        if lane.ordered:
            return not (lane.queue or lane.in_flight)
        return len(lane.queue) < max(1, min(self._bounds.claim, self._fed.depth(lane)) // 2)

    async def _claim(self, lane: Lane) -> None:
        """Claim a lane's due rows; the endpoint must exist, be enabled and be fit for more, else they stay where they are (held)."""
        again_at: int | None = None
        lane.more = False  # from here on, true means: woken since
        try:
            target = await self._directory.target(lane.endpoint)
            if target is not None and not target.endpoint.disabled:
                self._healths.heed(target)
                self._fed.prepare(lane, target)
                wanted = min(self._bounds.claim, max(1, self._fed.depth(lane) - len(lane.queue)))
                allowance = self._healths.allow(lane.endpoint, wanted)
                again_at = allowance.again_at
                if allowance.count and not (allowance.probe and lane.queue):  # what is queued is the one to be tried
                    await self._store.write(
                        self._due(lane, allowance.count), on_commit=lambda rows: self._fed.claimed(lane, rows, probe=allowance.probe)
                    )  # fmt: skip
                self._rest.not_needed()
        except StoreUnavailable as error:
            again_at = self._clock.now() + pause_ms(error)
            self._rest.begin(error)
        except HookwrightError as error:
            again_at = self._clock.now() + pause_ms(error)
            log.error("nothing can be claimed for endpoint %s now: %s", lane.endpoint, error)
        except Exception as error:
            again_at = self._clock.now() + pause_ms(error)
            log.exception("nothing can be claimed for endpoint %s now", lane.endpoint)
        finally:
            lane.claiming = False
            self._claims.discard(asyncio.current_task())  # frees the slot that `feed` looks at
        if again_at is not None:
            self._fed.wake(lane.endpoint, again_at)
        if lane.more:
            self.starve(lane)
        self._fed.fed(lane)
        self.feed()

    def _due(self, lane: Lane, limit: int) -> ClaimDue:
        return ClaimDue(
            endpoint=lane.endpoint, owner=self._fed.owner, now=self._clock.now(), limit=limit, most_bytes=self._bounds.queue_bytes // 8,
            ordered=lane.ordered,
        )  # fmt: skip
