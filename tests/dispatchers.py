"""The dispatcher of an engine that delivers, for tests that look into it."""

from hookwright.engine.dispatcher import Dispatcher
from hookwright.engine.services import Services


def dispatcher_of(services: Services) -> Dispatcher:
    assert isinstance(services.dispatcher, Dispatcher)
    return services.dispatcher
