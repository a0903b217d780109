"""Steps of the schema, in two halves, so that a release can be exchanged for the next while processes of both are at work.

* *Expand*: the previous release goes on working with it. Any process that starts carries it out.
* *Contract*: it takes away what only the previous release needed. It is carried out when none of those is left, by who
  is told to; a process that does not know it cannot use the database any more.

A step is a file `NNNN_name.sql`. Its first lines say what it is, in words that `hookwright migrate` shows:

    -- expand: a node's row says which release it is of
    -- cost: a moment, whatever the size

Each step is carried out once; a contract step may wait while later expand steps are carried out, so no step may need one.
"""

import re
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec

from hookwright.errors import StoreRefused

Half = Literal["expand", "contract"]
_HEAD = re.compile(r"-- (expand|contract): (.+)\n(?:-- cost: (.+)\n)?")


class Step(msgspec.Struct, frozen=True):
    """`words` say what it does, `cost` what it locks or rewrites, and for how long."""

    number: int
    name: str
    half: Half
    words: str
    cost: str
    script: str


class Standing(msgspec.Struct, frozen=True):
    """How far a schema is. `pending`: what a start carries out; `waiting`: contract steps, for when no older release is at work."""

    version: int
    newest: int
    pending: tuple[Step, ...]
    waiting: tuple[Step, ...]


Applied = tuple[int, Half]
"""A step's number and half, as the database has it."""


def read_steps(folder: Traversable) -> tuple[Step, ...]:
    """Every step, in order."""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple(_read(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files)


def _read(name: str, script: str) -> Step:
    head = _HEAD.match(script)
    half, words, cost = head.groups() if head else ("expand", _sentence(script), None)
    return Step(int(name[:4]), name, "contract" if half == "contract" else "expand", words, cost or "", script)


def _sentence(script: str) -> str:
    """The first of the comment that a step begins with which says nothing else of itself."""
    return script.removeprefix("-- ").partition("\n")[0].partition(".")[0].lower()


def standing(known: tuple[Step, ...], applied: Iterable[Applied], name: str = "the database") -> Standing:
    """What is to be done yet. Raises StoreRefused, which names the database by `name`, when a step was carried out that
    takes away what this program needs.

    An empty database has been used by no older release: there nothing waits.
    """
    done = dict(applied)
    version, newest, numbers = max(done, default=0), max((step.number for step in known), default=0), {step.number for step in known}
    if any(half == "contract" and number not in numbers for number, half in done.items()):
        raise StoreRefused(f"{name} was written by a newer Hookwright (schema {version}, this one knows {newest}); upgrade first")
    missing = tuple(step for step in known if step.number not in done)
    if not done:
        return Standing(version, newest, missing, ())
    return Standing(version, newest, _of("expand", missing), _of("contract", missing))


def _of(half: Half, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(step for step in steps if step.half == half)
