"""The short form of the torture: few strikes, and nothing that depends on the machine's speed."""

from pathlib import Path

import pytest

from tests.torture.clocks import jump
from tests.torture.harm import kill, pause, terminate
from tests.torture.networks import break_network
from tests.torture.nodes import kill_nodes
from tests.torture.ordered import keep_order
from tests.torture.outages import stop_database
from tests.torture.power import cut_power
from tests.torture.verdict import Plan, Verdict
from tests.torture.zombies import freeze

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
"""Seconds, on a machine that many share; on one of its own each takes 5 to 15."""


def _broken(verdict: Verdict) -> list[str]:
    return [f"{check.name}: {check.found}" for check in verdict.checks if not check.holds]


def test_kill_9_under_load_loses_nothing_and_repeats_only_what_was_not_settled(tmp_path: Path) -> None:
    verdict = kill(tmp_path, Plan(seed=1, messages=1500, rate=400, times=5, timed=False), print)
    assert _broken(verdict) == []


def test_sigterm_under_load_ends_with_0_and_repeats_nothing(tmp_path: Path) -> None:
    verdict = terminate(tmp_path, Plan(seed=2, messages=600, rate=400, times=2, timed=False), print)
    assert _broken(verdict) == []


def test_a_process_that_stood_still_goes_on_where_it_was(tmp_path: Path) -> None:
    verdict = pause(tmp_path, Plan(seed=3, messages=400, rate=400, times=1, timed=False), print)
    assert _broken(verdict) == []


def test_kill_9_of_nodes_loses_nothing_and_repeats_only_what_they_had_not_settled(tmp_path: Path) -> None:
    verdict = kill_nodes(tmp_path, Plan(seed=4, messages=600, rate=200, times=2, timed=False), print)
    assert _broken(verdict) == []


def test_power_cuts_lose_nothing_that_was_acknowledged_and_do_where_commits_are_not_synced(tmp_path: Path) -> None:
    verdict = cut_power(tmp_path, Plan(seed=5, messages=0, rate=0, times=5), print)
    assert _broken(verdict) == []


def test_what_a_node_held_that_was_stopped_beyond_its_lease_it_settles_no_more(tmp_path: Path) -> None:
    verdict = freeze(tmp_path, Plan(seed=6, messages=500, rate=150, times=1, timed=False), print)
    assert _broken(verdict) == []


def test_while_postgresql_is_down_nothing_is_acknowledged_and_afterwards_nothing_is_missing(tmp_path: Path) -> None:
    verdict = stop_database(tmp_path, Plan(seed=7, messages=600, rate=150, times=1, timed=False), print)
    assert _broken(verdict) == []


def test_a_network_that_breaks_and_swallows_what_is_said_to_the_database_loses_nothing(tmp_path: Path) -> None:
    verdict = break_network(tmp_path, Plan(seed=8, messages=500, rate=150, times=2, timed=False), print)
    assert _broken(verdict) == []


def test_clocks_that_jump_by_hours_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    verdict = jump(tmp_path, Plan(seed=9, messages=400, rate=150, times=4, timed=False), print)
    assert _broken(verdict) == []


def test_ordered_endpoints_keep_their_order_while_receivers_fail_and_servers_are_killed(tmp_path: Path) -> None:
    verdict = keep_order(tmp_path, Plan(seed=10, messages=400, rate=100, times=3, timed=False), print)
    assert _broken(verdict) == []
