"""What the tests of deliveries share: claiming and settling as the dispatcher does, and looking at what has become of them."""

from typing import Any

from hookwright.domain.attempts import Attempt
from hookwright.domain.deliveries import Delivery, State
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import Message
from hookwright.domain.pages import PageRequest
from hookwright.store.attempts import ListAttempts
from hookwright.store.deliveries import ClaimDue, ClaimedRows, EndpointStats, Settle, Settlement, Stats
from hookwright.store.messages import ListDestinations

from .makers import HOUR, NOW, ORG, OWNER, World


async def claim(
    world: World, endpoint: Endpoint, *, owner: int = OWNER, limit: int = 100, most_bytes: int = 2**20, ordered: bool = False
) -> ClaimedRows:
    return await world.store.write(
        ClaimDue(endpoint=endpoint.id, owner=owner, now=world.now, limit=limit, most_bytes=most_bytes, ordered=ordered)
    )


async def claimed(world: World, endpoint: Endpoint) -> Delivery:
    (one,) = (await claim(world, endpoint)).claimed
    return one.delivery


def settlement(world: World, delivery: Delivery, state: State, **fields: Any) -> Settlement:
    attempt = Attempt(
        id=world.mint.mint("atmpt", world.now), key=delivery.key, application=delivery.application, organization=ORG,
        trigger=delivery.trigger, number=delivery.attempts + 1, url="https://example.com/", event_type="a.b", channels=None, response=b"",
        state=State.SUCCESS if state is State.SUCCESS else State.FAIL, response_status=0, started_at=world.now, duration_ms=1,
    )  # fmt: skip
    values: dict[str, Any] = {
        "key": delivery.key, "fence": delivery.fence, "attempt": attempt, "state": state, "created_at": world.now, "now": world.now,
    }  # fmt: skip
    return Settlement(**values | fields)


async def settle(world: World, *settlements: Settlement) -> list[bool]:
    return await world.store.write(Settle(settlements=settlements))


async def attempts(world: World, message: Message) -> list[Attempt]:
    return (await world.store.read(ListAttempts(application=world.app, message=message.id, page=PageRequest()))).data


async def state(world: World, message: Message) -> State:
    page = await world.store.read(ListDestinations(application=world.app, message=message.id, page=PageRequest()))
    (destination,) = page.data
    return destination.status.state


async def stats(world: World, endpoint: Endpoint) -> Stats:
    return await world.store.read(EndpointStats(application=world.app, endpoint=endpoint.id, since=NOW, until=NOW + HOUR))
