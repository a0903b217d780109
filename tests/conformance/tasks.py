"""What tests of tasks share: beginning them, carrying them out, and counting the rounds that came of it."""

from typing import Any

from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import Message
from hookwright.domain.pages import PageRequest
from hookwright.domain.tasks import Kind, Selection, Task
from hookwright.store.attempts import ListAttempts
from hookwright.store.deliveries import ClaimDue
from hookwright.store.tasks import ContinueTasks, FindTask, NextSlice, StartTask

from .makers import HOUR, NOW, ORG, OWNER, World

RATE = 1_000_000
"""No hindrance."""


async def failed(world: World, endpoint: Endpoint, count: int = 1) -> list[Message]:
    """Messages whose delivery was given up, a second apart."""
    return await ended(world, endpoint, *[State.FAIL] * count)


async def ended(world: World, endpoint: Endpoint, *states: State, **fields: Any) -> list[Message]:
    """Messages whose delivery ended so, a second apart."""
    messages = []
    for state in states:
        message = await world.message(endpoint)
        await world.attempt(message, endpoint, state, **fields)
        messages.append(message)
        world.now += 1000
    return messages


async def begin(
    world: World, endpoint: Endpoint, kind: Kind = Kind.RECOVER, *, since: int = NOW, until: int = NOW + HOUR, task: str = "qtask_1",
    **wanted: Any,
) -> Task:  # fmt: skip
    if kind is Kind.RECOVER:
        wanted |= {"state": State.FAIL}
    selection = Selection(since=since, until=until, **wanted)
    command = StartTask(
        task=task, kind=kind, application=endpoint.application, endpoint=endpoint.id, selection=selection, most=10, now=world.now
    )  # fmt: skip
    return await world.store.write(command)


async def carry_on(world: World, limit: int = 100, rate: int = RATE) -> list[str]:
    """One slice, a second later; the endpoints that have new rows."""
    world.now += 1000
    return list((await world.store.write(ContinueTasks(now=world.now, limit=limit, rate=rate))).endpoints)


async def finish(world: World, limit: int = 100) -> int:
    """How many slices it took."""
    slices = 0
    while await world.store.read(NextSlice()) is not None:
        await carry_on(world, limit)
        slices += 1
        assert slices < 50
    return slices


async def found(world: World, task: str = "qtask_1") -> Task:
    task_found = await world.store.read(FindTask(organization=ORG, task=task))
    assert task_found is not None
    return task_found


async def rounds(world: World, endpoint: Endpoint) -> dict[str, list[int]]:
    """Of each message at the endpoint, as they were made: the rounds that have an attempt, and those that can be claimed."""
    tried = await world.store.read(ListAttempts(application=endpoint.application, endpoint=endpoint.id, page=PageRequest(limit=250)))
    due = await world.store.write(ClaimDue(endpoint=endpoint.id, owner=OWNER, now=world.now, limit=1000, most_bytes=2**20))
    keys = {attempt.key for attempt in tried.data} | {one.delivery.key for one in due.claimed}
    return {message: sorted(key.round for key in keys if key.message == message) for message in sorted({key.message for key in keys})}
