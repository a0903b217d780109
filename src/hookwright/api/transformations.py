"""The script that changes what an endpoint is sent, and trying one out."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Request
from msgspec import UNSET
from pydantic import AfterValidator, Field

from hookwright.api.auth import App, Caller, services_of
from hookwright.api.endpoint_headers import record_for
from hookwright.api.endpoint_models import Channels
from hookwright.api.endpoints import PATH, EndpointId, endpoint_for, receiver_for
from hookwright.api.errors import documented
from hookwright.api.models import Input, Name, Output, refuse
from hookwright.api.timestamps import TimeText, rfc3339
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.formats import Event
from hookwright.domain.headers import is_sensitive
from hookwright.domain.messages import JSON, Content
from hookwright.domain.transformations import MAX_CODE, SealedTransformation, Transformation, variables_problem
from hookwright.engine.services import Services
from hookwright.engine.shaping import TEXT, Outgoing, Trial
from hookwright.errors import Invalid
from hookwright.store.transformations import ChangeTransformation, FindTransformation

router = APIRouter(tags=["Endpoint"], responses=documented())
_PATH = PATH + "/transformation"


def _few(variables: dict[str, str]) -> dict[str, str]:
    refuse(variables_problem(variables))
    return variables


Code = Annotated[
    str, Field(max_length=MAX_CODE, examples=["function handler(webhook) {\n  webhook.payload.seen = true;\n  return webhook;\n}"])
]
Variables = Annotated[dict[str, str], AfterValidator(_few)]


class EndpointTransformationPatch(Input):
    """What is absent stays; null takes the code, or the variables, away."""

    code: Code | None = Field(None, description="JavaScript that declares function handler(webhook)")
    enabled: bool | None = None
    variables: Variables | None = Field(None, description="Given to the handler as webhook.variables")


class EndpointTransformationOut(Output):
    code: str | None
    enabled: bool
    variables: dict[str, str]
    updated_at: TimeText | None


class TransformationTestIn(Input):
    """A message that is not sent. `code` and `variables`: those of the endpoint, if left out."""

    payload: Any = Field(examples=[{"n": 1}])
    event_type: Name = Field("test.event", examples=["invoice.paid"])
    channels: Channels | None = None
    code: Code | None = None
    variables: Variables | None = None


class TransformationErrorOut(Output):
    message: str
    line: int | None = Field(description="Of the code, counted from 1; null where it is not known")


class TransformationTestOut(Output):
    """What would be sent (without signature), or why nothing would; and what the script wrote to the console."""

    result: Literal["sent", "canceled", "failed"]
    method: str | None = None
    url: str | None = None
    headers: dict[str, str] | None = None
    body: str | None = None
    error: TransformationErrorOut | None = None
    log: list[str]
    duration_ms: int


@router.get(
    _PATH, operation_id="v1.endpoint.transformation-get", summary="Get Endpoint Transformation", response_model=EndpointTransformationOut
)
async def get(request: Request, caller: Annotated[Caller, App("endpoint.transformation:read")], endpoint_id: EndpointId) -> Any:
    services = services_of(request)
    endpoint = await endpoint_for(services, caller.application.id, endpoint_id)
    return _show(services, endpoint, await services.store.read(FindTransformation(endpoint=endpoint.id)))


@router.patch(_PATH, operation_id="v1.endpoint.patch-transformation", summary="Set Endpoint Transformation", status_code=204)
async def patch(
    request: Request,
    caller: Annotated[Caller, App("endpoint.transformation:write")],
    endpoint_id: EndpointId,
    body: EndpointTransformationPatch,
) -> None:
    """The code is read in first, with nothing to work on: what fails then would fail with every message."""
    services, application = services_of(request), caller.application.id
    endpoint = await receiver_for(services, application, endpoint_id)
    if body.code:
        wrong = await services.shaper.check(endpoint, body.code)
        if wrong is not None:
            raise Invalid.at("body", "code", msg=wrong)
    given = body.model_fields_set
    command = ChangeTransformation(
        application=application,
        endpoint=endpoint.id,
        code=(body.code or "") if "code" in given else None,
        enabled=bool(body.enabled) if "enabled" in given else None,
        variables=services.secrets.seal_variables(endpoint.id, body.variables or {}) if "variables" in given else UNSET,
        now=services.clock.now(),
    )
    await services.changes.apply(command, application=application, endpoint=endpoint.id)


@router.post(
    _PATH + "/test",
    operation_id="v1.endpoint.transformation-test",
    summary="Test Endpoint Transformation",
    response_model=TransformationTestOut,
)
async def try_out(
    request: Request, caller: Annotated[Caller, App("endpoint.transformation:write")], endpoint_id: EndpointId, body: TransformationTestIn
) -> Any:
    """Run it on a payload, as for a delivery, and send nothing."""
    services = services_of(request)
    await receiver_for(services, caller.application.id, endpoint_id)
    record = await record_for(services, caller.application.id, endpoint_id)
    endpoint = record.endpoint
    kept = await services.store.read(FindTransformation(endpoint=endpoint.id))
    variables = body.variables
    if variables is None:
        variables = services.secrets.open_variables(endpoint.id, kept.sealed_variables if kept else None)
    code = body.code if body.code is not None else kept.code if kept else ""
    headers = services.secrets.open_headers(endpoint.id, record.sealed_headers)
    shown = tuple((name, value) for name, value in headers.items() if not is_sensitive(name))
    event, transformation = _event(services, endpoint, body), Transformation(code, variables)
    began = asyncio.get_running_loop().time()
    trial = await services.shaper.try_out(endpoint, transformation, shown, event, _content(body))
    return _show_trial(trial, round((asyncio.get_running_loop().time() - began) * 1000))


def _event(services: Services, endpoint: Endpoint, body: TransformationTestIn) -> Event:
    now = services.clock.now()
    channels = tuple(body.channels) if body.channels else None
    return Event(
        id=services.minter.mint("msg", now), application=endpoint.application, event_type=body.event_type, channels=channels, created_at=now
    )


def _content(body: TransformationTestIn) -> Content:
    """A text stands for a payload that is sent as it is."""
    if isinstance(body.payload, str):
        return Content(body.payload.encode(), TEXT)
    return Content(msgspec.json.encode(body.payload), JSON)


def _show(services: Services, endpoint: Endpoint, kept: SealedTransformation | None) -> EndpointTransformationOut:
    if kept is None:
        return EndpointTransformationOut(code=None, enabled=False, variables={}, updated_at=None)
    variables = services.secrets.open_variables(endpoint.id, kept.sealed_variables)
    return EndpointTransformationOut(
        code=kept.code or None, enabled=kept.enabled, variables=variables, updated_at=rfc3339(kept.updated_at)
    )  # fmt: skip


def _show_trial(trial: Trial, duration_ms: int) -> TransformationTestOut:
    outcome, log = trial.outcome, list(trial.log)
    if isinstance(outcome, Outgoing):
        headers = {"content-type": outcome.content.content_type} | dict(outcome.headers)
        return TransformationTestOut(
            result="sent", method=outcome.method, url=outcome.url, headers=headers,
            body=outcome.content.body.decode("utf-8", "replace"), log=log, duration_ms=duration_ms,
        )  # fmt: skip
    if outcome.canceled:
        return TransformationTestOut(result="canceled", log=log, duration_ms=duration_ms)
    error = TransformationErrorOut(message=outcome.detail, line=outcome.line)
    return TransformationTestOut(result="failed", error=error, log=log, duration_ms=duration_ms)
