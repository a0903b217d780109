"""The next release, played by this one with two more steps of the schema: one that expands it, one that contracts it."""

import sys
from importlib.resources.abc import Traversable
from pathlib import Path

from hookwright.cli import main
from hookwright.stores.postgres import schema

EXPAND = "-- expand: applications have a colour\n-- cost: a moment\nalter table applications add column colour text;\n"
CONTRACT = "-- contract: nobody looks for the day before\n-- cost: a moment\ncreate table hookwright_contracted (n integer);\n"
STEPS = ("0901_colours", "0902_yesterday")


def next_release(folder: Path, steps: Traversable) -> Path:
    """A folder in `folder` with this release's steps and the next one's."""
    made = folder / "migrations"
    made.mkdir(parents=True)
    for step in steps.iterdir():
        if step.name.endswith(".sql"):
            (made / step.name).write_text(step.read_text("utf-8"))
    for name, script in zip(STEPS, (EXPAND, CONTRACT), strict=True):
        (made / f"{name}.sql").write_text(script)
    return made


def module_of(steps: Path) -> tuple[str, ...]:
    """For `python -m`: the program as that release has it on PostgreSQL; its arguments follow."""
    return ("tests.releases", str(steps))


if __name__ == "__main__":
    schema.FOLDER = Path(sys.argv.pop(1))
    main()
