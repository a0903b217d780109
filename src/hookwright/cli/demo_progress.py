"""The demo while it runs: bars on a terminal, a line now and then elsewhere."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sized

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hookwright.cli.console import say
from hookwright.cli.demo_receiver import Receiver

_LOOK_EVERY = 0.05
_LINE_EVERY = 1.0


async def watch(receiver: Receiver, sent: Sized, count: int, patience: float, *, quiet: bool) -> bool:
    """Show what arrives until all has; False when nothing more has come for `patience` seconds."""
    if quiet:
        return await _follow(receiver, count, patience, lambda: None)
    if not sys.stdout.isatty():
        return await _lines(receiver, sent, count, patience)
    columns = (
        TextColumn("{task.description:<12}"), BarColumn(40), MofNCompleteColumn(), TextColumn("{task.fields[more]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns) as progress:
        accepted = progress.add_task("accepted", total=count, more="by the server")
        bars = [(endpoint, progress.add_task(endpoint.name, total=count, more="")) for endpoint in receiver.endpoints]

        def draw() -> None:
            progress.update(accepted, completed=len(sent))
            for endpoint, bar in bars:
                progress.update(bar, completed=len(endpoint.arrived), more=f"{endpoint.attempts} attempts")

        return await _follow(receiver, count, patience, draw)


async def _lines(receiver: Receiver, sent: Sized, count: int, patience: float) -> bool:
    last = time.monotonic()

    def line() -> None:
        say(f"accepted {len(sent)}/{count}  arrived: {', '.join(_counts(receiver, count))}")

    def now_and_then() -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY:
            last = time.monotonic()
            line()

    complete = await _follow(receiver, count, patience, now_and_then)
    line()
    return complete


def _counts(receiver: Receiver, count: int) -> Iterator[str]:
    for endpoint in receiver.endpoints:
        yield f"{endpoint.name} {len(endpoint.arrived)}/{count} ({endpoint.attempts} attempts)"


async def _follow(receiver: Receiver, count: int, patience: float, look: Callable[[], None]) -> bool:
    seen, changed_at = -1, time.monotonic()
    while True:
        look()
        arrived = sum(len(endpoint.arrived) for endpoint in receiver.endpoints)
        if arrived >= count * len(receiver.endpoints):
            return True
        if arrived != seen:
            seen, changed_at = arrived, time.monotonic()
        if time.monotonic() - changed_at > patience:
            return False
        await asyncio.sleep(_LOOK_EVERY)
