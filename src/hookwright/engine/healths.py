"""How endpoints are, as far as this process knows: what may be sent to those that are not simply well.

Duty: while an endpoint's breaker is open nothing is sent to it by any process, and while it is half open one attempt at a time by
one of them. What is kept in the store is the truth; who changes it names the version that it computed from, and computes again
when there is another. Here is a copy, for endpoints that failed lately; the path of all others is one look into an empty table.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from hookwright.clock import Clock
from hookwright.domain import health as rules
from hookwright.domain.endpoints import DisabledReason
from hookwright.domain.health import FIRST_PAUSE, RAMP_MS, Health, Phase, Sign, Spread
from hookwright.domain.sightings import Sightings
from hookwright.engine.directory import Target
from hookwright.engine.ongoing import Ongoing
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.health import FindHealth, SaveHealth

DAY_MS = 86_400_000
MOST = 20_000
"""Endpoints that are remembered; what was kept of one that is forgotten is read again."""
COUNT_MS = 60_000
"""How often it is kept that an endpoint goes on failing: a clock of days loses nothing by it."""
PROBE_SLACK_MS = 5_000
AGAIN_SECONDS = 1.0
WELL = Health()


class HealthPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`probe_ms`: how long one attempt may take; `pause_ms`: how long a breaker is open the first time; `disable_after_ms`: of
    nothing but failures (0: never); `recovery_rate`: messages a second to an endpoint with a backlog because it was sick or disabled.
    """

    probe_ms: int = 30_000
    pause_ms: int = FIRST_PAUSE
    disable_after_ms: int = 5 * DAY_MS
    recovery_rate: float = 50.0


class Allowance(msgspec.Struct, frozen=True):
    """How many deliveries may be claimed now; if none, when to ask again (Unix ms). `probe`: the one attempt."""

    count: int
    again_at: int | None = None
    probe: bool = False


class Patient:
    """An endpoint that failed lately, or whose health is not plain. `kept`: what the store has, `health`: what is to be there."""

    __slots__ = ("application", "endpoint", "health", "keeping", "kept", "lock", "saved_at", "sightings")

    def __init__(self, application: str, endpoint: str, health: Health) -> None:
        self.application, self.endpoint = application, endpoint
        self.health = self.kept = health
        self.sightings = Sightings()
        self.saved_at = 0
        self.lock = asyncio.Lock()
        self.keeping = False


