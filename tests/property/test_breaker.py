"""The breaker as a state machine beside its model: several nodes, each with a copy of its own, change what a store keeps in turn."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from hookwright.domain import health as rules
from hookwright.domain import sightings
from hookwright.domain.health import Health, Sign, Spread
from hookwright.domain.sightings import Sightings
from tests.property.breaker import DISABLE_AFTER, MINUTE, SECOND, Model

NODES = (1, 2, 3)
START = 1_750_000_000_000
DEADLINE = 30 * SECOND
"""Of an attempt; whoever makes the one attempt has it for a little longer."""
SLACK = 5 * SECOND
ENDPOINT = "ep"
NAMES = {rules.Phase.CLOSED: "closed", rules.Phase.OPEN: "open", rules.Phase.HALF_OPEN: "half open"}

SIGNS = st.sampled_from([Sign.SICK, Sign.SICK, Sign.SICK, Sign.WELL, Sign.WELL, Sign.ALIVE])
CHANCES = st.floats(min_value=0, max_value=1, exclude_max=True)
WAITS = st.sampled_from([0, 1, SECOND, 20 * SECOND, 27 * SECOND, 33 * SECOND, 3 * MINUTE, 11 * MINUTE, 16 * MINUTE, DISABLE_AFTER // 4])
PLACES = st.integers(min_value=0, max_value=99)


class Attempt(msgspec.Struct, eq=False):
    """Under way."""

    node: int
    began: int
    probe: bool


class Breaker(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.model = Model(NODES)
        self.store: dict[str, Health] = {}
        self.versions = 0
        self.known = dict.fromkeys(NODES, Health())
        self.sightings = {node: Sightings() for node in NODES}
        self.attempts: list[Attempt] = []

    # The store, and what nodes know of it

    @property
    def kept(self) -> Health:
        return self.store.get(ENDPOINT, Health())

    def keep(self, health: Health) -> Health:
        """Compare and set, as `SaveHealth` does."""
        if health.version == self.kept.version:
            self.store.pop(ENDPOINT, None)
            self.versions += 1
            if not health.plain:
                self.store[ENDPOINT] = msgspec.structs.replace(health, version=self.versions)
        return self.kept

    def look(self, node: int) -> Health:
        """The node reads what is kept; of what it saw in another phase it judges nothing."""
        before, self.known[node] = self.known[node], self.kept
        if before.phase is not self.kept.phase:
            self.sightings[node].clear()
            self.model.seen[node].clear()
        return self.kept

    # Beginning

    @rule(node=st.sampled_from(NODES))
    def begin(self, node: int) -> None:
        health = self.look(node)
        wanted = self.model.may(self.now)
        if health.phase is rules.Phase.CLOSED:
            assert wanted == ("send" if self.now >= rules.free_at(health) else None)
            if wanted:
                self.attempts.append(Attempt(node, self.now, probe=False))
            return
        probe = rules.begin_probe(health, node, self.now, self.now + DEADLINE + SLACK)
        assert (probe is not None) == (wanted == "probe")
        if probe is not None:
            self.grant(node, self.keep(probe))

    @precondition(lambda self: self.model.state != "closed")
    @rule(first=st.sampled_from(NODES), other=st.integers(1, len(NODES) - 1))
    def begin_at_once(self, first: int, other: int) -> None:
        """Two nodes read the same and want the same: one of them gets it."""
        second = NODES[(NODES.index(first) + other) % len(NODES)]
        health = self.look(first)
        assert health == self.look(second)
        asked = [(node, rules.begin_probe(health, node, self.now, self.now + DEADLINE + SLACK)) for node in (first, second)]
        allowed = self.model.may(self.now) == "probe"
        assert [probe is not None for _, probe in asked] == [allowed, allowed]
        granted = [node for node, probe in asked if probe is not None and self.keep(probe).prober == node]
        assert granted == ([first] if allowed else [])
        for node in granted:
            self.grant(node, self.kept)

    def grant(self, node: int, kept: Health) -> None:
        assert (kept.phase, kept.prober) == (rules.Phase.HALF_OPEN, node)
        assert not any(attempt.probe for attempt in self.attempts), "there is one attempt already"
        self.model.began(node, kept.probe_until)
        self.look(node)
        self.attempts.append(Attempt(node, self.now, probe=True))

    # Ending

    @precondition(lambda self: self.attempts)
    @rule(place=PLACES, sign=SIGNS, rand=CHANCES)
    def end(self, place: int, sign: Sign, rand: float) -> None:
        self.finish(self.take(place), sign, rand)

    @precondition(lambda self: self.attempts)
    @rule(place=PLACES, seconds=st.integers(0, 200), rand=CHANCES)
    def end_with_a_wish_for_patience(self, place: int, seconds: int, rand: float) -> None:
        self.finish(self.take(place), Sign.SICK, rand, patience=seconds * SECOND)

    @precondition(lambda self: len(self.attempts) > 1)
    @rule(place=PLACES, other=PLACES, signs=st.tuples(SIGNS, SIGNS), rand=CHANCES)
    def end_while_another_ends(self, place: int, other: int, signs: tuple[Sign, Sign], rand: float) -> None:
        """The other's comes first: what was computed before is refused, and computed again."""
        mine = self.take(place)
        self.saw(mine, signs[0])
        too_late = self.result(mine, signs[0], rand, 0)(self.known[mine.node])
        self.finish(self.take(other), signs[1], rand)
        before = self.kept
        if before.version or too_late.version:  # of a plain one there is no version: it may be kept as if nothing had been
            assert self.keep(too_late) == before
        self.apply(mine, signs[0], rand, 0)

    @precondition(lambda self: self.attempts)
    @rule(place=PLACES)
    def lose(self, place: int) -> None:
        """The node ended, and whatever it had under way."""
        self.take(place)

    @precondition(lambda self: any(attempt.probe for attempt in self.attempts))
    @rule(rand=CHANCES)
    def make_no_probe(self, rand: float) -> None:
        """There was nothing to send."""
        attempt = next(attempt for attempt in self.attempts if attempt.probe)
        self.attempts.remove(attempt)
        self.keep(rules.end_probe(self.look(attempt.node), attempt.node, None, self.now, Spread(rand)))
        self.model.not_made(attempt.node)
        self.look(attempt.node)

    def take(self, place: int) -> Attempt:
        return self.attempts.pop(place % len(self.attempts))

    def finish(self, attempt: Attempt, sign: Sign, rand: float, *, patience: int = 0) -> None:
        self.saw(attempt, sign)
        self.apply(attempt, sign, rand, patience)

    def saw(self, attempt: Attempt, sign: Sign) -> None:
        self.look(attempt.node)
        self.sightings[attempt.node].add(sign, self.now)
        self.model.saw(attempt.node, sign, self.now)

    def result(self, attempt: Attempt, sign: Sign, rand: float, patience: int) -> Callable[[Health], Health]:
        def changed(health: Health) -> Health:
            if attempt.probe:
                after = rules.after_probe(health, attempt.node, sign, self.now, Spread(rand))
            else:
                after = rules.after_attempt(health, sign, self.sightings[attempt.node].sick(self.now), self.now, Spread(rand))
            return rules.wait_until(after, self.now + patience) if patience else after

        return changed

    def apply(self, attempt: Attempt, sign: Sign, rand: float, patience: int) -> None:
        wanted = self.result(attempt, sign, rand, patience)(self.look(attempt.node))
        self.model.ended(attempt.node, sign, self.now, probe=attempt.probe)
        if patience:
            self.model.asked(self.now + patience)
        kept = self.keep(wanted)
        assert msgspec.structs.replace(kept, version=0) == msgspec.structs.replace(wanted, version=0)
        if self.model.state == "open" and not self.model.ends:
            assert 0.9 * self.model.pause - 1 <= kept.until - self.now <= 1.1 * self.model.pause + 1
            self.model.ends = kept.until
        self.look(attempt.node)

    # Time and people

    @rule(wait=WAITS)
    def pass_time(self, wait: int) -> None:
        """Nothing answers later than its deadline: what is under way then has failed."""
        until = self.now + wait
        while late := [attempt for attempt in self.attempts if attempt.began + DEADLINE <= until]:
            first = min(late, key=lambda attempt: attempt.began)
            self.attempts.remove(first)
            self.now = max(self.now, first.began + DEADLINE)
            self.finish(first, Sign.SICK, 0.5)
        self.now = until

    @precondition(lambda self: self.model.state == "open" and self.model.ends > self.now)
    @rule(early=st.sampled_from([0, 1]), node=st.sampled_from(NODES))
    def wait_until_it_may_be_asked(self, early: int, node: int) -> None:
        self.pass_time(max(0, self.model.ends - early - self.now))
        self.begin(node)

    @precondition(lambda self: self.model.failures > 3 and not any(attempt.probe for attempt in self.attempts))
    @rule(was_sick=st.booleans())
    def enable(self, was_sick: bool) -> None:
        """A person does."""
        self.keep(rules.enabled(self.kept, self.now, was_sick=was_sick))
        self.model.enabled(self.now, was_sick=was_sick)

    @precondition(lambda self: self.model.recovering)
    @rule()
    def drain(self) -> None:
        self.keep(rules.recovered(self.kept))
        self.model.drained()

    # What must be the same

    @invariant()
    def does_what_its_model_says(self) -> None:
        health, model = self.kept, self.model
        assert NAMES[health.phase] == model.state
        assert (health.trips, health.passed, health.ramp_from) == (model.openings, model.passed, model.recovering)
        assert (health.failing_since, health.failures) == (model.failing_since, model.failures)
        assert max(health.not_before, self.now) == max(model.patience, self.now)
        if model.state == "open":
            assert health.until == model.ends
        elif model.state == "half open":
            assert health.prober == (model.prober or 0)
        else:
            assert health.until == model.closed_at
        assert rules.clock(health, self.now, DISABLE_AFTER) == model.percent(self.now)

    @invariant()
    def sends_nothing_while_it_is_open(self) -> None:
        if self.model.state == "open" and self.now < self.model.ends:
            assert all(rules.begin_probe(self.kept, node, self.now, self.now) is None for node in NODES)
            assert rules.free_at(self.kept) > self.now

    @invariant()
    def has_one_attempt_at_most_under_way_while_it_is_half_open(self) -> None:
        if self.model.state == "half open":
            assert sum(attempt.probe for attempt in self.attempts) <= 1


