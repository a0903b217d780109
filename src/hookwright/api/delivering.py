"""What a process that only delivers answers: whether it is alive and well, and to all else that this is not the place.

That is a 503, not a 404: whoever is sent here by a proxy that is set up wrong must not learn that an application is gone, and
clients of the API repeat what was answered with 503.
"""

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from hookwright.api import errors, health
from hookwright.api.app import PREFIX
from hookwright.engine.services import Services

ELSEWHERE = "This process delivers and serves nothing (HOOKWRIGHT_ROLE=worker): ask one of the others"


def create_app(services: Services) -> ASGIApp:
    """The ASGI application of the role `worker`."""
    app = FastAPI(redirect_slashes=False, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services = services
    router: APIRouter = health.router
    app.include_router(router, prefix=PREFIX)
    errors.install(app)
    app.add_exception_handler(HTTPException, _elsewhere)
    app.add_middleware(errors.Unexpected)
    return app


async def _elsewhere(_: Request, error: Exception) -> JSONResponse:
    return errors.error_response(503, "not_served_here", ELSEWHERE)
