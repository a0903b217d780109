"""Event types: named by their names, archived or expunged, with a JSON Schema per version."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from hookwright.api.auth import Org, Reader, services_of
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer, once
from hookwright.api.models import Input, Name, Names, Output
from hookwright.api.pages import ListResponse, paged, show_page
from hookwright.api.races import until_unraced
from hookwright.api.timestamps import TimeText, rfc3339
from hookwright.domain.credentials import Principal
from hookwright.domain.event_types import EventType, visible
from hookwright.domain.names import MAX_NAME, UID_PATTERN
from hookwright.domain.pages import PageRequest
from hookwright.domain.schemas import MAX_VERSIONS, schema_problems
from hookwright.errors import Invalid, NotFound, Problem
from hookwright.store.event_types import CreateEventType, DeleteEventType, FindEventType, ListEventTypes, PutEventType

router = APIRouter(tags=["Event Type"], responses=documented())
MAX_DESCRIPTION = 8192

EventTypeName = Annotated[
    str, Path(max_length=MAX_NAME, pattern=UID_PATTERN, description="The event type's name", examples=["user.signup"])
]
Description = Annotated[str, Field(max_length=MAX_DESCRIPTION, examples=["A user has signed up"])]
Schemas = Annotated[
    dict[str, dict[str, Any]],
    Field(
        description="A JSON Schema (draft 7) for each version",
        json_schema_extra={"propertyNames": {"pattern": UID_PATTERN, "maxLength": MAX_NAME}, "maxProperties": MAX_VERSIONS},
        examples=[{"1": {"type": "object", "title": "Invoice paid"}}],
    ),
]


class EventTypeUpdate(Input):
    """`featureFlag` is the older form of `featureFlags`, which wins."""

    description: Description
    archived: bool = False
    deprecated: bool = False
    schemas: Schemas | None = None
    feature_flags: Names | None = None
    feature_flag: Name | None = None
    group_name: Name | None = None


class EventTypeIn(EventTypeUpdate):
    name: Name = Field(examples=["user.signup"])


class EventTypePatch(Input):
    """What is absent stays; null takes schemas, flags or group away."""

    description: Description = ""
    archived: bool = False
    deprecated: bool = False
    schemas: Schemas | None = None
    feature_flags: Names | None = None
    feature_flag: Name | None = None
    group_name: Name | None = None


class EventTypeOut(Output):
    name: str
    description: str
    archived: bool
    deprecated: bool
    schemas: dict[str, Any] | None
    feature_flags: list[str]
    feature_flag: str | None
    group_name: str | None
    created_at: TimeText
    updated_at: TimeText


def show(event_type: EventType, *, with_content: bool = True) -> EventTypeOut:
    return EventTypeOut(
        name=event_type.name,
        description=event_type.description,
        archived=event_type.archived,
        deprecated=event_type.deprecated,
        schemas=event_type.schemas if with_content else None,
        feature_flags=list(event_type.feature_flags),
        feature_flag=event_type.feature_flags[0] if event_type.feature_flags else None,
        group_name=event_type.group_name,
        created_at=rfc3339(event_type.created_at),
        updated_at=rfc3339(event_type.updated_at),
    )


def _changes(body: EventTypeUpdate | EventTypePatch, *, exclude_unset: bool = False) -> dict[str, Any]:
    """The fields of an EventType that a body gives. Raises Invalid for schemas that are none."""
    given = body.model_dump(exclude_unset=exclude_unset, exclude={"name"})
    problems = [Problem(("body", "schemas", *place), msg) for place, msg in schema_problems(given.get("schemas") or {})]
    if problems:
        raise Invalid(*problems)
    single, several = given.pop("feature_flag", None), given.pop("feature_flags", None)
    if {"feature_flag", "feature_flags"} & body.model_fields_set or not exclude_unset:
        given["feature_flags"] = tuple(several) if several is not None else (single,) if single is not None else ()
    return given


def _new(organization: str, name: str, body: EventTypeUpdate, now: int) -> EventType:
    return EventType(organization=organization, name=name, created_at=now, updated_at=now, **_changes(body))


@router.get(
    "/event-type", operation_id="v1.event-type.list", summary="List Event Types", response_model=ListResponse[EventTypeOut]
)  # fmt: skip
async def list_event_types(
    request: Request,
    principal: Annotated[Principal, Reader("event_type:read")],
    page: Annotated[PageRequest, paged(None, "ascending", ordered=True)],
    include_archived: Annotated[bool, Query(description="Include what is archived")] = False,
    with_content: Annotated[bool, Query(description="Include the schemas")] = False,
) -> Any:
    query = ListEventTypes(
        organization=principal.organization, page=page, include_archived=include_archived, feature_flags=principal.feature_flags
    )
    found = await services_of(request).store.read(query)
    return show_page(found, lambda event_type: show(event_type, with_content=with_content))


@router.post(
    "/event-type",
    operation_id="v1.event-type.create",
    summary="Create Event Type",
    response_model=EventTypeOut,
    status_code=201,
    openapi_extra=DOCUMENTED,
)
async def create(request: Request, principal: Annotated[Principal, Org("event_type:write")], body: EventTypeIn) -> Response:
    """An archived one of that name comes back with the new values."""
    services = services_of(request)
    now = services.clock.now()

    def pack(event_type: EventType) -> bytes:
        return Answer.pack(201, show(event_type))

    key = await once(request, principal, now, pack)
    command = CreateEventType(event_type=_new(principal.organization, body.name, body, now))
    result = await services.changes.apply(command, once=key)
    return answer(result, pack)


@router.get(
    "/event-type/{event_type_name}", operation_id="v1.event-type.get", summary="Get Event Type", response_model=EventTypeOut
)  # fmt: skip
async def get(request: Request, principal: Annotated[Principal, Reader("event_type:read")], event_type_name: EventTypeName) -> Any:
    """Archived ones as well; of those behind a feature flag only what the token's flags open."""
    found = await services_of(request).store.read(FindEventType(organization=principal.organization, name=event_type_name))
    if found is None or not visible(found, principal.feature_flags):
        raise NotFound
    return show(found)