def test_several_nodes_with_a_breaker_in_common_do_what_its_model_says() -> None:
    run_state_machine_as_test(
        Breaker,
        settings=settings(
            max_examples=120, stateful_step_count=60, deadline=None, report_multiple_bugs=False, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def life() -> None:
    """From health to health by way of a breaker, looked at in every place."""
    machine = Breaker()

    def attempt(sign: Sign, node: int = 1) -> None:
        machine.begin(node)
        if machine.attempts:
            machine.end(0, sign, 0.5)
        machine.does_what_its_model_says()

    for _ in range(5):
        attempt(Sign.SICK)
    assert machine.model.state == "open"
    attempt(Sign.WELL)
    machine.wait_until_it_may_be_asked(0, 1)
    machine.begin(2)
    assert len(machine.attempts) == 1
    machine.end(0, Sign.WELL, 0.5)
    attempt(Sign.ALIVE, 2)
    assert machine.model.state == "half open"
    attempt(Sign.WELL, 3)
    assert machine.model.state == "closed"
    machine.drain()
    for _ in range(6):
        attempt(Sign.WELL)
        attempt(Sign.SICK)
    assert machine.model.state == "closed"
    machine.pass_time(3 * MINUTE)
    for _ in range(5):
        attempt(Sign.SICK)
    assert (machine.model.state, machine.model.openings) == ("open", 2)


def test_a_life_with_a_breaker_is_what_its_model_says() -> None:
    life()


@pytest.mark.parametrize(
    ("module", "name", "planted"),
    [
        (rules, "PASSES", 2),
        (rules, "WELL_AFTER", MINUTE),
        (rules, "free_at", lambda health: max(health.not_before, health.until if health.phase is rules.Phase.OPEN else 0)),
        (sightings, "IN_A_ROW", 6),
        (sightings, "LEAST_SEEN", 10),
    ],
    ids=["two answers close it", "it is forgotten too soon", "two attempts at once", "six failures open it", "too few are judged"],
)
def test_a_breaker_that_does_otherwise_is_found(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, planted: Any) -> None:
    monkeypatch.setattr(module, name, planted)
    with pytest.raises(AssertionError):
        life()
