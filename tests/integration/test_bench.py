"""Each measurement carried out for a moment: it runs, loses nothing, and its report has what the documents quote.

What the figures are is never asked: this machine may be busy with anything.
"""

import pytest

from bench import client, compare, cost, crowd, dead, profile, scenarios, zoo
from bench.checkouts import checked_out, identify, missing, working_tree
from bench.compare import Plan
from bench.report import Report
from tests.zoo import ZOO

pytestmark = pytest.mark.long
MEDIAN = {
    "accepted_per_s",
    "delivered_per_s",
    "end_to_end_p50_ms",
    "end_to_end_p95_ms",
    "end_to_end_p99_ms",
    "cpu_us_per_delivery",
    "peak_memory_mib",
}


def _quiet(_: str) -> None:
    pass


def _runs_are_whole(report: Report) -> None:
    assert report.kept, report.rows
    assert isinstance(report.figures["median"], dict)
    assert report.figures["median"].keys() >= MEDIAN
    assert report.figures["median"]["arrived"] > 0


def test_throughput_loses_nothing_and_reports_rates() -> None:
    _runs_are_whole(scenarios.throughput(1, 1, 8, 500, _quiet))


def test_latency_loses_nothing_and_reports_percentiles() -> None:
    _runs_are_whole(scenarios.latency(1, 1, 100, 500, _quiet))


def test_isolation_loses_nothing_beside_an_endpoint_that_hangs() -> None:
    pairs = scenarios.isolation(1, 1, 100, 5, _quiet).figures["pairs"]
    assert isinstance(pairs, list)
    assert [pair["lost"] for pair in pairs] == [0]
    assert pairs[0].keys() >= {"without_p99_ms", "beside_p99_ms", "ratio", "difference_ms"}


def test_offload_commits_rows_in_every_way() -> None:
    ways = scenarios.beside(0.3, _quiet).figures["ways"]
    assert isinstance(ways, list)
    assert all(way["idle_rows_per_s"] > 0 and way["saturated_rows_per_s"] > 0 for way in ways)


def test_idle_reports_start_and_memory() -> None:
    runs = scenarios.idle(0.2, 1, _quiet).figures["runs"]
    assert isinstance(runs, list)
    assert all(run["import_seconds"] > 0 and run["start_seconds"] > 0 and run["resident_mib"] > 0 for run in runs)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_compare_measures_both_sides_of_every_round(database: str) -> None:
    plan = Plan(rounds=1, seconds=0.3, connections=8, rate=100, database=database)
    report = compare.compare(working_tree(), working_tree(), plan, _quiet)
    every = {figure.name for figure in compare.FIGURES} - ({"database_us_per_delivery"} if database == "sqlite" else set())
    assert report.figures.keys() == every
    for got in report.figures.values():
        assert isinstance(got, dict)
        assert len(got["pairs"]) == 1
        assert all(value > 0 for pair in got["pairs"] for value in pair)
        assert got["verdict"] == "no difference shown"  # of one round nothing can be said


def test_compare_refuses_what_is_no_commit(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["no-such-branch"]) == 2
    assert "'no-such-branch' is no commit" in capsys.readouterr().err


def test_a_commit_is_checked_out_in_a_place_of_its_own_that_goes_again() -> None:
    head = identify("HEAD")
    with checked_out("HEAD") as tree:
        assert (tree.folder / "src" / "hookwright" / "__init__.py").exists()
        assert tree.folder != working_tree().folder
        assert head.startswith(tree.name.partition("(")[2].split()[0])
    assert not tree.folder.exists()


def test_a_tree_keeps_this_interpreter_if_its_packages_will_do() -> None:
    assert missing(["pytest>=1", "no-such-package>=2", "pytest<1", "anything; python_version < '3'"]) == ["no-such-package>=2", "pytest<1"]


