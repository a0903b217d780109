"""Endpoints: where an application's messages go."""

import secrets as entropy
from collections.abc import Callable
from typing import Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from hookwright.api.auth import App, Caller, services_of
from hookwright.api.endpoint_models import (
    EndpointIn,
    EndpointOut,
    EndpointPatch,
    EndpointRules,
    EndpointStatsOut,
    EndpointUpdate,
    show,
)
from hookwright.api.endpoint_rules import (
    CheckNames,
    check_event_types,
    check_kind,
    check_place,
    check_secret,
    check_verification,
    refuse_all,
)
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer, once
from hookwright.api.models import Input
from hookwright.api.pages import ListResponse, paged, show_page
from hookwright.api.races import until_unraced
from hookwright.api.timestamps import Time
from hookwright.domain.endpoints import Endpoint, EndpointRecord, Options, SealedSecret, held_until_verified
from hookwright.domain.filter_rules import check_filter
from hookwright.domain.headers import check_headers
from hookwright.domain.pages import PageRequest
from hookwright.engine.services import Services
from hookwright.errors import BadRequest, NotFound, Problem
from hookwright.signing.secrets import generate
from hookwright.store.deliveries import EndpointStats
from hookwright.store.endpoints import CreateEndpoint, DeleteEndpoint, FindEndpoint, ListEndpoints, UpdateEndpoint

router = APIRouter(tags=["Endpoint"], responses=documented())
PATH = "/app/{app_id}/endpoint/{endpoint_id}"
HOUR = 3_600_000
DEFAULT_STATS_HOURS = 28 * 24
_OPTIONS = frozenset(Options.__struct_fields__)
_LEFT = frozenset({"ordered", "on_exhausted"})
EndpointId = Annotated[str, Path(description="The endpoint's id or uid", examples=["unique-endpoint-identifier"])]
Pack = Callable[[Endpoint], bytes]


def rules_of(request: Request) -> EndpointRules:
    return cast(EndpointRules, request.app.state.options.endpoints)


def pack_new(endpoint: Endpoint) -> bytes:
    return Answer.pack(201, show(endpoint))


async def endpoint_for(services: Services, application: str, ref: str, *, deleted: bool = False) -> Endpoint:
    """The endpoint that `ref` (id or uid) names; with `deleted` also one that was (by id). Raises NotFound."""
    endpoint = await services.store.read(FindEndpoint(application=application, ref=ref, deleted=deleted))
    if endpoint is None:
        raise NotFound
    return endpoint


async def receiver_for(services: Services, application: str, ref: str) -> Endpoint:
    """As `endpoint_for`, one that is sent to. Raises NotFound, BadRequest `poller`."""
    endpoint = await endpoint_for(services, application, ref)
    if endpoint.kind == "poller":
        raise BadRequest("this endpoint is a poller: it is read from, and nothing is sent to it", code="poller")
    return endpoint


def settings_of(body: Input, url: str | None, *, unset: bool) -> dict[str, Any]:
    """The fields of an Endpoint that the body names; with `unset` also those that it leaves to their default.

    `options` among them is a mapping of those of its Options. Who does not name its order leaves it: an SDK, which does not know of it,
    must not end it.
    """
    given = body.model_dump(exclude_unset=not unset, exclude={"url", "disabled", "secret", "headers", "type"})
    for field in ("event_types", "channels"):
        if given.get(field) is not None:
            given[field] = frozenset(given[field])
    if given.get("retry_schedule") is not None:
        given["retry_schedule"] = tuple(given["retry_schedule"])
    options = {name: given.pop(name) for name in _OPTIONS & given.keys()}
    given["options"] = {name: value for name, value in options.items() if name not in _LEFT or name in body.model_fields_set}
    return given if url is None else given | {"url": url}


