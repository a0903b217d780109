"""`hookwright serve`: the server, in the foreground, until SIGTERM or Ctrl-C; a second signal ends it at once."""

import asyncio
import os
import signal
import sys
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
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="What this process does; only `all` for now. [HOOKWRIGHT_ROLE]")] = None,
) -> None:
    """Run the server. Every setting is also an environment variable: see docs/settings.md."""
    import structlog
    import uvloop

    from hookwright.config import Settings
    from hookwright.telemetry import configure_logs

    settings = Settings.load(host=host, port=port, database=database, role=role)
    configure_logs(settings.log_level, settings.log_format)
    if not _for_people(settings):
        log = structlog.get_logger("hookwright")
        for switch in settings.unsafe_switches():
            log.warning("unsafe", switch=switch)
    uvloop.run(_serve(settings))


async def _serve(settings: "Settings") -> None:
    import structlog

    from hookwright import __version__
    from hookwright.runtime.server import serve as run_server

    log = structlog.get_logger("hookwright")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def signalled(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)  # at once: what was acknowledged is committed, and is taken up at the next start
        if _for_people(settings):
            typer.echo(f"\nStopping; attempts under way get {settings.shutdown_grace:g} s. Once more to end at once.", err=True)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled, number)

    def ready(port: int) -> None:
        if _for_people(settings):
            typer.echo(banner(settings, port), err=True)
        else:
            log.info(
                "listening",
                url=_url(settings, port),
                database=settings.database_name if settings.on_postgres else settings.database,
                version=__version__,
            )

    await run_server(settings, stop, ready)
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
    lines += [f"  Unsafe     {switch}" for switch in settings.unsafe_switches()]
    return "\n".join([*lines, ""])


def _elsewhere(settings: "Settings", port: int, url: str) -> str:
    """What a command has to be told in another terminal, which knows none of our flags, and perhaps not our environment."""
    fields = type(settings).model_fields
    if settings.on_postgres:
        return "   (with the same HOOKWRIGHT_DATABASE)"  # whose password is not to be shown
    where = "" if settings.database == fields["database"].default else f" --database {settings.database}"
    return where + ("" if port == fields["port"].default else f" --url {url}")