def test_cost_counts_what_postgresql_did_for_each_message() -> None:
    plan = cost.Plan(messages=200, connections=16, rate=200, endpoints=(2,), idle_seconds=0.5, flush_seconds=1.5)
    found = cost.cost(plan, _quiet).figures
    assert list(found) == ["idle, 2 endpoints", "2 endpoints, 16 connections", "2 endpoints, 200/s"]
    for counts in list(found.values())[1:]:
        assert isinstance(counts, dict)
        assert counts.keys() == {*cost.COUNTED, *cost.BOOKS}
        assert 0 < counts["accept"] <= 1000  # a group has one message at least, and is one statement
        assert 0 < counts["settle"] <= 2000  # as many deliveries, each at most one group


def test_a_statement_counts_where_its_first_word_says() -> None:
    create = "with node as (select epoch from nodes), written as (insert into messages (id) select id from good) select 1"
    assert [cost.group(each) for each in (create, "BEGIN ISOLATION LEVEL SERIALIZABLE;", "COMMIT;", "select id from news", "select 1")] == [
        "accept", "begin and commit", "begin and commit", "news", "other",
    ]  # fmt: skip


def test_a_look_belongs_to_the_innermost_frame_that_is_known() -> None:
    loop = "run (asyncio/runners.py:86)"
    attempt = f"{loop};_attempt (hookwright/engine/dispatcher.py:227);attempt (hookwright/engine/executor.py:47)"
    raw = "\n".join(
        [
            f"{loop} 1",
            f"{attempt};mint (hookwright/ids.py:30) 2",
            f"{attempt};sign (hookwright/signing/signatures.py:9) 3",
            f"{loop};_carry_out (hookwright/stores/sqlite/groups.py:9);settle (hookwright/stores/sql/deliveries.py:9);"
            "run (hookwright/stores/sqlite/db.py:25) 4",
            "_bootstrap (threading.py:1);_work (hookwright/stores/sqlite/offload.py:77) 100",
        ]
    )
    found = profile.shares(raw)
    assert found.parts == {
        "event loop": 1, "attempt: build, classify, decide": 2, "attempt: signature": 3, "settle: statements": 4,
    }  # fmt: skip
    assert found.functions["mint (hookwright/ids.py:30)"] == 2


def test_client_times_every_way_to_send_a_request() -> None:
    found = client.client(20, 2, 3, 100, _quiet).figures["us"]
    assert isinstance(found, dict)
    assert {name: len(times) for name, times in found.items()} == dict.fromkeys(client.CLIENTS, 2)


def test_zoo_comes_to_an_end_with_every_beast_and_weighs_it() -> None:
    found = zoo.zoo(zoo.Plan(attempts=len(ZOO), deadline=1.0, times=1), _quiet).figures
    assert found["attempts"] == len(ZOO)
    assert found["surprises"] == []
    assert found.keys() >= {"late_s", "growth_mib", "lag_p99_ms", "lag_most_ms"}


def test_crowd_loses_nothing_for_the_sound_beside_the_broken_and_the_loud() -> None:
    plan = crowd.Plan(endpoints=24, rate=100, seconds=1, rounds=1, tenants=3, each=10, times=5)
    for measured in (crowd.crowd, crowd.loud):
        figures = measured(plan, _quiet).figures
        assert isinstance(figures["median"], dict)
        assert figures["median"]["lost"] == 0
        assert figures["median"]["without_per_s"] > 0
        assert figures["median"]["beside_per_s"] > 0


def test_dead_watches_a_recovery_and_loses_nothing_beside_it() -> None:
    figures = dead.dead(dead.Plan(waiting=300, rate=50, seconds=2), _quiet).figures
    assert isinstance(figures["recovery"], dict)
    assert isinstance(figures["runs"], dict)
    assert figures["recovery"]["waiting"] == 300
    assert figures["recovery"]["arrived"] > 0
    assert not figures["recovery"]["tripped_again"]
    assert [run["lost"] for run in figures["runs"].values()] == [0, 0, 0]


def test_the_fullest_second_may_begin_anywhere() -> None:
    assert dead.most_in_a_second([]) == 0
    assert dead.most_in_a_second([0.0, 0.9, 1.0, 1.1, 1.8, 3.0]) == 4
