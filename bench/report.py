"""What a measurement hands back, and how it is shown."""

import sys
from collections.abc import Callable

import msgspec
from rich.console import Console
from rich.table import Table


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`columns` and `rows` are a table for people; `figures` is the same and more for programs. `kept`: no promise was broken."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: dict[str, object]
    notes: tuple[str, ...] = ()
    kept: bool = True


Progress = Callable[[str], None]


def console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 140)


def show(report: Report, to: Console) -> None:
    table = Table(title=report.title, title_justify="left", min_width=len(report.title) + 2)
    for column in report.columns:
        table.add_column(column, justify="right")
    for row in report.rows:
        table.add_row(*row)
    to.print(table)
    for note in report.notes:
        to.print(note)


def print_report(report: Report, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(report).decode(), flush=True)
    else:
        show(report, console())
