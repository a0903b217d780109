"""Changes that others cut across are made again."""

import asyncio

import pytest

from hookwright.api.races import RACES, until_unraced
from hookwright.errors import Conflict
from hookwright.store import CHANGED


class Attempts:
    """Raises the first of these errors, then the next, and counts."""

    def __init__(self, *errors: Conflict) -> None:
        self.errors, self.made = list(errors), 0

    async def __call__(self) -> str:
        self.made += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_a_change_that_others_cut_across_is_made_again() -> None:
    attempts = Attempts(*[Conflict("changed", code=CHANGED)] * (RACES - 1))
    assert asyncio.run(until_unraced(attempts)) == "done"


def test_it_is_given_up_after_a_number_of_races() -> None:
    attempts = Attempts(*[Conflict("changed", code=CHANGED)] * (RACES + 1))
    with pytest.raises(Conflict):
        asyncio.run(until_unraced(attempts))
    assert attempts.made == RACES


def test_another_conflict_is_no_race() -> None:
    attempts = Attempts(Conflict("the uid is taken"))
    with pytest.raises(Conflict):
        asyncio.run(until_unraced(attempts))
    assert attempts.made == 1
