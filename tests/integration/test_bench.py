"""Each measurement carried out for a moment: it runs, loses nothing, and its report has what the documents quote."""

from bench import scenarios
from bench.scenarios import Report

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
