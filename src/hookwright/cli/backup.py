"""`hookwright backup`: a copy of the SQLite file, beside a running server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hookwright.cli import arguments
from hookwright.cli.console import Failed, Json, note, say, say_json

if TYPE_CHECKING:
    from hookwright.config import Settings


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the copy; nothing may be there.")],
    as_json: Json = False,
    database: arguments.Database = None,
) -> None:
    """Copy a SQLite database as it is at this moment, also while a server has it. The keys are not in the copy."""
    from hookwright.config import Settings
    from hookwright.runtime.database import back_up

    settings = Settings.load(database=database)
    if settings.on_postgres:
        raise Failed("PostgreSQL is backed up by its own means (pg_dump, or a base backup): see docs/backup.md")
    size = back_up(settings.database_path.absolute(), file.absolute())
    if as_json:
        say_json({"file": str(file.absolute()), "bytes": size, "keys": _keys(settings)})
        return
    say(f"{file.absolute()}: {size} bytes, whole and checked.")
    note("")
    note("THE KEYS ARE NOT IN IT. Without them nobody can open the endpoints' secrets in this backup, and no server starts on it.")
    note(f"They are in {_keys(settings)}. Keep them, too, and not in the same place.")


def _keys(settings: "Settings") -> str:
    if settings.encryption_keys is not None:
        return "HOOKWRIGHT_ENCRYPTION_KEYS"
    return str(settings.key_file.absolute())
