"""`hookwright serve`: the server, in the foreground, until SIGTERM or Ctrl-C; a second signal ends it at once."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hookwright.config import Settings


def serve(
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on. [HOOKWRIGHT_HOST, default 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", help="Port to listen on, 0 for a free one. [HOOKWRIGHT_PORT, default 8071]")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="sqlite:///file.db or postgresql://user@host/name [HOOKWRIGHT_DATABASE, default sqlite:///hookwright.db]",
        ),
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="What this process does: `all`, `api` or `worker`. [HOOKWRIGHT_ROLE, default all]"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes that share the port, on PostgreSQL. [HOOKWRIGHT_WORKERS, default 1]")
    ] = None,
    number: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the server. Every setting is also an environment variable: see docs/settings.md."""
    import structlog

    from hookwright.config import Settings
    from hookwright.telemetry import configure_logs

    flags = {"host": host, "port": port, "database": database, "role": role, "workers": workers}
    settings = Settings.load(**flags)
    configure_logs(settings.log_level, settings.log_format)
    if number is not None:
        structlog.contextvars.bind_contextvars(worker=number)
    elif not _for_people(settings):
        log = structlog.get_logger("hookwright")
        for switch in settings.unsafe_switches():
            log.warning("unsafe", switch=switch)
    if settings.workers > 1 and number is None:
        from hookwright.cli import workers as many

        many.serve(settings, flags)
        return
    import uvloop

    uvloop.run(_serve(settings, number))


async def _serve(settings: "Settings", number: int | None) -> None:
    """`number` is that of one of several processes; the supervisor is the one that says how they are."""
    from hookwright.cli import workers as many
    from hookwright.runtime.server import serve as run_server

    stop = asyncio.Event()
    stop_at_signals(stop, settings, quiet=number is not None)
    if number is not None:
        many.stop_with_supervisor(stop)

    def ready(port: int) -> None:
        if number is not None:
            many.report_ready()
        else:
            announce(settings, port)

    await run_server(settings, stop, ready, shared=number is not None)
    if number is None:
        announce_end(settings)


def stop_at_signals(stop: asyncio.Event, settings: "Settings", *, quiet: bool = False, at_once: Callable[[], None] = lambda: None) -> None:
    """SIGTERM and SIGINT set `stop`; the second of them ends this process, after `at_once`."""

    def signalled(number: int) -> None:
        if stop.is_set():
            at_once()
            os._exit(128 + number)  # what was acknowledged is committed, and is taken up at the next start
        if _for_people(settings) and not quiet:
            typer.echo(f"\nStopping; attempts under way get {settings.shutdown_grace:g} s. Once more to end at once.", err=True)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signalled, number)


def announce(settings: "Settings", port: int) -> None:
    """Say that this server is there."""
    import structlog

    from hookwright import __version__

    if _for_people(settings):
        typer.echo(banner(settings, port), err=True)
        return
    log = structlog.get_logger("hookwright")
    log.info(
        "listening",
        url=_url(settings, port),
        database=settings.database_name if settings.on_postgres else settings.database,
        version=__version__,
        **({} if settings.role == "all" else {"role": settings.role}),
        **({} if settings.workers == 1 else {"workers": settings.workers}),
    )


def announce_end(settings: "Settings") -> None:
    import structlog

    log = structlog.get_logger("hookwright")
    if not _for_people(settings):
        log.info("stopped")


def _for_people(settings: "Settings") -> bool:
    return settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())


def _url(settings: "Settings", port: int) -> str:
    return f"http://[{settings.host}]:{port}" if ":" in settings.host else f"http://{settings.host}:{port}"


def banner(settings: "Settings", port: int) -> str:
    """What somebody who has just started a server wants to know."""
    from hookwright import __version__
    from hookwright.cli.console import program

    url = _url(settings, port)
    configured = settings.jwt_secret is not None and settings.encryption_keys is not None
    lines = [
        f"Hookwright {__version__}",
        "",
        f"  API        {url}/api/v1   (documentation: {url}/docs)",
        f"  Data       {settings.database_name if settings.on_postgres else settings.database_path.absolute()}",
        "  Secrets    " + ("configured" if configured else f"{settings.key_file.absolute()}  (back it up with the data)"),
        f"  A token    {program()} token create --name first{_elsewhere(settings, port, url)}",
        "  Stop       Ctrl-C",
    ]
    if settings.workers > 1 or settings.role != "all":
        what = "" if settings.role == "all" else f", {settings.role} only"
        lines.insert(-1, f"  Processes  {settings.workers}{what}")
    lines += [f"  Unsafe     {switch}" for switch in settings.unsafe_switches()]
    return "\n".join([*lines, ""])


def _elsewhere(settings: "Settings", port: int, url: str) -> str:
    """What a command has to be told in another terminal, which knows none of our flags, and perhaps not our environment."""
    fields = type(settings).model_fields
    if settings.on_postgres:
        return "   (with the same HOOKWRIGHT_DATABASE)"  # whose password is not to be shown
    where = "" if settings.database == fields["database"].default else f" --database {settings.database}"
    return where + ("" if port == fields["port"].default else f" --url {url}")
