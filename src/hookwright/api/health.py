"""Whether this server can do its work."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from hookwright.api.auth import services_of
from hookwright.domain.organizations import DEFAULT_ORGANIZATION
from hookwright.engine.services import Services
from hookwright.errors import StoreError
from hookwright.store.organizations import EnsureOrganization, ListRevocations

router = APIRouter(tags=["Health"])


class Part(BaseModel):
    status: Literal["ok", "error"]


class HealthOut(BaseModel):
    """`queue` and `cache` live in the database and in this process; they are as well as these are."""

    database: Part
    queue: Part
    cache: Part


_UNWELL: dict[int | str, dict[str, Any]] = {503: {"model": HealthOut, "description": "The database cannot be read or cannot be written"}}


async def _report(services: Services) -> HealthOut:
    try:
        now = services.clock.now()
        await services.store.read(ListRevocations(now=now))
        await services.store.write(EnsureOrganization(organization=DEFAULT_ORGANIZATION, now=now))
    except StoreError:
        return HealthOut(database=Part(status="error"), queue=Part(status="error"), cache=Part(status="ok"))
    return HealthOut(database=Part(status="ok"), queue=Part(status="ok"), cache=Part(status="ok"))


@router.get("/health", operation_id="v1.health.get", response_model=HealthOut, responses=_UNWELL, summary="Get")
async def get(request: Request) -> Response:
    """A question and a change that changes nothing go all the way through the store: 200, or 503 with the same body.

    The change is committed but adds no byte, so that a stranger who asks often wears no disk out.
    """
    report = await _report(services_of(request))
    return JSONResponse(report.model_dump(), status_code=200 if report.database.status == "ok" else 503)


@router.head("/health", include_in_schema=False)
async def head(request: Request) -> Response:
    report = await _report(services_of(request))
    return Response(status_code=200 if report.database.status == "ok" else 503)


@router.get("/health/ping", operation_id="v1.health.ping", status_code=204, summary="Ping")
@router.head("/health/ping", include_in_schema=False, status_code=204)
async def ping() -> None:
    """The process answers; nothing is looked at."""