@router.put(
    "/event-type/{event_type_name}",
    operation_id="v1.event-type.update",
    summary="Update Event Type",
    response_model=EventTypeOut,
    responses={201: {"model": EventTypeOut, "description": "There was none, so it was created"}},
)
async def update(
    request: Request, principal: Annotated[Principal, Org("event_type:write")], event_type_name: EventTypeName, body: EventTypeUpdate
) -> Response:
    services = services_of(request)
    event_type = _new(principal.organization, event_type_name, body, services.clock.now())
    result = await services.changes.apply(PutEventType(event_type=event_type))
    return answer(result, lambda put: Answer.pack(201 if put[1] else 200, show(put[0])))


@router.patch(
    "/event-type/{event_type_name}", operation_id="patch_event_type", summary="Patch Event Type", response_model=EventTypeOut
)  # fmt: skip
async def patch(
    request: Request, principal: Annotated[Principal, Org("event_type:write")], event_type_name: EventTypeName, body: EventTypePatch
) -> Any:
    """Only what the body names is changed, also when somebody else changes something at the same moment."""
    services = services_of(request)
    changes = _changes(body, exclude_unset=True)

    async def attempt() -> EventTypeOut:
        current = await services.store.read(FindEventType(organization=principal.organization, name=event_type_name))
        if current is None:
            raise NotFound
        new = msgspec.structs.replace(current, updated_at=services.clock.now(), **changes)
        changed, _ = await services.changes.apply(PutEventType(event_type=new, expected=current))
        return show(changed)

    return await until_unraced(attempt)


@router.delete("/event-type/{event_type_name}", operation_id="v1.event-type.delete", summary="Delete Event Type", status_code=204)
async def delete(
    request: Request,
    principal: Annotated[Principal, Org("event_type:write")],
    event_type_name: EventTypeName,
    expunge: Annotated[bool, Query(description="Remove it instead of archiving it")] = False,
) -> None:
    services = services_of(request)
    command = DeleteEventType(organization=principal.organization, name=event_type_name, expunge=expunge, now=services.clock.now())
    await services.changes.apply(command)
