"""`hookwright doctor`: what is unsafe, missing or slow here."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hookwright.cli import arguments, console
from hookwright.cli.console import Failed, Json, note, say, say_json

if TYPE_CHECKING:
    from hookwright.cli.checks import Check
    from hookwright.cli.client import Client
    from hookwright.cli.installation import Installation

MOST_APPLICATIONS = 200
"""How many of an organization's applications are asked about; one that has more has a monitoring of its own."""
SLOW_ANSWER_MS = 250


def doctor(
    organization: arguments.Organization = arguments.THE_ORGANIZATION,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 for warnings, too.")] = False,
    as_json: Json = False,
    database: arguments.Database = None,
    url: arguments.Url = None,
    token: arguments.Token = None,
) -> None:
    """Look for what is unsafe, missing or slow. The exit status is 1 if anything fails. Nothing is changed.

    A SQLite file that a running server has is not opened: that server is asked. PostgreSQL is asked itself.
    """
    from hookwright.cli.installation import Installation
    from hookwright.config import Settings

    settings = Settings.load(database=database)
    installation = Installation(settings=settings, url=url, token=token, organization=organization)
    found = list(_checks(installation))
    levels = [check.level for check in found]
    good = "fail" not in levels and not (strict and "warn" in levels)
    if as_json:
        shown = [{"name": c.name, "level": c.level, "found": c.found, "advice": c.advice} for c in found]
        say_json({"ok": good, "checks": shown})
    else:
        console.table(("", "what", "found", "what to do"), [(check.level, check.name, check.found, check.advice) for check in found])
        say(_summary(levels))
    raise typer.Exit(0 if good else 1)


def _summary(levels: Sequence[str]) -> str:
    fails, warns = levels.count("fail"), levels.count("warn")
    if fails:
        return f"{fails} of {len(levels)} checks failed, {warns} warned."
    return f"{warns} of {len(levels)} checks warned; nothing failed." if warns else f"All {len(levels)} checks are fine."


def _checks(installation: "Installation") -> Iterator["Check"]:
    if installation.url is not None:
        yield from _ask(installation)
    elif installation.settings.on_postgres:
        from hookwright.cli.doctor_postgres import look_around

        yield from look_around(installation.settings)
    else:
        yield from _look_around(installation)


def _look_around(installation: "Installation") -> Iterator["Check"]:
    """This machine and this shell's settings; then the database, or the server that has it."""
    from hookwright.cli import checks

    settings, path = installation.settings, installation.path
    yield from checks.check_settings(settings)
    if not (checks.lacks_key_file(settings) and path.exists()):  # else what is in the database decides, see below
        yield checks.check_secrets(settings)
    yield checks.check_files(settings)
    folder = checks.check_folder(path)
    yield folder
    if folder.level == "fail":
        return
    yield checks.check_disk(path.parent)
    yield checks.check_sync(path.parent)
    yield from checks.check_sizes(path)
    if path.exists():
        yield from _open_or_ask(installation)


def _open_or_ask(installation: "Installation") -> Iterator["Check"]:
    from hookwright.cli import checks
    from hookwright.cli.checks import Check
    from hookwright.cli.installation import is_held
    from hookwright.errors import StoreRefused
    from hookwright.runtime.database import FileLock

    try:
        lock = FileLock(installation.path)
    except StoreRefused as error:
        if is_held(error):
            if checks.lacks_key_file(installation.settings):  # a server makes its key file before anything else
                yield checks.check_secrets(installation.settings, holds_data=True)
            yield from _ask(installation)
        else:
            yield Check("lock", "fail", str(error), "mind who owns the folder")
        return
    try:
        yield Check("server", "warn", "none has the database now", "nothing is delivered until `hookwright serve` runs")
        yield from _read(installation)
    finally:
        lock.release()


