"""Dead letters: what was given up, and nothing since made good. `recover`, `bulk-replay` and `resend` send it again."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from hookwright import ids
from hookwright.api.auth import App, Caller, services_of
from hookwright.api.endpoints import endpoint_for
from hookwright.api.errors import documented
from hookwright.api.pages import Limit
from hookwright.api.timestamps import Time, TimeText, rfc3339
from hookwright.domain.names import MAX_NAME, UID_PATTERN
from hookwright.domain.pages import DEFAULT_LIMIT, PageRequest
from hookwright.errors import Invalid
from hookwright.store.dead_letters import DeadLetter, ListDeadLetters

router = APIRouter(tags=["Message"], responses=documented())
ITERATOR = "^msg_[0-9A-Z][0-9A-Za-z]{26}:ep_[0-9A-Z][0-9A-Za-z]{26}$"


class DeadLetterOut(BaseModel):
    """`responseStatusCode`: of the last answer, 0 if none came; null if that attempt is not kept any more."""

    msgId: str
    eventId: str | None
    eventType: str
    channels: list[str] | None
    endpointId: str
    timestamp: TimeText
    endedAt: TimeText
    attempts: int
    attemptId: str | None
    responseStatusCode: int | None


class DeadLettersOut(BaseModel):
    """`iterator` leads to the next page; `done`: there is none. A page may have few items, or none, and not be the last."""

    data: list[DeadLetterOut]
    iterator: str | None
    done: bool


def _page(
    limit: Limit = DEFAULT_LIMIT,
    iterator: Annotated[
        str | None, Query(description="The `iterator` of the page that was read before", json_schema_extra={"pattern": ITERATOR})
    ] = None,
) -> PageRequest:
    """Raises Invalid."""
    if iterator is not None:
        message, _, endpoint = iterator.partition(":")
        if not ids.is_id(message, "msg") or not ids.is_id(endpoint, "ep"):
            msg = f"{iterator[:300]!r} is no iterator of this list, which is a message's id, a colon and an endpoint's id"
            raise Invalid.at("query", "iterator", msg=msg)
    return PageRequest(limit=limit, cursor=iterator)


@router.get("/app/{app_id}/dead-letter", operation_id="v1.dead-letter.list", summary="List Dead Letters", response_model=DeadLettersOut)
async def list_dead_letters(
    request: Request,
    caller: Annotated[Caller, App("message:read")],
    page: Annotated[PageRequest, Depends(_page)],
    endpoint_id: Annotated[
        str | None, Query(min_length=1, max_length=MAX_NAME, pattern=UID_PATTERN, description="Only of this endpoint (id or uid)")
    ] = None,
    before: Annotated[Time | None, Query(description="Only messages created before this time")] = None,
    after: Annotated[Time | None, Query(description="Only messages created at this time or later")] = None,
) -> Any:
    """Messages whose delivery was given up, each with the endpoint, newest first."""
    services, application = services_of(request), caller.application.id
    endpoint = None if endpoint_id is None else (await endpoint_for(services, application, endpoint_id, deleted=True)).id
    found = await services.store.read(
        ListDeadLetters(application=application, page=page, endpoint=endpoint, before=before, after=after)
    )  # fmt: skip
    return {"data": [_show(letter) for letter in found.data], "iterator": found.last, "done": found.done}


def _show(letter: DeadLetter) -> DeadLetterOut:
    message = letter.message
    return DeadLetterOut(
        msgId=message.id, eventId=message.event_id, eventType=message.event_type,
        channels=None if message.channels is None else list(message.channels), endpointId=letter.endpoint,
        timestamp=rfc3339(message.created_at), endedAt=rfc3339(letter.ended_at), attempts=letter.attempts,
        attemptId=letter.last_attempt, responseStatusCode=letter.last_status,
    )  # fmt: skip