class Healths:
    def __init__(
        self, *, store: Store, clock: Clock, rand: Callable[[], float], policy: HealthPolicy, changed: Callable[[str], None],
        disabled: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        """`changed` is told an endpoint to which more, or less, may be sent than before; `disabled` an application and its endpoint
        that was disabled.
        """
        self._store, self._clock, self._rand, self._policy = store, clock, rand, policy
        self._changed, self._disabled = changed, disabled
        self._patients: OrderedDict[str, Patient] = OrderedDict()
        self._saving = Ongoing("keeping how endpoints are", again=AGAIN_SECONDS)
        self._tasks: set[asyncio.Task[None]] = set()

    # What may be sent

    def is_open(self, endpoint: str) -> bool:
        """Whether a fresh message may go there at once, as far as is known."""
        patient = self._patients.get(endpoint)
        return patient is None or (
            patient.health.phase is Phase.CLOSED and not patient.health.ramp_from and patient.health.not_before <= self._clock.now()
        )

    def free_at(self, endpoint: str) -> int:
        """Nothing may be sent there before (Unix ms), as far as is known."""
        patient = self._patients.get(endpoint)
        return 0 if patient is None else rules.free_at(patient.health)

    def heed(self, target: Target) -> None:
        """It was loaded: what was kept of it then counts where nothing newer is known, and counts once: a target stays in memory for
        longer than a sickness.
        """
        loaded, target.health = target.health, WELL
        if loaded is WELL:
            return
        patient = self._patients.get(target.endpoint.id)
        if patient is not None:
            if loaded.version > patient.kept.version and not patient.lock.locked():
                self._adopt(patient, loaded)
        elif not loaded.plain:
            self._admit(Patient(target.endpoint.application, target.endpoint.id, loaded))

    def allow(self, endpoint: str, wanted: int) -> Allowance:
        """How many of `wanted` deliveries may be claimed for it."""
        patient = self._patients.get(endpoint)
        if patient is None:
            return Allowance(wanted)
        now = self._clock.now()
        if patient.health.phase is Phase.CLOSED:
            return Allowance(wanted) if now >= patient.health.not_before else Allowance(0, patient.health.not_before)
        free_at = rules.free_at(patient.health)
        return Allowance(1, probe=True) if now >= free_at else Allowance(0, free_at)

    async def begin_probe(self, endpoint: str, node: int) -> bool:
        """Whether the node may make the one attempt, for which it has a delivery. Raises StoreUnavailable."""
        patient, now = self._patients.get(endpoint), self._clock.now()
        if patient is None:
            return False
        probe = rules.begin_probe(patient.health, node, now, now + self._policy.probe_ms + PROBE_SLACK_MS)
        if probe is None:
            return False
        before, patient.health = patient.health, probe
        try:
            await self._save(patient)
        except StoreUnavailable:
            patient.health = before
            raise
        return patient.health.phase is Phase.HALF_OPEN and patient.health.prober == node

    def rate(self, endpoint: str) -> float | None:
        """Messages a second that it gets at most because it recovers: few at first, then as many as a backlog may be sent with."""
        patient = self._patients.get(endpoint)
        if patient is None or patient.health.phase is not Phase.CLOSED or not patient.health.ramp_from:
            return None
        since = self._clock.now() - patient.health.ramp_from
        ramp = 2.0 ** (since // 1000) if patient.health.trips and since < RAMP_MS else self._policy.recovery_rate
        return min(ramp, self._policy.recovery_rate)

    def may_retry(self, endpoint: str) -> bool:
        """Whether another retry fits into what its successes allow; first tries are never asked for."""
        patient = self._patients.get(endpoint)
        return patient is None or patient.sightings.may_retry(self._clock.now())

    # What became of it

    def saw(self, application: str, endpoint: str, sign: Sign, patience_until: int, node: int, *, probe: bool, retry: bool) -> None:
        """An attempt came to this, a first one or a `retry`; `patience_until`: it asked to be left alone till then (Unix ms)."""
        patient = self._patients.get(endpoint)
        if patient is None:
            if sign is Sign.WELL:
                return
            patient = self._admit(Patient(application, endpoint, Health()))
        now = self._clock.now()
        patient.sightings.add(sign, now, retry=retry)
        if probe:
            health = rules.after_probe(patient.health, node, sign, now, self._spread())
        else:
            health = rules.after_attempt(patient.health, sign, patient.sightings.sick(now), now, self._spread())
        if patience_until > now:
            health = rules.wait_until(health, patience_until)
        self._set(patient, health, now)
        if sign is Sign.WELL and health.plain and now - patient.sightings.seen_at > rules.SEEN_MS and not patient.keeping:
            self._patients.pop(endpoint, None)

    def probe_not_made(self, endpoint: str, node: int) -> None:
        """There was nothing to send, or it went back untried: another may have the attempt."""
        patient = self._patients.get(endpoint)
        if patient is not None:
            now = self._clock.now()
            self._set(patient, rules.end_probe(patient.health, node, None, now, self._spread()), now)

    def drained(self, endpoint: str) -> None:
        """It has nothing left that is due."""
        patient = self._patients.get(endpoint)
        if patient is not None and patient.health.ramp_from:
            self._set(patient, rules.recovered(patient.health), self._clock.now())

    def look(self, application: str, endpoint: str) -> None:
        """Another process may have changed it."""
        self._begin(self._look(application, endpoint))

    async def close(self) -> None:
        """What is not kept by now is found out again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What is kept

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _spread(self) -> Spread:
        return Spread(self._rand(), self._policy.pause_ms)

    def _admit(self, patient: Patient) -> Patient:
        self._patients[patient.endpoint] = patient
        if len(self._patients) > MOST:
            self._patients.popitem(last=False)
        return patient

    def _set(self, patient: Patient, health: Health, now: int) -> None:
        before, patient.health = patient.health, health
        if before.phase is not health.phase:
            patient.sightings.clear()
        if not patient.keeping and self._is_worth_keeping(patient, now):
            patient.keeping = True
            self._begin(self._keep(patient))
        if _sends(before) != _sends(health):
            self._changed(patient.endpoint)

    def _is_worth_keeping(self, patient: Patient, now: int) -> bool:
        kept, health = patient.kept, patient.health
        if _sends(kept) != _sends(health) or rules.clock(health, now, self._policy.disable_after_ms) > health.warned:
            return True
        if health.failing_since is None or kept.failing_since is None:
            long = health.failing_since is not None and now - health.failing_since >= COUNT_MS
            return kept.failing_since is not None or long
        return now - patient.saved_at >= COUNT_MS

    async def _keep(self, patient: Patient) -> None:
        try:
            while self._is_worth_keeping(patient, self._clock.now()):
                async with self._saving:
                    await self._save(patient)
        finally:
            patient.keeping = False

    async def _save(self, patient: Patient) -> None:
        """Raises StoreUnavailable."""
        async with patient.lock:
            now = self._clock.now()
            share = rules.clock(patient.health, now, self._policy.disable_after_ms)
            if share > patient.health.warned:
                patient.health = msgspec.structs.replace(patient.health, warned=share)
            asked = msgspec.structs.replace(patient.health, version=patient.kept.version)
            disable: DisabledReason | None = "failing" if share >= 100 else None
            command = SaveHealth(application=patient.application, endpoint=patient.endpoint, health=asked, disable=disable, now=now)
            kept = await self._store.write(command)
        patient.saved_at = now
        if msgspec.structs.replace(kept, version=0) != msgspec.structs.replace(asked, version=0):
            self._adopt(patient, kept)  # somebody else's came first
            return
        patient.kept = kept
        if disable is not None:
            self._disabled(patient.application, patient.endpoint)

    async def _look(self, application: str, endpoint: str) -> None:
        known = self._patients.get(endpoint)
        version = known.kept.version if known is not None else 0
        try:
            kept = await self._store.read(FindHealth(endpoint=endpoint))
        except StoreUnavailable:
            return  # by the next news, or when this process would change it, it is read again
        patient = self._patients.get(endpoint)
        if patient is not known or kept.version == version:
            return
        if patient is None:
            self._admit(Patient(application, endpoint, kept))
            self._changed(endpoint)
        elif patient.kept.version == version and not patient.lock.locked():  # else what was read is older than what is known by now
            self._adopt(patient, kept)

    def _adopt(self, patient: Patient, kept: Health) -> None:
        """What the store has counts."""
        before, patient.kept, patient.health = patient.health, kept, kept
        if before.phase is not kept.phase:
            patient.sightings.clear()
        if _sends(before) != _sends(kept):
            self._changed(patient.endpoint)


def _sends(health: Health) -> tuple[object, ...]:
    """What others must know at once."""
    return health.phase, health.until, health.prober, health.passed, health.not_before, health.ramp_from
