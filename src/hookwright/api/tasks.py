"""Tasks in the background: how far they are, and ending them. They are started at what they are about (see `recoveries`)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request

from hookwright.api.auth import Reader, services_of
from hookwright.api.errors import documented
from hookwright.api.pages import ListResponse, paged, show_page
from hookwright.api.task_models import STATUSES, BackgroundTaskOut, show_task
from hookwright.domain.credentials import Principal
from hookwright.domain.pages import PageRequest
from hookwright.errors import NotFound
from hookwright.store.tasks import CancelTask, FindTask, ListTasks

router = APIRouter(tags=["Background Task"], responses=documented())
PATH = "/background-task/{task_id}"
TaskId = Annotated[str, Path(description="The task's id", examples=["qtask_1srOrx2ZWZBpBUvZwXKQmoEYga2"])]
TaskType = Literal[
    "endpoint.replay", "endpoint.recover", "endpoint.bulk-replay", "application.stats", "message.broadcast", "sdk.generate",
    "event-type.aggregate", "application.purge_content",
]  # fmt: skip
"""What clients may ask for. Only the first three are tasks here."""


@router.get(
    "/background-task",
    operation_id="v1.background-task.list",
    summary="List Background Tasks",
    response_model=ListResponse[BackgroundTaskOut],
)
async def list_tasks(
    request: Request,
    principal: Annotated[Principal, Reader("endpoint:read")],
    page: Annotated[PageRequest, paged("qtask", "descending", ordered=True)],
    status: Annotated[Literal["running", "finished", "failed"] | None, Query(description="Only tasks with this status")] = None,
    task: Annotated[TaskType | None, Query(description="Only tasks of this kind")] = None,
) -> Any:
    """Newest first. A token of an application sees that application's."""
    states = None if status is None else frozenset(state for state, shown in STATUSES.items() if shown == status)
    query = ListTasks(organization=principal.organization, application=principal.application, page=page, kind=task, states=states)
    return show_page(await services_of(request).store.read(query), show_task)


@router.get(PATH, operation_id="v1.background-task.get", summary="Get Background Task", response_model=BackgroundTaskOut)
async def get(request: Request, principal: Annotated[Principal, Reader("endpoint:read")], task_id: TaskId) -> Any:
    query = FindTask(organization=principal.organization, application=principal.application, task=task_id)
    found = await services_of(request).store.read(query)
    if found is None:
        raise NotFound
    return show_task(found)


@router.post(PATH + "/cancel", operation_id="v1.background-task.cancel", summary="Cancel Background Task", response_model=BackgroundTaskOut)
async def cancel(request: Request, principal: Annotated[Principal, Reader("replay:write")], task_id: TaskId) -> Any:
    """It goes no further; what it has added by now stays. A task that has ended is answered as it is."""
    services = services_of(request)
    command = CancelTask(
        organization=principal.organization, application=principal.application, task=task_id, now=services.clock.now()
    )  # fmt: skip
    return show_task(await services.store.write(command))
