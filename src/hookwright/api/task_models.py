"""Tasks in the background on the wire.

Clients know three statuses. One that was canceled by hand has not finished, so it is shown as `failed`; `data` says why.
"""

from typing import Any

from pydantic import BaseModel

from hookwright import ids
from hookwright.api.timestamps import TimeText, rfc3339
from hookwright.domain.tasks import Selection, Task, TaskState

STATUSES = {
    TaskState.RUNNING: "running",
    TaskState.FINISHED: "finished",
    TaskState.FAILED: "failed",
    TaskState.CANCELED: "failed",
}


class RecoverOut(BaseModel):
    id: str
    status: str
    task: str
    updatedAt: TimeText


class ReplayOut(RecoverOut):
    pass


class BackgroundTaskOut(RecoverOut):
    """`data`: `messagesSent` again (so many deliveries were added), of `looked` at, of `total` (null while that is not known);
    `upTo`: messages that were created before it are done; what was asked for; and `problem`, why it ended before its time.
    """

    data: dict[str, Any]


class PreviewOut(BaseModel):
    """`exact`: false if there may be more, because nobody looked further."""

    messages: int
    exact: bool


def show_started(task: Task) -> ReplayOut:
    return ReplayOut(**_head(task))


def show_task(task: Task) -> BackgroundTaskOut:
    return BackgroundTaskOut(**_head(task), data=_data(task))


def _head(task: Task) -> dict[str, str]:
    return {"id": task.id, "status": STATUSES[task.state], "task": task.kind.value, "updatedAt": rfc3339(task.updated_at)}


def _data(task: Task) -> dict[str, Any]:
    canceled = task.state is TaskState.CANCELED
    return {
        "applicationId": task.application,
        "endpointId": task.endpoint,
        "messagesSent": task.done,
        "looked": task.looked,
        "total": None if task.total is None else max(task.total, task.looked),
        "upTo": rfc3339(_up_to(task)),
        "canceled": canceled,
        "problem": "it was canceled by hand" if canceled else task.problem,
        "createdAt": rfc3339(task.created_at),
        **_asked(task.selection),
    }


def _up_to(task: Task) -> int:
    if task.state is TaskState.FINISHED:
        return task.selection.until
    return ids.created_at(task.mark[: len("msg_") + ids.LENGTH])


def _asked(selection: Selection) -> dict[str, Any]:
    """What was asked for; of what was left out nothing."""
    types = None if selection.event_types is None else sorted(selection.event_types)
    narrowed = {
        "eventTypes": types,
        "channel": selection.channel,
        "status": selection.state,
        "statusCodeClass": selection.status_class,
        "rate": selection.rate,
    }
    return {"since": rfc3339(selection.since), "until": rfc3339(selection.until)} | {
        name: value for name, value in narrowed.items() if value is not None
    }
