"""The port for running a customer's script. `sandboxes/` holds what fits it.

A sandbox runs a script once, where it can do nothing but compute, and tells what came of it as a value; whatever a script
does, it ends. It never raises for what a script does.
"""

from typing import Literal, NamedTuple, Protocol

import msgspec

Trouble = Literal["error", "time", "memory", "output", "crash", "off"]
"""Why there is no answer: the script's own mistake; a limit that it came to; the engine that it brought down; no sandbox here."""

COSTLY: frozenset[Trouble] = frozenset({"time", "memory", "output", "crash"})
"""What a script had to be stopped for."""


class Tenant(NamedTuple):
    """Whose turn a script takes. Organizations are served in turn, and the applications of each."""

    organization: str
    application: str


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """`code` declares `function handler(webhook)`. `webhook` is JSON: what the handler is given, but for its payload. `payload`
    is that, as it was sent: given to the handler as a value where it `is_json`, else as a text.
    """

    tenant: Tenant
    code: str
    webhook: str
    payload: str
    is_json: bool


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A script that is only to be read in: its handler is not called."""

    tenant: Tenant
    code: str
    webhook: None = None


class Returned(msgspec.Struct, frozen=True):
    """`answer`: JSON, as `domain.transformations` reads it. `log`: the lines that the script wrote."""

    answer: str
    log: tuple[str, ...] = ()


class Stopped(msgspec.Struct, frozen=True):
    """`detail` is for whoever wrote the script; `line` counts from 1, where it is known."""

    trouble: Trouble
    detail: str
    line: int | None = None
    log: tuple[str, ...] = ()


class Sandbox(Protocol):
    async def run(self, script: Script) -> Returned | Stopped:
        """Raises Busy when too many wait already, or when there is no room on this machine: nothing was run."""

    async def check(self, draft: Draft) -> Stopped | None:
        """Why it would fail before it was given anything; None if it would not, or if nobody can tell. Raises Busy."""

    async def close(self) -> None:
        """End what is under way, and leave no process behind."""


class NoSandbox:
    """Where transformations are turned off."""

    async def run(self, script: Script) -> Returned | Stopped:
        return Stopped("off", "transformations are turned off on this server (HOOKWRIGHT_TRANSFORMATION_WORKERS)")

    async def check(self, draft: Draft) -> Stopped | None:
        return None

    async def close(self) -> None:
        pass