async def create_endpoint(
    request: Request,
    caller: Caller,
    body: EndpointIn,
    *,
    repeatable: bool,
    check_names: CheckNames = check_event_types,
    pack: Pack = pack_new,
) -> Response:
    """Everything that is wrong is told at once, before anything is stored. `check_names`: which event types there are."""
    services, rules, application = services_of(request), rules_of(request), caller.application
    kind = body.type or "http"
    problems = [*check_headers(body.headers or {}), *check_filter(body.filter or {})]
    url = check_place(kind, body.url, rules, problems)
    check_verification(kind, body.verification, services.handshakes.origin, problems)
    secret = check_secret(body.secret, "secret", problems) if body.secret is not None else generate(entropy.token_bytes)
    await check_names(services, application.organization, body.event_types, problems)
    refuse_all(problems)
    ident, now = services.minter.mint_timed("ep", services.clock.now())
    settings = settings_of(body, url, unset=True)
    endpoint = Endpoint(
        id=ident,
        application=application.id,
        organization=application.organization,
        kind=kind,
        disabled_reason="manual" if body.disabled else None,
        created_at=now,
        updated_at=now,
        **settings | {"options": Options(**settings["options"])},
    )
    sealed = SealedSecret(services.secrets.seal_secret(ident, secret), now)
    record = EndpointRecord(held_until_verified(endpoint), (sealed,), services.secrets.seal_headers(ident, body.headers or {}))
    key = await once(request, caller.principal, now, pack) if repeatable else None
    command = CreateEndpoint(record=record, most=rules.most)
    result = await services.changes.apply(command, application=application.id, once=key)
    return answer(result, pack)


async def replace(services: Services, current: Endpoint, disabled: bool | None, settings: dict[str, Any]) -> Endpoint:
    """Raises Conflict `CHANGED` when `current` is not what is stored any more."""
    reason = current.disabled_reason
    if disabled is not None:
        reason = (reason or "manual") if disabled else None
    options = msgspec.structs.replace(current.options, **settings["options"])
    changed = settings | {"options": options, "updated_at": services.clock.now(), "disabled_reason": reason}
    new = msgspec.structs.replace(current, **changed)
    command = UpdateEndpoint(endpoint=held_until_verified(new), expected=current)
    return await services.changes.apply(command, application=current.application, endpoint=current.id)


@router.get(
    "/app/{app_id}/endpoint", operation_id="v1.endpoint.list", summary="List Endpoints", response_model=ListResponse[EndpointOut]
)  # fmt: skip
async def list_endpoints(
    request: Request,
    caller: Annotated[Caller, App("endpoint:read")],
    page: Annotated[PageRequest, paged("ep", "descending", ordered=True)],
) -> Any:
    found = await services_of(request).store.read(ListEndpoints(application=caller.application.id, page=page))
    return show_page(found, show)


@router.post(
    "/app/{app_id}/endpoint",
    operation_id="v1.endpoint.create",
    summary="Create Endpoint",
    response_model=EndpointOut,
    status_code=201,
    openapi_extra=DOCUMENTED,
)
async def create(request: Request, caller: Annotated[Caller, App("endpoint:write")], body: EndpointIn) -> Response:
    return await create_endpoint(request, caller, body, repeatable=True)


@router.get(PATH, operation_id="v1.endpoint.get", summary="Get Endpoint", response_model=EndpointOut)
async def get(request: Request, caller: Annotated[Caller, App("endpoint:read")], endpoint_id: EndpointId) -> Any:
    return show(await endpoint_for(services_of(request), caller.application.id, endpoint_id))


@router.put(
    PATH,
    operation_id="v1.endpoint.update",
    summary="Update Endpoint",
    response_model=EndpointOut,
    responses={201: {"model": EndpointOut, "description": "There was none, so it was created, with the uid of the body"}},
)
async def update(
    request: Request, caller: Annotated[Caller, App("endpoint:write")], endpoint_id: EndpointId, body: EndpointUpdate
) -> Response:
    services = services_of(request)
    url, settings = None, dict[str, Any]()

    async def attempt() -> Response:
        nonlocal url, settings
        current = await services.store.read(FindEndpoint(application=caller.application.id, ref=endpoint_id))
        if current is None:
            new = EndpointIn.model_construct(**dict(body), secret=None, headers=None)
            return await create_endpoint(request, caller, new, repeatable=False)
        if url is None:
            url = await _checked(request, current, body)
            settings = settings_of(body, url, unset=True)
        updated = await replace(services, current, body.disabled, settings)
        return answer(updated, lambda endpoint: Answer.pack(200, show(endpoint)))

    return await until_unraced(attempt)


