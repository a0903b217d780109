"""`hookwright serve --workers N`: the process that has N others do the work, and what each of these is told by it."""

import asyncio
import os
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog
import typer

from hookwright.cli import serve as one

if TYPE_CHECKING:
    from hookwright.config import Settings

log = structlog.get_logger("hookwright")
SIGNALED = 128
"""Above it, a status means that a signal ended the process, as shells have it."""
PATIENCE_SECONDS = 30.0
"""Beyond the grace that attempts and requests are given; a child bounds every step of its stop by itself."""


def serve(settings: "Settings", flags: Mapping[str, Any]) -> None:
    """Until it is signalled. Ends with a child's status if one cannot start."""
    from hookwright.runtime.supervisor import NeverReady

    try:
        asyncio.run(_supervise(settings, flags))
    except NeverReady as error:
        if error.status > SIGNALED:  # else it has said why
            typer.echo(f"hookwright: {error}", err=True)
        raise typer.Exit(error.status) from error


async def _supervise(settings: "Settings", flags: Mapping[str, Any]) -> None:
    from hookwright.api.listening import hold
    from hookwright.runtime.supervisor import Supervisor

    held = await hold(settings.host, settings.port)
    port = held[0].getsockname()[1]
    supervisor = Supervisor(_command, _environment(flags, port), patience=settings.shutdown_grace + PATIENCE_SECONDS)
    stop = asyncio.Event()
    one.stop_at_signals(stop, settings, at_once=supervisor.kill)
    try:
        await supervisor.run(settings.workers, stop, lambda: one.announce(settings, port))
    finally:
        for each in held:
            each.close()
    one.announce_end(settings)


def _command(number: int) -> list[str]:
    """`-P`: what lies in the working directory is no module of ours, whatever its name."""
    return [sys.executable, "-P", "-m", "hookwright", "serve", "--number", str(number)]


def _environment(flags: Mapping[str, Any], port: int) -> dict[str, str]:
    """Flags become variables: other users of the machine can see a command's arguments."""
    given = {f"HOOKWRIGHT_{name.upper()}": str(value) for name, value in flags.items() if value is not None}
    return os.environ | given | {"HOOKWRIGHT_PORT": str(port)}


# In a child


def report_ready() -> None:
    from hookwright.runtime.supervisor import READY

    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()


def stop_with_supervisor(stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends: the supervisor, which writes nothing there, is gone."""
    loop = asyncio.get_running_loop()

    def gone() -> None:
        if not stop.is_set():
            log.error("the supervising process is gone, and this one stops")
            stop.set()

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(gone)

    threading.Thread(target=wait, name="supervisor", daemon=True).start()
