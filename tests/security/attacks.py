"""The corpus, read: what somebody may try who can set up endpoints. Files in `corpus/`, one for each family."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.dns import ALIAS, Schedule

CORPUS = Path(__file__).parent / "corpus"
URL_FAMILIES = ("direct", "metadata", "ipv4", "ipv6", "unicode", "parsers", "schemes")
ZONE = "attack.example"
"""Of the names that the attacker's name server answers for."""


class Attack(NamedTuple):
    """`url`: with the canary's port in it."""

    family: str
    url: str


def url_attacks(port: int) -> list[Attack]:
    """By URLs, and by names that mean what they should not."""
    found = [Attack(family, url.replace("{port}", str(port))) for family in URL_FAMILIES for url in _read(family)["urls"]]
    return [*found, *(Attack("dns", f"http://{name}:{port}/") for name in schedules())]


def schedules() -> Mapping[str, Schedule]:
    return {f"{name}.{ZONE}": [list(map(_in_zone, answer)) for answer in answers] for name, answers in _read("dns")["answers"].items()}


def header_attacks() -> Iterator[tuple[str, str]]:
    yield from (tuple(each) for each in _read("headers")["headers"])


def _in_zone(answer: str) -> str:
    alias = answer.removeprefix(ALIAS)
    return answer if alias == answer or alias == "localhost" else f"{ALIAS}{alias}.{ZONE}"


def _read(family: str) -> dict[str, Any]:
    return tomllib.loads((CORPUS / f"{family}.toml").read_text(encoding="utf-8"))