@router.patch(PATH, operation_id="patch_endpoint", summary="Patch Endpoint", response_model=EndpointOut)
async def patch(request: Request, caller: Annotated[Caller, App("endpoint:write")], endpoint_id: EndpointId, body: EndpointPatch) -> Any:
    """Only what the body names is changed, also when something else changes at the same moment (a 410 that disables)."""
    services = services_of(request)
    given = body.model_fields_set
    url = await _checked(request, await endpoint_for(services, caller.application.id, endpoint_id), body)
    settings = settings_of(body, url, unset=False)

    async def attempt() -> EndpointOut:
        current = await endpoint_for(services, caller.application.id, endpoint_id)
        return show(await replace(services, current, body.disabled if "disabled" in given else None, settings))

    return await until_unraced(attempt)


async def _checked(request: Request, current: Endpoint, body: EndpointUpdate | EndpointPatch) -> str | None:
    """The URL in its normal form, if the body names one. Raises Invalid."""
    problems: list[Problem] = check_filter(body.filter or {})
    if isinstance(body, EndpointUpdate):
        check_kind(current.kind, body.type, problems)
    named = isinstance(body, EndpointUpdate) or "url" in body.model_fields_set
    normal = check_place(current.kind, body.url, rules_of(request), problems) if named else None
    services = services_of(request)
    check_verification(current.kind, body.verification, services.handshakes.origin, problems)
    await check_event_types(services, current.organization, body.event_types, problems)
    refuse_all(problems)
    return normal


@router.delete(PATH, operation_id="v1.endpoint.delete", summary="Delete Endpoint", status_code=204)
async def delete(request: Request, caller: Annotated[Caller, App("endpoint:write")], endpoint_id: EndpointId) -> None:
    """Its uid is free again at once; what was on its way to it is canceled."""
    services, application = services_of(request), caller.application.id
    endpoint = await endpoint_for(services, application, endpoint_id)
    command = DeleteEndpoint(application=application, ref=endpoint.id, now=services.clock.now())
    await services.changes.apply(command, application=application, endpoint=endpoint.id)


@router.get(PATH + "/stats", operation_id="v1.endpoint.get-stats", summary="Endpoint Stats", response_model=EndpointStatsOut)
async def stats(
    request: Request,
    caller: Annotated[Caller, App("endpoint:read")],
    endpoint_id: EndpointId,
    since: Annotated[
        Time | None, Query(description="Messages created at this time or later; the full hour 28 days before `until` if left out")
    ] = None,
    until: Annotated[Time | None, Query(description="Messages created before this time; now if left out")] = None,
) -> Any:
    services, application = services_of(request), caller.application.id
    endpoint = await endpoint_for(services, application, endpoint_id)
    begin, end = stats_range(since, until, services.clock.now())
    numbers = await services.store.read(EndpointStats(application=application, endpoint=endpoint.id, since=begin, until=end))
    return EndpointStatsOut(**msgspec.structs.asdict(numbers))


def stats_range(since: int | None, until: int | None, now: int) -> tuple[int, int]:
    """What to count, in Unix ms; whole hours where nothing else was asked for, as these are counted already.

    There is nothing newer than now, so an end that is not past lies at the end of its hour as well. Raises BadRequest.
    """
    end = now + 1 if until is None else until
    begin = (end // HOUR - DEFAULT_STATS_HOURS) * HOUR if since is None else since
    if begin > end:
        raise BadRequest("since is later than until", code="invalid_range")
    return begin, -(-end // HOUR) * HOUR if end > now else end
