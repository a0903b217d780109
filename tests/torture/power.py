"""Power cuts: a process and whatever its disk had not synced are gone, and what was acknowledged is looked for.

Ten cuts in a row hit one database, each in the midst of what the one before left; then a fresh one begins.
"""

import multiprocessing
import os
import random
import shutil
import sqlite3
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from tests.torture import database
from tests.torture.disk import CUT, Step
from tests.torture.house import PLACES, Life, body, live
from tests.torture.verdict import Check, Plan, Progress, Verdict, stated, zero

IN_A_ROW = 10
STEPS = {"any": 1500, "sync": 120, "database": 150}
LIFE_SECONDS = 60.0
MORE = 100
"""So many cuts more has the control to lose something."""


class Cut(msgspec.Struct, frozen=True):
    """`lost` of `acknowledged` messages, of all since the database was fresh; `sound`: what `integrity_check` says."""

    life: Life
    acknowledged: int
    survived: int
    lost: int
    sound: str


def cut_power(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    """`synchronous=FULL`, as the store has it; then the same with NORMAL, which must lose, or this shows nothing."""
    full = _cuts(folder / "full", plan, "full", progress)
    normal = _cuts(folder / "normal", plan, "normal", progress, must_lose=True)
    unsound = [cut.sound for cut in (*full, *normal) if cut.sound != "ok"]
    lost = sum(cut.lost for cut in normal)
    checks = (
        stated("messages acknowledged", sum(cut.acknowledged for cut in full)),
        stated("cuts that left something acknowledged to look for", sum(cut.survived + cut.lost > 0 for cut in full)),
        stated("cuts during a checkpoint", sum(cut.life.kind == "database" for cut in full)),
        zero("acknowledged and lost", sum(cut.lost for cut in full)),
        Check("integrity_check", unsound[0] if unsound else "ok every time", not unsound),
        Check("control: lost with synchronous=NORMAL (must lose)", f"{lost:,}, by {sum(c.lost > 0 for c in normal)} cuts", lost > 0),
    )
    rows = tuple(_row(number, cut) for number, cut in enumerate(full, start=1))
    columns = ("cut", "at", "acknowledged", "found again, of all", "lost", "integrity")
    return Verdict(f"power cuts, {plan.times} times, and as many with synchronous=NORMAL", columns, rows, checks)


def _row(number: int, cut: Cut) -> tuple[str, ...]:
    where = {"any": "write or sync", "sync": "sync", "database": "write to the database file"}[cut.life.kind]
    shown = f"{where} {cut.life.steps}" + (" from the opening on" if cut.life.young else "")
    return (str(number), shown, f"{cut.acknowledged:,}", f"{cut.survived:,}", str(cut.lost), cut.sound)


def _cuts(folder: Path, plan: Plan, synchronous: str, progress: Progress, *, must_lose: bool = False) -> list[Cut]:
    """As many as planned, each in the midst of what the one before left; more if it `must_lose` and has not."""
    chance, cuts = random.Random(plan.seed), list[Cut]()
    promised: dict[str, bytes] = {}
    for number in range(plan.times + (MORE if must_lose else 0)):
        if number >= plan.times and any(cut.lost for cut in cuts):
            break
        if number % IN_A_ROW == 0:
            promised = {}
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "disk").mkdir(parents=True)
        kind: Step = chance.choice(("any", "sync", "database"))
        young = kind != "database" and chance.random() < 0.2
        life = Life(
            folder=str(folder / "disk"), image=str(folder / "image"), seed=plan.seed * 1000 + number, synchronous=synchronous,
            steps=chance.randrange(1, 60 if young else STEPS[kind]), kind=kind, young=young, checkpoint_pages=chance.choice((60, 400)),
        )  # fmt: skip
        new = _lived(life)
        promised |= new
        lost = _lost(folder, promised)
        cuts.append(Cut(life, len(new), len(promised) - len(lost), len(lost), _sound(folder / "check")))
        promised = {ident: kept for ident, kept in promised.items() if ident not in lost}  # each is lost once
        progress(f"synchronous={synchronous}: cut {number + 1} of {plan.times}, {len(new)} acknowledged, {len(lost)} lost")
        shutil.rmtree(folder / "disk")
        (folder / "image").rename(folder / "disk")
    return cuts


def _lived(life: Life) -> dict[str, bytes]:
    """Live until the power fails; what was acknowledged: ids and bodies."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.torture.house"])
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_inhabit, args=(life, writer))
    process.start()
    writer.close()
    written = b""
    while piece := os.read(reader.fileno(), 65536):
        written += piece
    reader.close()
    process.join(LIFE_SECONDS)
    assert process.exitcode == CUT, f"{life} ended with {process.exitcode}"
    lines = [line.split() for line in written.decode().splitlines()]
    return {ident: body(life.seed, int(number)) for ident, number in lines}


def _inhabit(life: Life, writer: Connection) -> None:
    live(life, writer.fileno())


def _lost(folder: Path, promised: dict[str, bytes]) -> set[str]:
    """What was promised and is not there, whole and with each of its deliveries, live or ended. Looks at a copy, for
    opening the image would carry out the recovery that is the next life's to make.
    """
    check = folder / "check"
    shutil.rmtree(check, ignore_errors=True)
    shutil.copytree(folder / "image", check)
    if not promised:
        return set()
    connection = sqlite3.connect(check / "hookwright.db")
    try:
        bodies = dict(connection.execute("select message, body from contents"))
        places = dict(
            connection.execute(
                "select message, count(*) from (select message, endpoint from deliveries union select message, endpoint from outcomes)"
                " group by message"
            )
        )
    except sqlite3.DatabaseError:
        return set(promised)
    finally:
        connection.close()
    return {ident for ident, kept in promised.items() if bodies.get(ident) != kept or places.get(ident) != PLACES}


def _sound(check: Path) -> str:
    return database.integrity(check / "hookwright.db")
