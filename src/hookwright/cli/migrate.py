"""`hookwright migrate`: bring the database's schema up to date, after saying what that means."""

from typing import TYPE_CHECKING, Annotated

import typer

from hookwright.cli import arguments
from hookwright.cli.console import Failed, Json, note, say, say_json

if TYPE_CHECKING:
    from pathlib import Path


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
    database: arguments.Database = None,
) -> None:
    """Bring the database's schema up to date. `serve` does so too, at its start."""
    from hookwright.cli.installation import holder_of, is_held
    from hookwright.config import Settings
    from hookwright.errors import StoreRefused

    path = Settings.load(database=database).database_path.absolute()
    if not path.parent.is_dir():
        raise Failed(f"there is no folder {path.parent} for the database {path.name}")
    if dry_run and not path.exists():
        _show(path, 0, _steps(path), done=False, as_json=as_json, dry_run=True)
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
            if not as_json:
                note(f"{path}: schema {version}, {len(steps)} to do: {', '.join(steps)}")
            open_writer(path).close()
        _show(path, version, steps, done=not dry_run or not steps, as_json=as_json, dry_run=dry_run)
    finally:
        lock.release()


def _show(path: "Path", version: int, steps: tuple[str, ...], *, done: bool, as_json: bool, dry_run: bool) -> None:
    if as_json:
        say_json({"database": str(path), "served": False, "version": version, "steps": list(steps), "done": done})
    elif not steps:
        say(f"{path}: schema {version} is the newest; nothing to do.")
    elif dry_run:
        what = "would be created" if version == 0 and not path.exists() else f"has schema {version}"
        say(f"{path} {what}. To do, each step whole or not at all: {', '.join(steps)}.")
        say("Copy the file first if it holds anything (docs/operating.md); then run this without --dry-run.")
    else:
        say(f"{path}: schema {version + len(steps)}, done.")
