"""Where transformations are run, as the settings want it; and whether they can be run here."""

import msgspec

from hookwright.config import Settings
from hookwright.sandbox import NoSandbox, Sandbox, Script, Tenant
from hookwright.sandboxes.pool import ProcessSandbox
from hookwright.sandboxes.workers import Limits, NoRoom, Worker, WorkerGone

_TRIAL = Script(
    tenant=Tenant("", ""),
    code="function handler(webhook) { webhook.payload += 1; return webhook; }",
    webhook="{}",
    payload="1",
    is_json=True,
)
_MADE = {"kind": "json", "body": "2"}


def sandbox_of(settings: Settings) -> Sandbox:
    """It begins no process before there is a script to run."""
    if not settings.transformation_workers:
        return NoSandbox()
    return ProcessSandbox(limits_of(settings), workers=settings.transformation_workers)


def limits_of(settings: Settings) -> Limits:
    return Limits(seconds=settings.transformation_seconds, memory=settings.transformation_bytes, output=settings.max_message_bytes)


async def try_sandbox(settings: Settings) -> str | None:
    """Run a script as a delivery's would be: why it cannot be; None if it can."""
    try:
        worker = await Worker.begin(limits_of(settings))
    except OSError as error:
        return f"no process can be begun for them: {error}"
    try:
        result = await worker.ask(_TRIAL)
    except NoRoom:
        return "no process can be begun for a script"
    except WorkerGone:
        return "the process for them ended over the simplest script"
    finally:
        await worker.end()
    if result.answer is None:
        return f"the simplest script fails: {result.detail}"
    return None if msgspec.json.decode(result.answer) == _MADE else "the simplest script made something else"
