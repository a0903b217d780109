"""What commands say, and how: results on standard output, everything else on standard error.

A person gets tables and sentences; `--json` gives one JSON document and nothing beside it.
"""

import json
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hookwright.errors import HookwrightError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]

_WIDTH_OF_A_FILE = 160
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


class Failed(HookwrightError):
    """The command could not be carried out; the message says why and what to do, in one line."""


def say(text: str = "") -> None:
    """A line of the result."""
    typer.echo(text)


def note(text: str) -> None:
    """A line for people, beside the result."""
    typer.echo(text, err=True)


def say_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def program() -> str:
    """What to type for this program: its name where the shell finds it by that, else its path, as after `make serve`."""
    called = Path(sys.argv[0]).absolute()
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m hookwright"
    found = shutil.which("hookwright")
    if called.name != "hookwright" or (found is not None and Path(found).resolve() == called.resolve()):
        return "hookwright"
    return shlex.quote(str(called))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """A table on standard output; a cell that says ok, warn or fail is coloured on a terminal."""
    from rich import box  # loaded only when a table is shown
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        shown.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE).print(shown)
