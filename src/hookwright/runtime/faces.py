"""The HTTP API over a running engine."""

from starlette.types import ASGIApp

from hookwright.api import delivering, server
from hookwright.api.app import ApiOptions, create_app
from hookwright.api.endpoint_models import EndpointRules
from hookwright.config import Settings
from hookwright.engine.services import Services
from hookwright.runtime.keys import Keys

__all__ = ["build", "server"]


def build(services: Services, settings: Settings, keys: Keys) -> ASGIApp:
    """What this process's role serves."""
    if settings.role == "worker":
        return delivering.create_app(services)
    rules = EndpointRules(https_only=settings.https_only, egress=settings.egress(), most=settings.max_endpoints)
    options = ApiOptions(jwt_secret=keys.jwt_secret, portal_url=settings.portal_url, max_body=settings.max_message_bytes, endpoints=rules)
    return create_app(services, options)
