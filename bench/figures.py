"""From what was sent and what arrived to the figures of one run."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from bench.generator import Accepted, Load, Sent
from bench.world import Server, SinkProcess, generate

PATIENCE_SECONDS = 20.0
Arrivals = Mapping[str, Sequence[tuple[str, float]]]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Rates per second, times in milliseconds. End to end: from the intended start of a request to its arrival."""

    accepted: int
    arrived: int
    lost: int
    duplicates: int
    refused: int
    broken: int
    accepted_per_s: float
    delivered_per_s: float
    accept_p50_ms: float
    accept_p99_ms: float
    end_to_end_p50_ms: float
    end_to_end_p95_ms: float
    end_to_end_p99_ms: float
    cpu_us_per_delivery: float
    peak_memory_mib: float


def percentile(values: Sequence[float], share: float) -> float:
    """Of sorted values, the nearest rank; 0 when there are none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def measure(server: Server, sink: SinkProcess, load: Load, *, silent: int = 0, copies: int = 1) -> Figures:
    """Carry out `load`, wait until all has arrived, and count.

    Every message is expected `copies` times, but for those of the first `silent` channels, whose receiver never answers.
    """
    sink.forget()
    cpu = server.cpu_seconds()
    sent = generate(load)
    heard = [each for each in sent.accepted if each.channel not in range(silent)]
    sink.wait_for(len(heard) * copies, PATIENCE_SECONDS)
    time.sleep(0.3)  # settling the last attempts is part of what a delivery costs; and a duplicate would come now
    cpu = server.cpu_seconds() - cpu
    return figures(sent, heard, sink.arrivals(), cpu, server.memory_mib("VmHWM"), copies)


def measure_whole(server: Server, sink: SinkProcess, load: Load, *, copies: int = 1) -> Figures:
    """As `measure`. Raises RuntimeError if anything was refused, lost or delivered twice: there is nothing to compare then."""
    found = measure(server, sink, load, copies=copies)
    if found.lost or found.duplicates or found.refused or found.broken or not found.accepted:
        raise RuntimeError(f"this run is not whole: {found}")
    return found


def figures(sent: Sent, heard: Sequence[Accepted], arrivals: Arrivals, cpu: float, memory: float, copies: int = 1) -> Figures:
    """`cpu`: seconds; `memory`: MiB."""
    first: dict[str, float] = {}
    seen: Counter[str] = Counter()
    times = []
    for path in arrivals.values():
        for ident, at in path:
            times.append(at)
            seen[ident] += 1
            first[ident] = min(at, first.get(ident, at))
    times.sort()
    span = times[-1] - times[0] if len(times) > 1 else 0.0
    late = sorted((first[each.id] - each.intended) * 1000 for each in heard if each.id in first)
    accept = sorted((each.answered - each.intended) * 1000 for each in sent.accepted)
    return Figures(
        accepted=len(sent.accepted), arrived=len(times), refused=sent.refused, broken=sent.broken,
        lost=sum(max(0, copies - seen[each.id]) for each in heard), duplicates=sum(max(0, count - copies) for count in seen.values()),
        accepted_per_s=sent.accepted_in_time / sent.seconds, delivered_per_s=len(times) / span if span else 0.0,
        accept_p50_ms=percentile(accept, 0.5), accept_p99_ms=percentile(accept, 0.99),
        end_to_end_p50_ms=percentile(late, 0.5), end_to_end_p95_ms=percentile(late, 0.95), end_to_end_p99_ms=percentile(late, 0.99),
        cpu_us_per_delivery=cpu / max(1, len(times)) * 1e6, peak_memory_mib=memory,
    )  # fmt: skip
