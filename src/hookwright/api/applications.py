"""Applications."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from hookwright.api.auth import App, AppId, Caller, Org, services_of
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer, once
from hookwright.api.models import RATE_NAMES, Input, Metadata, MetadataOrNull, Output, Rate, Text, Uid, no_id
from hookwright.api.pages import ListResponse, paged, show_page
from hookwright.api.races import until_unraced
from hookwright.api.timestamps import TimeText, rfc3339
from hookwright.domain.applications import Application
from hookwright.domain.credentials import Principal
from hookwright.domain.pages import PageRequest
from hookwright.engine.services import Services
from hookwright.errors import Invalid, NotFound, Problem
from hookwright.store.applications import (
    CreateApplication,
    DeleteApplication,
    FindApplication,
    ListApplications,
    UpdateApplication,
)

router = APIRouter(tags=["Application"], responses=documented())
AppUid = Annotated[Uid, no_id("app")]


class ApplicationIn(Input):
    name: Text = Field(examples=["My first application"])
    throttle_rate: Rate | None = Field(default=None, validation_alias=RATE_NAMES)
    uid: AppUid | None = Field(default=None, description="A name of your own for the application")
    metadata: MetadataOrNull = Field(default={})


class ApplicationPatch(Input):
    """What is absent stays; null takes the uid or the rate away."""

    name: Text = ""
    throttle_rate: Rate | None = Field(default=None, validation_alias=RATE_NAMES)
    uid: AppUid | None = None
    metadata: Metadata = Field(default={})


class ApplicationOut(Output):
    id: str = Field(examples=["app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    name: str
    uid: str | None = Field(default=None, exclude_if=lambda uid: uid is None)
    throttle_rate: int | None
    rate_limit: int | None = Field(deprecated=True, description="The older name of throttleRate")
    metadata: dict[str, str]
    created_at: TimeText
    updated_at: TimeText


def show(application: Application) -> ApplicationOut:
    return ApplicationOut(
        id=application.id,
        name=application.name,
        uid=application.uid,
        throttle_rate=application.throttle_rate,
        rate_limit=application.throttle_rate,
        metadata=application.metadata,
        created_at=rfc3339(application.created_at),
        updated_at=rfc3339(application.updated_at),
    )


def _new(services: Services, organization: str, body: ApplicationIn) -> Application:
    ident, created_at = services.minter.mint_timed("app", services.clock.now())
    return Application(id=ident, organization=organization, created_at=created_at, updated_at=created_at, **body.model_dump())


def _pack(result: tuple[Application, bool]) -> bytes:
    application, created = result
    return Answer.pack(201 if created else 200, show(application))


def read_application(raw: object) -> ApplicationIn:
    """The application that a request brings along for the path that it uses. Raises Invalid."""
    try:
        return ApplicationIn.model_validate(raw)
    except ValidationError as error:
        found = (Problem(("body", "application", *map(str, item["loc"])), item["msg"], item["type"]) for item in error.errors())
        raise Invalid(*found) from error


async def create_on_the_fly(services: Services, organization: str, ref: str, body: ApplicationIn) -> None:
    """Make it. Its uid is the path's, or the next request with that path would not find it. Raises Invalid.

    If somebody else makes it at the same moment, theirs is as good.
    """
    if body.uid is None:
        msg = "an application that is made on the fly needs a uid, the same as in the path"
        raise Invalid.at("body", "application", "uid", msg=msg, type="application_uid_missing")
    if body.uid != ref:
        msg = f"is not what the path says ({ref[:256]!r})"
        raise Invalid.at("body", "application", "uid", msg=msg, type="application_uid_mismatch")
    await services.changes.apply(CreateApplication(application=_new(services, organization, body), get_if_exists=True))


@router.get(
    "/app", operation_id="v1.application.list", summary="List Applications", response_model=ListResponse[ApplicationOut]
)  # fmt: skip
async def list_applications(
    request: Request,
    principal: Annotated[Principal, Org("application:read")],
    page: Annotated[PageRequest, paged("app", "ascending", ordered=True)],
) -> Any:
    found = await services_of(request).store.read(ListApplications(organization=principal.organization, page=page))
    return show_page(found, show)


@router.post(
    "/app",
    operation_id="v1.application.create",
    summary="Create Application",
    response_model=ApplicationOut,
    status_code=201,
    responses={200: {"model": ApplicationOut, "description": "It existed already (get_if_exists)"}},
    openapi_extra=DOCUMENTED,
)
async def create(
    request: Request,
    principal: Annotated[Principal, Org("application:write")],
    body: ApplicationIn,
    get_if_exists: Annotated[bool, Query(description="Answer with the application that has this uid, if there is one")] = False,
) -> Response:
    services = services_of(request)
    application = _new(services, principal.organization, body)
    key = await once(request, principal, services.clock.now(), _pack)
    command = CreateApplication(application=application, get_if_exists=get_if_exists)
    result = await services.changes.apply(command, once=key)
    return answer(result, _pack)


@router.get("/app/{app_id}", operation_id="v1.application.get", summary="Get Application", response_model=ApplicationOut)
async def get(caller: Annotated[Caller, App("application:read")]) -> Any:
    return show(caller.application)


@router.put(
    "/app/{app_id}",
    operation_id="v1.application.update",
    summary="Update Application",
    response_model=ApplicationOut,
    responses={201: {"model": ApplicationOut, "description": "There was none, so it was created, with the uid of the body"}},
)
async def update(
    request: Request, principal: Annotated[Principal, Org("application:write")], app_id: AppId, body: ApplicationIn
) -> Response:
    services = services_of(request)
    current = await services.store.read(FindApplication(organization=principal.organization, ref=app_id))
    if current is None:
        created = await services.changes.apply(CreateApplication(application=_new(services, principal.organization, body)))
        return answer(created, _pack)
    new = msgspec.structs.replace(current, updated_at=services.clock.now(), **body.model_dump())
    updated = await services.changes.apply(UpdateApplication(application=new), application=current.id)
    return answer(updated, lambda application: _pack((application, False)))


@router.patch(
    "/app/{app_id}", operation_id="patch_application", summary="Patch Application", response_model=ApplicationOut
)  # fmt: skip
async def patch(request: Request, principal: Annotated[Principal, Org("application:write")], app_id: AppId, body: ApplicationPatch) -> Any:
    """Only what the body names is changed, also when somebody else changes something at the same moment."""
    services = services_of(request)

    async def attempt() -> ApplicationOut:
        current = await services.store.read(FindApplication(organization=principal.organization, ref=app_id))
        if current is None:
            raise NotFound
        new = msgspec.structs.replace(current, updated_at=services.clock.now(), **body.model_dump(exclude_unset=True))
        command = UpdateApplication(application=new, expected=current)
        return show(await services.changes.apply(command, application=current.id))

    return await until_unraced(attempt)


@router.delete("/app/{app_id}", operation_id="v1.application.delete", summary="Delete Application", status_code=204)
async def delete(request: Request, principal: Annotated[Principal, Org("application:write")], app_id: AppId) -> None:
    """Its uid is free again at once; its endpoints are deleted with it."""
    services = services_of(request)
    current = await services.store.read(FindApplication(organization=principal.organization, ref=app_id))
    if current is None:
        raise NotFound
    command = DeleteApplication(organization=principal.organization, ref=current.id, now=services.clock.now())
    await services.changes.apply(command, application=current.id)
