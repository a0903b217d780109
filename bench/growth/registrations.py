"""Rows of what is registered: applications, endpoints with a secret each, event types."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import msgspec

from bench.growth.shapes import EVENT_TYPES, NEVER, OTHERS, RARE, Shape
from hookwright.domain.organizations import DEFAULT_ORGANIZATION as ORG
from hookwright.ids import Minter
from hookwright.signing.secrets import generate

Seal = Callable[[str, str], bytes]
"""From an endpoint's id and its secret to what is stored."""


class Registered(msgspec.Struct, frozen=True):
    """Ids, by the place of the application."""

    applications: list[str]
    endpoints: list[list[str]]


def register(shape: Shape, began: int, chance: Random) -> Registered:
    mint = Minter(chance.randbytes).mint
    applications = [mint("app", began) for _ in range(shape.applications)]
    endpoints = [[mint("ep", began) for _ in range(shape.endpoints_of(place))] for place in range(shape.applications)]
    return Registered(applications, endpoints)


def application_rows(made: Registered, began: int) -> Iterator[tuple[Any, ...]]:
    for place, ident in enumerate(made.applications):
        yield ORG, ident, f"customer-{place}", f"customer {place}", "{}", began, began


APPLICATION = ("organization", "id", "uid", "name", "metadata", "created_at", "updated_at")


def endpoint_rows(made: Registered, began: int) -> Iterator[tuple[Any, ...]]:
    """The first of each application wants everything, the others something that is never sent while a server runs."""
    for application, endpoints in zip(made.applications, made.endpoints, strict=True):
        for place, ident in enumerate(endpoints):
            wanted = None if place == 0 else f'["{OTHERS}"]'
            yield application, ident, ORG, f"place-{place}", "http", "http://127.0.0.1:9/hook", "", 1, wanted, "{}", began, began


ENDPOINT = (
    "application", "id", "organization", "uid", "kind", "url", "description", "version", "event_types", "metadata", "created_at",
    "updated_at",
)  # fmt: skip


def secret_rows(made: Registered, began: int, seal: Seal, chance: Random) -> Iterator[tuple[Any, ...]]:
    for endpoints in made.endpoints:
        for ident in endpoints:
            yield ident, began, 1, seal(ident, generate(chance.randbytes))


SECRET = ("endpoint", "created_at", "position", "sealed")


def event_type_rows(began: int) -> Iterator[tuple[Any, ...]]:
    for name in (*(type_name(n) for n in range(EVENT_TYPES)), RARE, NEVER, OTHERS):
        yield ORG, name, "made to be many", 0, 0, "[]", began, began


EVENT_TYPE = ("organization", "name", "description", "archived", "deprecated", "feature_flags", "created_at", "updated_at")


def type_name(number: int) -> str:
    return f"growth.type{number:03}"
