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
from hookwright.domain.health import FIRST_PAUSE, MINUTE, RAMP_MS, Health, Phase, Sign, Spread
from hookwright.domain.hearsay import believed, onto
from hookwright.domain.sightings import Sightings
from hookwright.engine.directory import Target
from hookwright.engine.ongoing import Ongoing
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.health import FindHealth, SaveHealth

DAY_MS = 86_400_000
MOST = 100_000
"""Endpoints that are remembered, at under a kilobyte each; what was kept of one that is forgotten is read again."""
COUNT_MS = 60_000
"""How often it is kept that an endpoint goes on failing: a clock of days loses nothing by it."""
PROBE_SLACK_MS = 5_000
AGAIN_SECONDS = 1.0
CLOSE_SECONDS = 1.0
SURE_SECONDS = 3600.0
"""Nobody is disabled, or warned of it, by a process that has not seen it fail for so long: it may have been stopped for days itself, or
its clock was set.
"""
PATIENT_MS, DOUBLING_MS = 60 * MINUTE, 10 * MINUTE
"""Who has been recovering for so long gets twice as much from then on, and again each time so much later: where more comes than may be
sent, a backlog would never be gone."""
QUICK = 10_000.0
"""Messages a second that are as good as no limit."""
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

    __slots__ = ("application", "endpoint", "health", "keeping", "kept", "known_from", "lock", "saved_at", "sightings")

    def __init__(self, application: str, endpoint: str, kept: Health, health: Health) -> None:
        self.application, self.endpoint = application, endpoint
        self.kept, self.health = kept, health
        self.known_from = asyncio.get_running_loop().time()
        self.sightings = Sightings()
        self.saved_at = 0
        self.lock = asyncio.Lock()
        self.keeping = False


