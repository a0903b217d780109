"""`hookwright migrate`: bring the database's schema up to date, after saying what that means."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from hookwright.cli import arguments
from hookwright.cli.console import Failed, Json, note, say, say_json

if TYPE_CHECKING:
    from pathlib import Path

    from hookwright.config import Settings


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
    database: arguments.Database = None,
) -> None:
    """Bring the database's schema up to date. `serve` does so too, at its start."""
    from hookwright.cli.installation import holder_of, is_held
    from hookwright.config import Settings
    from hookwright.errors import StoreRefused

    settings = Settings.load(database=database)
    if settings.on_postgres:
        _migrate_postgres(settings, dry_run, as_json)
        return
    path = settings.database_path.absolute()
    if not path.parent.is_dir():
        raise Failed(f"there is no folder {path.parent} for the database {path.name}")
    if dry_run and not path.exists():
        _show(str(path), 0, _steps(path), done=False, as_json=as_json, dry_run=True)
        return
    try:
        _migrate(path, dry_run, as_json)
    except StoreRefused as error:
        if not is_held(error):
            raise
        if as_json:
            say_json({"database": str(path), "served": True, "steps": [], "done": True})
        else:
            say(f"{path} is in use{holder_of(path)}. A server brings the schema up to date when it starts; nothing to do.")


def _steps(path: "Path") -> tuple[str, ...]:
    from hookwright.runtime.database import steps_to_come

    return steps_to_come(path)[1]


def _migrate(path: "Path", dry_run: bool, as_json: bool) -> None:
    """Raises StoreRefused."""
    from hookwright.runtime.database import FileLock, open_writer, steps_to_come

    lock = FileLock(path)
    try:
        version, steps = steps_to_come(path)
        if steps and not dry_run:
            _announce(str(path), version, steps, as_json)
            open_writer(path).close()
        _show(str(path), version, steps, done=not dry_run or not steps, as_json=as_json, dry_run=dry_run)
    finally:
        lock.release()


def _migrate_postgres(settings: "Settings", dry_run: bool, as_json: bool) -> None:
    """Beside running processes too: what they need stays until the next release. Raises ConfigurationError."""
    from hookwright.runtime import postgres

    version, steps = asyncio.run(postgres.pending_steps(settings))
    if steps and not dry_run:
        _announce(settings.database_name, version, steps, as_json)
        asyncio.run(postgres.migrate(settings))
    _show(settings.database_name, version, steps, done=not dry_run or not steps, as_json=as_json, dry_run=dry_run)


def _announce(name: str, version: int, steps: tuple[str, ...], as_json: bool) -> None:
    if not as_json:
        note(f"{name}: schema {version}, {len(steps)} to do: {', '.join(steps)}")


def _show(name: str, version: int, steps: tuple[str, ...], *, done: bool, as_json: bool, dry_run: bool) -> None:
    if as_json:
        say_json({"database": name, "served": False, "version": version, "steps": list(steps), "done": done})
    elif not steps:
        say(f"{name}: schema {version} is the newest; nothing to do.")
    elif dry_run:
        what = "has no schema yet" if version == 0 else f"has schema {version}"
        say(f"{name} {what}. To do, each step whole or not at all: {', '.join(steps)}.")
        say("Make a backup first if it holds anything (docs/operating.md); then run this without --dry-run.")
    else:
        say(f"{name}: schema {version + len(steps)}, done.")
