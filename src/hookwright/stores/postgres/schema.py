"""The schema's version, and bringing it up to date. One process at a time, each step whole or not at all."""

from importlib import resources
from typing import Any

from hookwright.errors import StoreRefused

LOCK = 0x484F4F4B
"""The advisory lock of who migrates ("HOOK"); held to the end of the transaction, so it works behind a pooler too."""


def migrations() -> list[tuple[str, str]]:
    """Every step, in order: its name and its SQL."""
    folder = resources.files(__package__) / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files]


async def migrate(connection: Any) -> list[str]:
    """Bring the schema up to date; the names of the steps taken. Raises StoreRefused if it is newer than this program."""
    done = []
    async with connection.transaction():
        await connection.execute(f"select pg_advisory_xact_lock({LOCK})")
        await connection.execute("create table if not exists hookwright_schema (version integer primary key, name text not null)")
        version, _ = await steps_to_come(connection)
        for number, (name, script) in enumerate(migrations()[version:], start=version + 1):
            await connection.execute(script)
            await connection.execute("insert into hookwright_schema (version, name) values ($1, $2)", number, name)
            done.append(name)
    return done


async def steps_to_come(connection: Any) -> tuple[int, tuple[str, ...]]:
    """The schema's version (0 before the first step), and the names of the steps to the newest. Raises StoreRefused; changes nothing."""
    version, names = await schema_version(connection), [name for name, _ in migrations()]
    if version > len(names):
        raise StoreRefused(f"the database was written by a newer Hookwright (schema {version}, this one knows {len(names)}); upgrade first")
    return version, tuple(names[version:])


async def schema_version(connection: Any) -> int:
    if await connection.fetchval("select to_regclass('hookwright_schema') is null"):
        return 0
    return int(await connection.fetchval("select coalesce(max(version), 0) from hookwright_schema"))