def _read(installation: "Installation") -> Iterator["Check"]:
    """The file itself, under its lock."""
    from hookwright.cli import checks
    from hookwright.cli.checks import Check
    from hookwright.errors import StoreRefused
    from hookwright.runtime.database import examine, sqlite_version

    yield checks.check_sqlite(sqlite_version())
    try:
        found = examine(installation.path)
    except StoreRefused as error:
        yield Check("content", "fail", str(error), "name the right file, or restore a backup (docs/operating.md)")
        return
    if found.problems:
        yield Check("content", "fail", f"corrupt: {found.problems[0]}", "restore a backup (docs/operating.md)")
        return
    yield Check("content", "ok", "every page was read and is sound")
    if checks.lacks_key_file(installation.settings):
        yield checks.check_secrets(installation.settings, holds_data=found.holds_data)
    yield checks.check_schema(found.standing)
    if not found.standing.pending:
        yield from _look_at_seals(installation)
    now = arguments.now_ms()
    backlog = found.backlog
    yield checks.check_clock(now, found.newest_at)
    if backlog is not None:
        late = None if backlog.oldest_due_at is None else now - backlog.oldest_due_at
        yield from checks.check_backlog(backlog.live, backlog.held, late, backlog.disabled_endpoints)


def _look_at_seals(installation: "Installation") -> Iterator["Check"]:
    """Every one of them, where the keys can be read; `secrets` says if they cannot."""
    from hookwright.cli import checks
    from hookwright.cli.checks import Check
    from hookwright.engine.seals import survey
    from hookwright.errors import ConfigurationError, Unreadable
    from hookwright.runtime.database import stored_seals
    from hookwright.runtime.keys import known_vault

    try:
        vault = known_vault(installation.settings)
    except ConfigurationError:
        return
    if vault is None:
        return
    try:
        yield checks.check_seals(installation.settings, survey(stored_seals(installation.path), vault), vault)
    except Unreadable as error:
        yield Check("seals", "fail", f"cannot be told, a row is damaged: {error}", "restore a backup (docs/operating.md)")


def _ask(installation: "Installation") -> Iterator["Check"]:
    """The server that has the file."""
    from hookwright.cli import checks
    from hookwright.cli.checks import Check
    from hookwright.cli.client import Refused

    if installation.url is None:
        note("Settings are shown as this shell has them; a server names its own unsafe switches when it starts.")
    try:
        client = installation.client()
        begun = time.perf_counter()
        client.get("health")
        taken = (time.perf_counter() - begun) * 1000
    except Failed as error:
        advice = "look at its log: the database cannot be read or written" if isinstance(error, Refused) and error.status == 503 else ""
        yield Check("server", "fail", str(error), advice)
        return
    shown = f"{client.url} reads and writes, answering in {taken:.0f} ms"
    if taken > SLOW_ANSWER_MS:
        yield Check("server", "warn", shown, "busy, or the disk is slow")
    else:
        yield Check("server", "ok", shown)
    yield checks.check_clock(arguments.now_ms(), None)
    try:
        yield from _ask_backlog(client)
    except Refused as error:
        yield Check("backlog", "warn", f"cannot be told: {error}", "use a token that may read applications, endpoints and messages")


def _ask_backlog(client: "Client") -> Iterator["Check"]:
    from hookwright.cli import checks
    from hookwright.cli.checks import Check

    note("Asking the server about its applications...")
    live = held = disabled = 0
    applications = list(client.list("app", most=MOST_APPLICATIONS + 1, order="descending"))
    for application in applications[:MOST_APPLICATIONS]:
        for endpoint in client.list("app", application["id"], "endpoint"):
            stats = client.get("app", application["id"], "endpoint", endpoint["id"], "stats")
            waiting = stats["pending"] + stats["sending"]
            live += waiting
            held += waiting if endpoint["disabled"] else 0
            disabled += endpoint["disabled"]
    yield from checks.check_backlog(live, held, None, disabled)
    if len(applications) > MOST_APPLICATIONS:
        yield Check("backlog", "ok", f"of the {MOST_APPLICATIONS} newest applications of the organization", "")
