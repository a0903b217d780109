"""`hookwright reseal`: put all that lies sealed under the newest key, so that an older one can go."""

import asyncio
from typing import TYPE_CHECKING

from hookwright.cli import arguments
from hookwright.cli.console import Failed, Json, note, say, say_json

if TYPE_CHECKING:
    from collections import Counter

    from hookwright.config import Settings
    from hookwright.engine.seals import Resealing
    from hookwright.store import Store
    from hookwright.vault import Vault

PASSES = 3
"""How often all is looked at beside running processes: what they sealed meanwhile with an older key is found by the next."""


def reseal(as_json: Json = False, database: arguments.Database = None) -> None:
    """Seal stored secrets anew with the first key of the ring, so that the others can leave it.

    On SQLite the server must be stopped: the file has one owner. On PostgreSQL every process must have the new key first
    in its ring, and all may go on. What is done stays done: after an interruption run it again. The exit status is 1 if
    anything does not open; that is left as it is.
    """
    from hookwright.cli.installation import holder_of, is_held
    from hookwright.config import Settings
    from hookwright.errors import StoreRefused
    from hookwright.telemetry import configure_logs

    settings = Settings.load(database=database)
    path = settings.database_path.absolute()
    if not settings.on_postgres and not path.exists():
        raise Failed(f"there is no database {path}; name it with --database")
    configure_logs("error", "auto")
    try:
        vault, found = asyncio.run(_reseal(settings, quiet=as_json))
    except StoreRefused as error:
        if not is_held(error):
            raise
        raise Failed(f"{path} is in use{holder_of(path)}: stop the server, run this again, and start it") from error
    if as_json:
        shown = {"key": vault.current, "sealed": found.looked, "renewed": found.renewed.total(), "unopened": found.shut.total()}
        say_json({"database": settings.database_name if settings.on_postgres else str(path), **shown, "done": not found.shut})
    else:
        _show(settings, vault, found)
    if found.shut:
        counts = _counts(found.shut)
        raise Failed(f"{found.shut.total()} do not open and are left as they are ({counts}): keep all keys; `hookwright doctor` says more")


async def _reseal(settings: "Settings", *, quiet: bool) -> tuple["Vault", "Resealing"]:
    from hookwright.runtime.database import open_database
    from hookwright.runtime.keys import configured_secrets, find_keys, open_vault

    configured_secrets(settings)  # before the schema is touched
    async with open_database(settings) as store:
        vault = open_vault((await find_keys(settings, store)).encryption_keys)
        found = await _pass(store, vault, quiet)
        for _ in range(PASSES if settings.on_postgres and found.renewed else 0):
            again = await _pass(store, vault, quiet=True)
            found.looked, found.shut = again.looked, again.shut
            if not again.renewed:
                return vault, found
            found.renewed.update(again.renewed)
        if settings.on_postgres and found.renewed:
            raise Failed(
                f"processes go on sealing with {', '.join(sorted(again.renewed))}: restart them with {vault.current} first in their ring, "
                "and run this again"
            )
        return vault, found


async def _pass(store: "Store", vault: "Vault", quiet: bool) -> "Resealing":
    """All once."""
    from hookwright.engine.seals import Resealing, reseal

    found = Resealing()
    async for found in reseal(store, vault):
        if not quiet:
            _tell(found)
    return found


def _tell(progress: "Resealing") -> None:
    note(f"{progress.looked} looked at, {progress.renewed.total()} sealed anew")


def _show(settings: "Settings", vault: "Vault", found: "Resealing") -> None:
    from hookwright.runtime.keys import ring_place

    before = f" (before: {_counts(found.renewed)})" if found.renewed else ""
    say(f"{found.renewed.total()} of {found.looked} sealed anew with {vault.current}{before}.")
    older = ", ".join(kid for kid in vault.ids if kid != vault.current)
    if older and not found.shut:
        say(f"Nothing here needs {older} any more. It can leave {ring_place(settings)}; keep it with the backups made before now.")


def _counts(by_key: "Counter[str]") -> str:
    return ", ".join(f"{count} under {kid}" for kid, count in sorted(by_key.items()))
