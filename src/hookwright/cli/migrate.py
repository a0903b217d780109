"""`hookwright migrate`: bring the database's schema up to date, after saying what that means."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hookwright.cli import arguments
from hookwright.cli.console import Failed, Json, note, say, say_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hookwright.config import Settings
    from hookwright.runtime.database import Standing, Step

    Steps = tuple[Step, ...]


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    contract: Annotated[
        bool, typer.Option("--contract", help="Take away, too, what only older releases needed. Refused while one is at work.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, on a terminal either.")] = False,
    as_json: Json = False,
    database: arguments.Database = None,
) -> None:
    """Bring the database's schema up to date, after saying what will be done.

    `serve` does so too, at its start, but for what older releases still need: on PostgreSQL that goes with --contract,
    when all processes are of this release. A SQLite file has one owner, so there nothing waits.
    """
    from hookwright.cli.installation import holder_of, is_held
    from hookwright.config import Settings
    from hookwright.errors import StoreRefused

    settings = Settings.load(database=database)
    teller = _Teller(dry_run=dry_run, yes=yes, as_json=as_json)
    if settings.on_postgres:
        _migrate_postgres(settings, teller, contract)
        return
    path = settings.database_path.absolute()
    if not path.parent.is_dir():
        raise Failed(f"there is no folder {path.parent} for the database {path.name}")
    try:
        _migrate_file(path, teller)
    except StoreRefused as error:
        if not is_held(error):
            raise
        if as_json:
            say_json({"database": str(path), "served": True, "steps": [], "waiting": [], "plan": [], "done": True})
        else:
            say(f"{path} is in use{holder_of(path)}. A server brings the schema up to date when it starts; nothing to do.")


def _migrate_file(path: "Path", teller: "_Teller") -> None:
    """Raises StoreRefused."""
    from hookwright.runtime.database import FileLock, open_writer, schema_standing

    if teller.dry_run and not path.exists():
        found = schema_standing(path)
        teller.tell(str(path), found, found.pending, lambda: None)
        return
    lock = FileLock(path)
    try:
        found = schema_standing(path)
        teller.tell(str(path), found, (*found.pending, *found.waiting), lambda: open_writer(path).close())
    finally:
        lock.release()


def _migrate_postgres(settings: "Settings", teller: "_Teller", contract: bool) -> None:
    """Beside running processes, too. Raises what stands in the way of the database."""
    from hookwright.runtime import postgres

    def carry_out() -> None:
        asyncio.run(postgres.migrate(settings))
        if contract:
            asyncio.run(postgres.contract(settings))

    found = asyncio.run(postgres.standing(settings))
    teller.tell(settings.database_name, found, (*found.pending, *(found.waiting if contract else ())), carry_out)


class _Teller:
    """Says what is to be done, asks on a terminal, has it done, and says so."""

    def __init__(self, *, dry_run: bool, yes: bool, as_json: bool) -> None:
        self.dry_run, self._yes, self._as_json = dry_run, yes, as_json

    def tell(self, name: str, found: "Standing", steps: "Steps", carry_out: "Callable[[], None]") -> None:
        left = [step.name for step in found.waiting if step not in steps]
        if self._as_json:
            self._do(steps, carry_out)
            plan = [{"name": step.name, "half": step.half, "what": step.words, "cost": step.cost} for step in steps]
            shown = {"version": found.version, "steps": [step.name for step in steps], "waiting": left, "plan": plan}
            say_json({"database": name, "served": False, **shown, "done": not (steps and self.dry_run)})
            return
        out = say if self.dry_run else note
        if steps:
            what = "has no schema yet" if found.version == 0 else f"has schema {found.version}"
            out(f"{name} {what}. To do, each step whole or not at all:")
            for step in steps:
                out(f"  {step.name} ({step.half}): {step.words}" + (f" [{step.cost}]" if step.cost else ""))
            self._ask()
            self._do(steps, carry_out)
        if left:
            out(f"Waiting until no older release is at work, then `hookwright migrate --contract`: {', '.join(left)}.")
        if not steps:
            say(f"{name}: schema {found.version} is up to date; nothing to do.")
        elif self.dry_run:
            say("Make a backup first if it holds anything (docs/operating.md); then run this without --dry-run.")
        else:
            say(f"{name}: schema {max(found.version, *(step.number for step in steps))}, done.")

    def _ask(self) -> None:
        if not (self.dry_run or self._yes) and sys.stdin.isatty() and not typer.confirm("Go on?", err=True):
            raise Failed("nothing was done")

    def _do(self, steps: "Steps", carry_out: "Callable[[], None]") -> None:
        if steps and not self.dry_run:
            carry_out()