class Healths:
    def __init__(
        self, *, store: Store, clock: Clock, rand: Callable[[], float], policy: HealthPolicy, changed: Callable[[str], None],
        disabled: Callable[[str, str], None], forgot: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`changed` is told an endpoint to which more, or less, may be sent than before; `disabled` an application and its endpoint
        that was disabled; `forgot` the application of one that is not remembered any more, and is to be loaded again.
        """
        self._store, self._clock, self._rand, self._policy = store, clock, rand, policy
        self._changed, self._disabled, self._forgot = changed, disabled, forgot
        self._longest_probe = policy.probe_ms + PROBE_SLACK_MS
        self._patients: OrderedDict[str, Patient] = OrderedDict()
        self._saving = Ongoing("keeping how endpoints are", again=AGAIN_SECONDS)
        self._tasks: set[asyncio.Task[None]] = set()

    # What may be sent

    def is_open(self, endpoint: str) -> bool:
        """Whether a fresh message may go there at once, as far as is known."""
        patient = self._patients.get(endpoint)
        return patient is None or (not patient.health.ramp_from and self._may_send(patient))

    def _may_send(self, patient: Patient) -> bool:
        return patient.health.phase is Phase.CLOSED and patient.health.not_before <= self._clock.now()

    def may_send(self, target: Target, node: int, *, late: bool, probe: bool) -> bool:
        """Asked right before an attempt: since it was claimed, or inserted, it may have been found out how the endpoint is."""
        if target.health is not WELL:
            self.heed(target)
        patient = self._patients.get(target.endpoint.id)
        if patient is None:
            return True
        if probe:
            mine = patient.health.phase is Phase.HALF_OPEN and patient.health.prober == node
            return mine and self._clock.now() <= patient.health.probe_until - self._policy.probe_ms  # it ends before another may begin
        return self._may_send(patient) and (late or not patient.health.ramp_from)

    def free_at(self, endpoint: str) -> int:
        """Nothing may be sent there before (Unix ms), as far as is known."""
        patient = self._patients.get(endpoint)
        return 0 if patient is None else self._free_at(patient)

    def _free_at(self, patient: Patient) -> int:
        patient.health = self._believed(patient.health)  # the clock may have been set since
        return rules.free_at(patient.health)

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
            self._admit(target.endpoint.application, target.endpoint.id, loaded)

    def allow(self, endpoint: str, wanted: int) -> Allowance:
        """How many of `wanted` deliveries may be claimed for it."""
        patient = self._patients.get(endpoint)
        if patient is None:
            return Allowance(wanted)
        now = self._clock.now()
        if patient.health.phase is Phase.CLOSED:
            return Allowance(wanted) if now >= patient.health.not_before else Allowance(0, patient.health.not_before)
        free_at = self._free_at(patient)
        return Allowance(1, probe=True) if now >= free_at else Allowance(0, free_at)

    async def begin_probe(self, endpoint: str, node: int) -> bool:
        """Whether the node may make the one attempt, and makes it now. Raises StoreUnavailable."""
        patient = self._patients.get(endpoint)
        if patient is None:
            return False
        async with patient.lock:
            now = self._clock.now()
            probe = rules.begin_probe(patient.health, node, now, now + self._longest_probe)
            if probe is None:
                return False
            before, patient.health = patient.health, probe
            theirs: Health | None = probe
            try:
                theirs = await self._write(patient, probe, now)
            finally:
                if theirs is not None:
                    patient.health = onto(before, probe, patient.health)
            if theirs is not None:
                self._adopt(patient, theirs)
        return theirs is None

    def rate(self, endpoint: str) -> float | None:
        """Messages a second that it gets at most because it recovers: few at first, then as many as a backlog may be sent with."""
        patient = self._patients.get(endpoint)
        if patient is None or patient.health.phase is not Phase.CLOSED or not patient.health.ramp_from:
            return None
        since = max(0, self._clock.now() - patient.health.ramp_from)
        if patient.health.trips and since < RAMP_MS:
            return min(2.0 ** (since // 1000), self._policy.recovery_rate)
        if since < PATIENT_MS:
            return self._policy.recovery_rate
        rate = self._policy.recovery_rate * 2.0 ** min(1 + (since - PATIENT_MS) // DOUBLING_MS, 20)
        return rate if rate < QUICK else None

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
            patient = self._admit(application, endpoint, WELL)
        else:
            self._patients.move_to_end(endpoint)
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

    def probe_not_made(self, endpoint: str, node: int, pause_ms: int = 0) -> None:
        """The one attempt that it began came to nothing that says how the endpoint is: another may have it, after a pause."""
        patient = self._patients.get(endpoint)
        if patient is not None:
            now = self._clock.now()
            health = rules.end_probe(patient.health, node, None, now, self._spread())
            self._set(patient, rules.wait_until(health, now + pause_ms) if pause_ms else health, now)

    def drained(self, endpoint: str) -> None:
        """It has nothing left that is due."""
        patient = self._patients.get(endpoint)
        if patient is not None and patient.health.ramp_from:
            self._set(patient, rules.recovered(patient.health), self._clock.now())

    def look(self, application: str, endpoint: str) -> None:
        """Another process may have changed it."""
        self._begin(self._look(application, endpoint))

    def look_again(self, endpoint: str) -> None:
        """A person may have changed it: enabled it, or given it another URL."""
        patient = self._patients.get(endpoint)
        if patient is not None:
            self.look(patient.application, endpoint)

    async def close(self) -> None:
        """What is not kept within a moment is found out again."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
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

    def _admit(self, application: str, endpoint: str, kept: Health) -> Patient:
        patient = self._patients[endpoint] = Patient(application, endpoint, kept, self._believed(kept))
        if len(self._patients) > MOST:
            _, oldest = self._patients.popitem(last=False)
            self._forgot(oldest.application)
        return patient

    def _believed(self, kept: Health) -> Health:
        return believed(kept, self._clock.now(), self._policy.pause_ms, self._longest_probe)

    def _set(self, patient: Patient, health: Health, now: int) -> None:
        before, patient.health = patient.health, health
        if before.phase is not health.phase:
            patient.sightings.clear()
        self._keep_soon(patient, now)
        if _sends(before) != _sends(health):
            self._changed(patient.endpoint)

    def _keep_soon(self, patient: Patient, now: int) -> None:
        if not patient.keeping and self._is_worth_keeping(patient, now):
            patient.keeping = True
            self._begin(self._keep(patient))

    def _is_worth_keeping(self, patient: Patient, now: int) -> bool:
        kept, health = patient.kept, patient.health
        if _sends(kept) != _sends(health) or self._percent(patient, now) > health.warned:
            return True
        if health.failing_since is None or kept.failing_since is None:
            long = health.failing_since is not None and now - health.failing_since >= COUNT_MS
            return kept.failing_since is not None or long
        return now - patient.saved_at >= COUNT_MS

    def _percent(self, patient: Patient, now: int) -> int:
        """Of the time after which it is disabled, as far as that is told of."""
        sure = asyncio.get_running_loop().time() - patient.known_from >= SURE_SECONDS
        return rules.clock(patient.health, now, self._policy.disable_after_ms) if sure else 0

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
            percent = self._percent(patient, now)
            if percent > patient.health.warned:
                patient.health = msgspec.structs.replace(patient.health, warned=percent)
            disable: DisabledReason | None = "failing" if percent >= 100 else None
            theirs = await self._write(patient, patient.health, now, disable)
            if theirs is not None:
                self._adopt(patient, theirs)
        if theirs is None and disable is not None:
            self._disabled(patient.application, patient.endpoint)

    async def _write(self, patient: Patient, health: Health, now: int, disable: DisabledReason | None = None) -> Health | None:
        """Keep it: None, or what somebody else kept first. Raises StoreUnavailable."""
        asked = msgspec.structs.replace(health, version=patient.kept.version)
        command = SaveHealth(application=patient.application, endpoint=patient.endpoint, health=asked, disable=disable, now=now)
        kept = await self._store.write(command)
        patient.saved_at = now
        if msgspec.structs.replace(kept, version=0) != msgspec.structs.replace(asked, version=0):
            return kept
        patient.kept = kept
        return None

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
            self._admit(application, endpoint, kept)
            self._changed(endpoint)
        elif patient.kept.version == version and not patient.lock.locked():  # else what was read is older than what is known by now
            self._adopt(patient, kept)

    def _adopt(self, patient: Patient, theirs: Health) -> None:
        """What the store has counts, and on top of it what was found out here since the last time that the two were the same."""
        before, base = patient.health, patient.kept
        gone = theirs.version == base.version  # nobody was quicker, and yet nothing is kept: there is no such endpoint any more
        patient.kept, patient.health = theirs, theirs if gone else onto(self._believed(theirs), base, before)
        if before.phase is not patient.health.phase:
            patient.sightings.clear()
        self._keep_soon(patient, self._clock.now())
        if _sends(before) != _sends(patient.health):
            self._changed(patient.endpoint)


def _sends(health: Health) -> tuple[object, ...]:
    """What others must know at once."""
    return health.phase, health.until, health.prober, health.passed, health.not_before, health.ramp_from
