"""Steps of the schema in two halves: what a start carries out, what waits, and which schema is too new."""

import re

import pytest

from hookwright.errors import StoreRefused
from hookwright.stores.postgres import schema
from hookwright.stores.sql.steps import Applied, Half, Step, standing
from hookwright.stores.sqlite import connections

BOTH = pytest.mark.parametrize("steps", [connections.known(), schema.known()], ids=["sqlite", "postgres"])


def step(number: int, half: Half = "expand") -> Step:
    return Step(number, f"{number:04}_x", half, "", "", "")


KNOWN = (step(1), step(2), step(3, "contract"), step(4))


def names(steps: tuple[Step, ...]) -> list[int]:
    return [step.number for step in steps]


def test_a_new_database_gets_every_step_at_once() -> None:
    found = standing(KNOWN, ())
    assert (found.version, names(found.pending), names(found.waiting)) == (0, [1, 2, 3, 4], [])


def test_a_start_expands_and_leaves_what_contracts() -> None:
    found = standing(KNOWN, [(1, "expand")])
    assert (found.version, names(found.pending), names(found.waiting)) == (1, [2, 4], [3])


def test_a_contract_step_waits_also_behind_later_ones() -> None:
    applied: list[Applied] = [(1, "expand"), (2, "expand"), (4, "expand")]
    found = standing(KNOWN, applied)
    assert (names(found.pending), names(found.waiting)) == ([], [3])


def test_a_schema_that_a_newer_release_expanded_is_as_good() -> None:
    found = standing(KNOWN, [*((one.number, one.half) for one in KNOWN), (5, "expand")])
    assert (found.version, found.newest, found.pending, found.waiting) == (5, 4, (), ())


def test_a_schema_that_a_newer_release_contracted_is_refused() -> None:
    with pytest.raises(StoreRefused, match=r"a\.db was written by a newer Hookwright \(schema 6, this one knows 4\)"):
        standing(KNOWN, [(5, "expand"), (6, "contract")], "a.db")


@BOTH
def test_steps_are_numbered_one_by_one(steps: tuple[Step, ...]) -> None:
    assert names(steps) == list(range(1, len(steps) + 1))


@BOTH
def test_every_step_but_the_first_says_which_half_it_is_and_what_it_costs(steps: tuple[Step, ...]) -> None:
    for one in steps[1:]:
        assert re.match(r"-- (expand|contract): .+\n-- cost: .+\n", one.script), one.name
