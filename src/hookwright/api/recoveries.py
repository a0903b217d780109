"""Sending many messages again, or for the first time, to one endpoint: tasks that go on in the background, and what they would do."""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Request
from pydantic import AfterValidator, Field, WithJsonSchema
from starlette.responses import Response

from hookwright.api.auth import App, Caller, services_of
from hookwright.api.endpoint_models import Channel, EventTypes
from hookwright.api.endpoints import PATH, EndpointId, receiver_for
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer, once
from hookwright.api.models import WHOLE, Input, refuse
from hookwright.api.task_models import PreviewOut, RecoverOut, ReplayOut, show_started
from hookwright.api.timestamps import Time
from hookwright.domain.deliveries import FINAL, State
from hookwright.domain.tasks import Kind, Selection, Task, begins_at
from hookwright.errors import Invalid

router = APIRouter(tags=["Endpoint"], responses=documented())
MOST_RATE = 1_000
ENDED: list[Any] = [state.value for state in State if state in FINAL]
Writer = Annotated[Caller, App("replay:write")]


def _ended(status: int) -> int:
    what = "0 (success), 2 (fail) and 4 (canceled) can be replayed; what is pending or sending is on its way, and arrives by itself"
    refuse(None if State(status) in FINAL else what)
    return status


def _no_tag(tag: str | None) -> str | None:
    refuse(None if tag is None else "messages have no tags here, so none would be found; leave it out, or choose by eventTypes or channel")
    return tag


class ReplayIn(Input):
    """Messages created in [since, until) are looked at; `until` is now if left out, or later.

    `rate`: so many messages a second at most; what the server is set to if left out.
    """

    since: Time
    until: Time | None = None
    rate: Annotated[int, Field(ge=1, le=MOST_RATE), WHOLE] | None = None


class RecoverIn(ReplayIn):
    pass


class BulkReplayIn(ReplayIn):
    """Of these, those that fit everything else that is given. `status`: how they ended; `statusCodeClass`: of the last answer."""

    event_types: EventTypes | None = None
    channel: Channel | None = None
    tag: Annotated[str | None, AfterValidator(_no_tag), WithJsonSchema({"type": "null"})] = Field(None, description="There are none here")
    status: Annotated[int, Field(ge=0, le=4, json_schema_extra={"enum": ENDED}), AfterValidator(_ended), WHOLE] | None = None
    status_code_class: Annotated[Literal[0, 100, 200, 300, 400, 500], WHOLE] | None = None


def _selection(kind: Kind, body: ReplayIn, now: int) -> Selection:
    """Raises Invalid."""
    latest = begins_at(kind, now) + 1  # a task looks once: what will come later is not for it, and it must not say that it was
    until = latest if body.until is None else min(body.until, latest)
    if body.since >= until:
        raise Invalid.at("body", "since", msg="is not earlier than until, or than now")
    selection = Selection(since=body.since, until=until, rate=body.rate)
    if isinstance(body, RecoverIn):
        return msgspec.structs.replace(selection, state=State.FAIL)
    if not isinstance(body, BulkReplayIn):
        return selection
    return msgspec.structs.replace(
        selection,
        event_types=None if body.event_types is None else frozenset(body.event_types),
        channel=body.channel,
        state=None if body.status is None else State(body.status),
        status_class=body.status_code_class,
    )


def _started(task: Task) -> bytes:
    return Answer.pack(202, show_started(task))


async def _start(request: Request, caller: Caller, ref: str, kind: Kind, body: ReplayIn) -> Response:
    services, application = services_of(request), caller.application.id
    endpoint = await receiver_for(services, application, ref)
    now = services.clock.now()
    selection = _selection(kind, body, now)
    key = await once(request, caller.principal, now, _started)
    return answer(await services.replays.start(kind, application, endpoint.id, selection, key), _started)


async def _preview(request: Request, caller: Caller, ref: str, kind: Kind, body: ReplayIn) -> PreviewOut:
    services, application = services_of(request), caller.application.id
    endpoint = await receiver_for(services, application, ref)
    found = await services.replays.preview(kind, application, endpoint.id, _selection(kind, body, services.clock.now()))
    return PreviewOut(messages=found.messages, exact=found.mark is None)


def _task(path: str, operation: str, summary: str, model: Any = ReplayOut) -> dict[str, Any]:
    """What the routes that start a task have in common."""
    return {
        "path": PATH + path, "operation_id": operation, "summary": summary, "response_model": model, "status_code": 202,
        "openapi_extra": DOCUMENTED,
    }  # fmt: skip


@router.post(**_task("/recover", "v1.endpoint.recover", "Recover Failed Webhooks", RecoverOut))
async def recover(request: Request, caller: Writer, endpoint_id: EndpointId, body: RecoverIn) -> Response:
    """Send again what failed and never succeeded. It goes on in the background, and survives a restart."""
    return await _start(request, caller, endpoint_id, Kind.RECOVER, body)


@router.post(**_task("/replay-missing", "v1.endpoint.replay-missing", "Replay Missing Webhooks"))
async def replay_missing(request: Request, caller: Writer, endpoint_id: EndpointId, body: ReplayIn) -> Response:
    """Send what the endpoint wants by its filters and never had: what was created before it was, or before it wanted this."""
    return await _start(request, caller, endpoint_id, Kind.MISSING, body)


@router.post(**_task("/bulk-replay", "v1.endpoint.bulk-replay", "Bulk Replay"))
async def bulk_replay(request: Request, caller: Writer, endpoint_id: EndpointId, body: BulkReplayIn) -> Response:
    """Send again what succeeded or was given up; what was canceled only by its status. What is on its way is left alone."""
    return await _start(request, caller, endpoint_id, Kind.BULK, body)


@router.post(PATH + "/recover/preview", operation_id="v1.endpoint.recover-preview", summary="What Recover Would Send")
async def preview_recover(request: Request, caller: Writer, endpoint_id: EndpointId, body: RecoverIn) -> PreviewOut:
    return await _preview(request, caller, endpoint_id, Kind.RECOVER, body)


@router.post(PATH + "/replay-missing/preview", operation_id="v1.endpoint.replay-missing-preview", summary="What Replay Missing Would Send")
async def preview_replay_missing(request: Request, caller: Writer, endpoint_id: EndpointId, body: ReplayIn) -> PreviewOut:
    return await _preview(request, caller, endpoint_id, Kind.MISSING, body)


@router.post(PATH + "/bulk-replay/preview", operation_id="v1.endpoint.bulk-replay-preview", summary="What Bulk Replay Would Send")
async def preview_bulk_replay(request: Request, caller: Writer, endpoint_id: EndpointId, body: BulkReplayIn) -> PreviewOut:
    return await _preview(request, caller, endpoint_id, Kind.BULK, body)
