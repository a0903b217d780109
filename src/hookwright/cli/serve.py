"""`hookwright serve`: the server, in the foreground, until SIGTERM or Ctrl-C."""

import asyncio
import signal
from typing import Annotated

import structlog
import typer
import uvloop

from hookwright import __version__, runtime
from hookwright.config import Settings
from hookwright.telemetry import configure_logs

log = structlog.get_logger("hookwright")


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [HOOKWRIGHT_HOST, default 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for a free one. [HOOKWRIGHT_PORT, default 8071]")] = None,
    database: Annotated[str | None, typer.Option(help="sqlite:///file.db [HOOKWRIGHT_DATABASE]")] = None,
    role: Annotated[str | None, typer.Option(help="What this process does; on SQLite only `all`. [HOOKWRIGHT_ROLE]")] = None,
) -> None:
    """Run the server. Every setting is also an environment variable: see docs/settings.md."""
    settings = Settings.load(host=host, port=port, database=database, role=role)
    configure_logs(settings.log_level, settings.log_format)
    for switch in settings.unsafe_switches():
        log.warning("unsafe", switch=switch)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def ready(port: int) -> None:
        log.info("listening", url=f"http://{settings.host}:{port}", database=settings.database, version=__version__)

    await runtime.serve(settings, stop, ready)
    log.info("stopped")
