"""What an endpoint may be, beyond the shape of its fields: each check adds to a list of problems, told all at once."""

from collections.abc import Awaitable, Callable

from hookwright.api.endpoint_models import EndpointRules
from hookwright.domain.egress import show_ports
from hookwright.domain.endpoints import Kind
from hookwright.domain.urls import read_url
from hookwright.domain.verification import Verification
from hookwright.engine.services import Services
from hookwright.errors import Invalid, Problem
from hookwright.signing.secrets import parse_signing
from hookwright.store.event_types import UnknownEventTypes

CheckNames = Callable[[Services, str, list[str] | None, list[Problem]], Awaitable[None]]
"""Adds what is wrong with the names of event types, in an organization."""
_NAMED = 10
_BLOCKED = "requests to this address are blocked; the operator of this server can open networks (HOOKWRIGHT_ALLOW_NETWORKS)"
_PORT = (
    "deliveries may not go to port {port}; right would be {ports}, or the operator of this server can open more (HOOKWRIGHT_ALLOW_PORTS)"
)


def refuse_all(problems: list[Problem]) -> None:
    """Raises Invalid if there are any."""
    if problems:
        raise Invalid(*problems)


def check_target(url: str, rules: EndpointRules, problems: list[Problem], place: tuple[str, ...] = ("body", "url")) -> str:
    """The URL in its normal form (of no use if there were problems). A host that would never be sent to is refused now.

    What a name resolves to is judged when it is sent to, each time: it may change.
    """
    try:
        found = read_url(url, https_only=rules.https_only)
    except ValueError as error:
        problems.append(Problem(place, str(error)))
        return url
    reason = rules.egress.judge_host(found.host, found.port)
    if reason is not None:
        closed = reason == rules.egress.judge_port(found.port)
        said = _PORT.format(port=found.port, ports=show_ports(rules.egress.ports)) if closed else _BLOCKED
        problems.append(Problem(place, said))
    return found.url


def check_kind(kind: Kind, wanted: Kind | None, problems: list[Problem]) -> None:
    """An endpoint stays what it was made as: what it has been sent, or was read from, is of that kind."""
    if wanted not in (None, kind):
        problems.append(Problem(("body", "type"), f"this endpoint was made as {kind!r} and stays one; make another"))


def check_place(kind: Kind, url: str, rules: EndpointRules, problems: list[Problem]) -> str:
    """As `check_target`, of an endpoint of this kind: a poller has no URL, and any other has one."""
    if kind != "poller" and url:
        return check_target(url, rules, problems)
    if kind != "poller":
        problems.append(Problem(("body", "url"), "is required", "missing"))
    elif url:
        problems.append(Problem(("body", "url"), "a poller is read from and never sent to: leave the url out"))
    return ""


def check_secret(text: str, field: str, problems: list[Problem]) -> str:
    """The signing secret with its prefix (of no use if there were problems). No problem repeats it."""
    try:
        return parse_signing(text).text
    except ValueError as error:
        problems.append(Problem(("body", field), str(error)))
        return ""


async def check_event_types(services: Services, organization: str, names: list[str] | None, problems: list[Problem]) -> None:
    if names is None:
        return
    unknown = await services.store.read(UnknownEventTypes(organization=organization, names=frozenset(names)))
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        problems.append(Problem(("body", "eventTypes"), f"The following event types don't exist: {', '.join(unknown[:_NAMED])}{more}"))


def check_verification(kind: Kind, wanted: Verification, origin: str | None, problems: list[Problem]) -> None:
    """`origin`: the name by which we ask."""
    if wanted != "none" and kind == "poller":
        problems.append(Problem(("body", "verification"), "a poller is read from: there is nobody to be asked"))
    elif wanted == "options" and origin is None:
        problems.append(
            Problem(("body", "verification"), "this installation has no name to ask by: its operator sets HOOKWRIGHT_WEBHOOK_ORIGIN")
        )
