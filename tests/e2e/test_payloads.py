"""A thousand real bodies through the whole program: each delivery is wanted, signed, whole, and there once."""

import asyncio
import itertools
import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from svix.api import EventTypeIn, MessageIn, Svix, SvixAsync, SvixOptions
from svix.api.message import message_in_raw

from tests.e2e.journeys import APP, Tenant, endpoint, member, passing_on, sent_by, settled, verify
from tests.harness import Receiver
from tests.waiting import eventually

pytestmark = pytest.mark.long
MESSAGES, RAW = 1000, 60
AT_ONCE = 16
Example = tuple[str, str, dict[str, Any]]


class Filter(msgspec.Struct, frozen=True):
    """What an endpoint wants; None is everything."""

    event_types: frozenset[str] | None = None
    channels: frozenset[str] | None = None

    def wants(self, event_type: str, channels: tuple[str, ...]) -> bool:
        by_type = self.event_types is None or event_type in self.event_types
        return by_type and (self.channels is None or any(channel in self.channels for channel in channels))


class Sent(msgspec.Struct, frozen=True):
    """One message: `body` and `content_type` are what every receiver must get."""

    id: str
    event_type: str
    channels: tuple[str, ...]
    body: bytes
    content_type: str


def channels_of(version: str, payload: dict[str, Any], number: int) -> tuple[str, ...]:
    """Some messages have no channel at all, which endpoints with channels must never see."""
    if number % 7 == 0:
        return ()
    return (version, "public") if "repository" in payload else (version,)


def filters(event_types: set[str]) -> dict[str, Filter]:
    pulls = frozenset(name for name in event_types if name.startswith("pull_request"))
    issues = frozenset(name for name in event_types if name.startswith("issue"))
    return {
        "everything": Filter(),
        "pulls": Filter(pulls),
        "cloud": Filter(channels=frozenset({"api.github.com"})),
        "issues-of-enterprise": Filter(issues, frozenset({"ghes-34", "ghes-35"})),
        "public-or-old": Filter(channels=frozenset({"public", "ghes-31"})),
    }


def message_of(example: Example, number: int) -> MessageIn:
    version, event_type, payload = example
    channels = list(channels_of(version, payload, number))
    return MessageIn(event_id=f"number-{number}", event_type=event_type, payload=payload, channels=channels or None)


async def create_by_async_client(token: str, url: str, messages: list[MessageIn]) -> list[str]:
    client = SvixAsync(token, SvixOptions(server_url=url))
    gate = asyncio.Semaphore(AT_ONCE)

    async def create(message: MessageIn) -> str:
        async with gate:
            return (await client.message.create(APP, message)).id

    return list(await asyncio.gather(*(create(message) for message in messages)))


def raw_messages(examples: list[Example]) -> list[tuple[MessageIn, bytes, str]]:
    """Bodies that are no compact JSON objects, each with its bytes and content type."""
    made = []
    for number, (_, event_type, payload) in zip(range(RAW), examples, strict=False):
        text, content_type = [
            (json.dumps(payload, indent=3, ensure_ascii=False), None),
            ("\n".join(f"{key}={value}" for key, value in payload.items()), "text/plain; charset=utf-8"),
            (json.dumps([payload, "\u2028 é 🪝 \\u0041"]), "application/vnd.github+json"),
        ][number % 3]
        made.append((message_in_raw(event_type, text, content_type), text.encode(), content_type or "application/json"))
    return made


def test_a_thousand_github_payloads_reach_exactly_the_endpoints_that_want_them(
    tenant: Tenant, receiver: Receiver, github_examples: list[Example]
) -> None:
    examples = list(itertools.islice(itertools.cycle(github_examples), MESSAGES))
    event_types = {event_type for _, event_type, _ in examples}
    for name in sorted(event_types):
        tenant.client.event_type.create(EventTypeIn(name=name, description="from GitHub"))
    wanted = filters(event_types)
    secrets, ids = {}, {}
    for name, want in wanted.items():
        made = endpoint(
            tenant.client, f"http://127.0.0.1:{receiver.port}/{name}",
            event_types=want.event_types and sorted(want.event_types), channels=want.channels and sorted(want.channels),
        )  # fmt: skip
        ids[name], secrets[name] = made.id, tenant.client.endpoint.get_secret(APP, made.id).key

    with Receiver(passing_on(tenant.url)) as recorder:
        base = f"http://127.0.0.1:{recorder.port}"
        client = Svix(tenant.token, SvixOptions(server_url=base))
        messages = [message_of(example, number) for number, example in enumerate(examples)]
        half = MESSAGES // 2
        created = [client.message.create(APP, message).id for message in messages[:half]]
        created += asyncio.run(create_by_async_client(tenant.token, base, messages[half:]))
        on_the_wire = {json.loads(member(request.body, "eventId")): member(request.body, "payload") for request in sent_by(recorder)}
        raws = raw_messages(github_examples)
        raw_ids = [client.message.create(APP, message).id for message, _, _ in raws]

    assert len(on_the_wire) == MESSAGES
    expected = [
        Sent(ident, message.event_type, tuple(message.channels or ()), on_the_wire[message.event_id or ""], "application/json")
        for ident, message in zip(created, messages, strict=True)
    ]
    expected += [
        Sent(ident, message.event_type, (), body, content_type) for ident, (message, body, content_type) in zip(raw_ids, raws, strict=True)
    ]
    deliveries = {(name, sent.id): sent for name, want in wanted.items() for sent in expected if want.wants(sent.event_type, sent.channels)}
    receiver.wait_for(len(deliveries), 90)
    eventually(lambda: all(settled(tenant.client, ident) for ident in ids.values()))

    arrived = Counter((request.path.strip("/"), request.header("webhook-id")) for request in receiver.requests)
    assert set(arrived) == set(deliveries), "none is missing, none was not wanted"
    assert max(arrived.values()) == 1, "none came twice"
    for request in receiver.requests:
        name = request.path.strip("/")
        sent = deliveries[name, request.header("webhook-id") or ""]
        assert request.body == sent.body
        assert request.header("content-type") == sent.content_type
        verify(request, secrets[name])
    counts = {name: sum(1 for place, _ in deliveries if place == name) for name in wanted}
    assert min(counts.values()) > 0, "every filter lets something through"
    assert {name: tenant.client.endpoint.get_stats(APP, ids[name]).success for name in ids} == counts
    print(f"\n{len(expected)} messages, {len(deliveries)} deliveries, each verified and byte for byte: {counts}")
