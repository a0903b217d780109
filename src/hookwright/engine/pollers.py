"""Polling endpoints: an application's messages read in the order of their ids, each once by who goes on from where a page ended.

A position is the id of a message, or of none that was minted at a time: what follows it comes next. A page ends where
messages may still be committed whose ids are smaller than those that are there already (`FindHorizon`); there, nothing is
skipped. It also ends when enough was looked at, whether or not something was found.

A consumer is a position that is kept here, its mark. Whoever goes on from where a page ended has acknowledged that page; an
answer that was lost is given again.
"""

import asyncio

import msgspec

from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import MOST_LOOKS, goes_to
from hookwright.domain.pages import MAX_LIMIT, Page, PageRequest
from hookwright.ids import lowest
from hookwright.store import Once, Remembered, Store
from hookwright.store.messages import FindExamples, FoundMessage, ListMessages, MessageFilter
from hookwright.store.pollers import FindConsumer, FindHorizon, MarkConsumer

SETTLING_MS = 10_000
"""Where several processes write: longer than a message waits for its transaction, and than clocks are apart."""
MOST_CONSUMERS = 100


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What one poll asks for: up to `limit` messages after `position`, and only of this event type and this channel."""

    position: str
    limit: int
    event_type: str | None = None
    channel: str | None = None


class Polled(msgspec.Struct, frozen=True):
    """`done`: nothing more can be read now after `position`."""

    data: list[FoundMessage]
    position: str
    done: bool


def beginning(endpoint: Endpoint) -> str:
    """The position of who has read nothing: what was sent since the endpoint was made follows."""
    return position_at(endpoint.created_at)


def position_at(at: int) -> str:
    """The position before all that is created at this time (Unix ms) or later."""
    return lowest("msg", at)


async def read(store: Store, endpoint: Endpoint, wanted: Wanted) -> Polled:
    """The next messages that the endpoint wants. Raises StoreUnavailable."""
    horizon = await store.read(FindHorizon(settling_ms=SETTLING_MS))  # before what it speaks of is read
    picky = endpoint.channels is not None or endpoint.options.filter is not None
    limit = MAX_LIMIT if picky else wanted.limit  # of those that are looked at few may be wanted
    page = await store.read(
        ListMessages(
            application=endpoint.application,
            page=PageRequest(limit=limit, cursor=wanted.position, order="ascending"),
            filter=MessageFilter(event_types=_event_types(endpoint, wanted), channel=wanted.channel, before=horizon),
        )
    )
    messages = tuple([found.message.id for found in page.data])
    examples = await store.read(FindExamples(messages)) if messages else frozenset()
    return await _chosen(endpoint, wanted, page, examples)


async def _chosen(endpoint: Endpoint, wanted: Wanted, page: Page[FoundMessage], examples: frozenset[str]) -> Polled:
    """Examples that were for another endpoint are passed over."""
    data: list[FoundMessage] = []
    position, looks = wanted.position, 0
    for found in page.data:
        if len(data) == wanted.limit or looks >= MOST_LOOKS:
            return Polled(data, position, done=False)
        goes, looked = goes_to(endpoint, found.message, found.content)
        if goes and found.message.id not in examples:
            data.append(found)
        position, looks = found.message.id, looks + looked
        if endpoint.options.filter is not None:
            await asyncio.sleep(0)  # a page may be megabytes of JSON to decode
    return Polled(data, page.last or position, page.done)


def _event_types(endpoint: Endpoint, wanted: Wanted) -> frozenset[str] | None:
    if wanted.event_type is None:
        return endpoint.event_types
    return frozenset({wanted.event_type}) & (endpoint.event_types or {wanted.event_type})


async def consume(store: Store, now: int, endpoint: Endpoint, consumer: str, acknowledged: str | None, limit: int) -> Polled:
    """The page after the consumer's mark, which is set to `acknowledged` (a page's position) if that is given.

    Raises StoreUnavailable, NotFound, Conflict `consumer_ahead`, BadRequest `limit_reached`.
    """
    mark = await store.read(FindConsumer(endpoint=endpoint.id, consumer=consumer))
    if acknowledged is not None and acknowledged != mark:
        mark = await store.write(_mark(endpoint, consumer, acknowledged, now))
    return await read(store, endpoint, Wanted(position=mark or beginning(endpoint), limit=limit))


async def seek(
    store: Store, now: int, endpoint: Endpoint, consumer: str, at: int, once: Once[str] | None = None
) -> str | Remembered:  # fmt: skip
    """Let the consumer go on, or again, with what was created at this time (Unix ms) or later; its new position.

    Raises StoreUnavailable, NotFound, BadRequest `limit_reached`, Invalid (idempotency key used with another body).
    """
    return await store.write(msgspec.structs.replace(_mark(endpoint, consumer, position_at(at), now), back=True), once=once)


def _mark(endpoint: Endpoint, consumer: str, position: str, now: int) -> MarkConsumer:
    return MarkConsumer(
        application=endpoint.application, endpoint=endpoint.id, consumer=consumer, mark=position, now=now, most=MOST_CONSUMERS
    )  # fmt: skip
