"""The commands, and what all of them share: how they end.

Exit status 0: done. 1: it could not be done, with the cause in one line. 2: the command or a setting was wrong.
"""

import sys

import typer

from hookwright import __version__
from hookwright.cli import serve
from hookwright.errors import ConfigurationError, HookwrightError

app = typer.Typer(
    name="hookwright",
    help="Webhooks in both directions: accept, sign, deliver, retry, show and replay them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)


@app.callback(invoke_without_command=True)
def version(show: bool = typer.Option(False, "--version", help="Print the version and end.")) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Never a traceback for what a person can mend."""
    try:
        app()
    except ConfigurationError as error:
        _end(error, 2)
    except HookwrightError as error:
        _end(error, 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _end(error: HookwrightError, status: int) -> None:
    typer.echo(f"hookwright: {error}", err=True)
    sys.exit(status)
