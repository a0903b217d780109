"""The commands, and what all of them share: how they end.

Exit status 0: done. 1: it could not be done, with the cause in one line. 2: the command or a setting was wrong.
"""

import os
import sys
import tempfile
import traceback

import typer

from hookwright import __version__
from hookwright.cli import backup, demo, doctor, migrate, reseal, send, serve, token, verify
from hookwright.errors import ConfigurationError, HookwrightError

app = typer.Typer(
    name="hookwright",
    help="Webhooks for your customers: accept events, sign them, deliver them, retry, show and replay them.",
    epilog="New here? `hookwright demo` shows it at work. Every setting is an environment variable: see docs/settings.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve.serve)
app.command()(demo.demo)
app.add_typer(token.app)
app.command()(send.send)
app.command()(verify.verify)
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(migrate.migrate)
app.command()(reseal.reseal)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", help="Print the version and end.", is_eager=True, callback=_print_version),
    debug: bool = typer.Option(False, "--debug", help="Show where an error came from. [HOOKWRIGHT_DEBUG]"),
) -> None:
    if debug:
        os.environ["HOOKWRIGHT_DEBUG"] = "1"


def main() -> None:
    """Never a traceback for what a person can mend, and none on the terminal for what one cannot."""
    try:
        app()
    except ConfigurationError as error:
        _end(error, 2)
    except (HookwrightError, OSError) as error:
        _end(error, 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        _end(error, 1, ours=True)


def _end(error: Exception, status: int, *, ours: bool = False) -> None:
    if os.environ.get("HOOKWRIGHT_DEBUG"):
        traceback.print_exception(error)
    cause = " ".join(str(error).split()) if not isinstance(error, HookwrightError) else str(error)
    if isinstance(error, OSError) and error.strerror:
        cause = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if ours:
        cause = f"a mistake of ours: {type(error).__name__}: {cause}{_keep(error)}"
    for line in cause.splitlines() or [type(error).__name__]:
        typer.echo(f"hookwright: {line}", err=True)
    sys.exit(status)


def _keep(error: Exception) -> str:
    """Write the details to a file of its own; where they are."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="hookwright-", suffix=".txt", delete=False) as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return " (again with --debug shows where)"
    return f" (details in {file.name}; please report it)"
