"""The short form of the torture: few strikes, and nothing that depends on the machine's speed."""

from pathlib import Path

from tests.torture.harm import kill, pause, terminate
from tests.torture.nodes import kill_nodes
from tests.torture.power import cut_power
from tests.torture.verdict import Plan, Verdict


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
