"""A commit whose answer is lost: told as not done, resolved by its idempotency key, and nothing stays owned by nobody (P3)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from hookwright.domain.deliveries import Delivery, Key
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import Content, Message
from hookwright.errors import StoreUnavailable
from hookwright.store import Once, Remembered
from hookwright.store.deliveries import ClaimDue, DueEndpoints, Release
from hookwright.store.messages import Created, CreateMessage, CreateMessages
from hookwright.store.nodes import OpenNode, TakeOver
from hookwright.stores.postgres import doubts
from hookwright.stores.postgres.deliveries import release
from hookwright.stores.postgres.store import PostgresStore, open_store
from tests.conformance.makers import HOUR, NOW, ORG, World
from tests.pgbouncer import running_pgbouncer
from tests.postgres import Postgres, running_postgres
from tests.proxy import Proxy, proxied

LEASE_MS = 3_600_000
BODY = b"the one whose answer is lost"
COMMIT = b"COMMIT;"
WAITING = "select count(*) from pg_locks where not granted"
ACTIVE = "select count(*) from pg_stat_activity where datname = 'cut' and state = 'active' and pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["direct", "pooled"])
def way(request: pytest.FixtureRequest, server: Postgres) -> Iterator[tuple[Postgres, int, bool]]:
    """The server with an empty database `cut`, the port that leads to it, and whether that is a pooler's."""
    server.execute("drop database if exists cut with (force)", "create database cut")
    if request.param == "direct":
        yield server, server.port, False
    else:
        with running_pgbouncer(server) as port:
            yield server, port, True


Way = tuple[Postgres, int, bool]


def check(way: Way, story: Callable[[World, Proxy, int, Endpoint], Awaitable[None]]) -> None:
    """Run a story in a world whose store is reached through a proxy, with a node's epoch and an endpoint."""

    async def run() -> None:
        async with cut_store(way) as (store, proxy):
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            await story(world, proxy, await store.write(OpenNode(now=NOW)), endpoint)

    asyncio.run(run())


@asynccontextmanager
async def cut_store(way: Way) -> AsyncIterator[tuple[PostgresStore, Proxy]]:
    server, port, pooled = way
    async with (
        proxied(port) as (proxy, proxy_port),
        open_store(server.url("cut", port=proxy_port), pooled=pooled, now=NOW) as store,
    ):
        yield store, proxy


def creation(world: World, endpoint: Endpoint, owner: int) -> CreateMessage:
    ident, at = world.mint.mint_timed("msg", world.now)
    message = Message(id=ident, organization=ORG, application=world.app, event_type="a.b", created_at=at, content_expires_at=at + HOUR)
    key = Key(endpoint.id, ident)
    delivery = Delivery(key=key, application=world.app, organization=ORG, due_at=at, owner=owner, created_at=at)
    return CreateMessage(message=message, content=Content(BODY), deliveries=(delivery,))


def once() -> Once[Created]:
    return Once(key=b"key", fingerprint=b"same", remember=lambda made: made.message.id.encode(), now=NOW, expires_at=NOW + HOUR)


async def due(world: World) -> list[str]:
    return [one.endpoint for one in (await world.store.read(DueEndpoints())).due]


def test_a_message_whose_answer_was_lost_is_remembered_by_its_key_and_its_deliveries_are_claimable(way: Way) -> None:
    async def story(world: World, proxy: Proxy, node: int, endpoint: Endpoint) -> None:
        command = creation(world, endpoint, node)
        proxy.marker = BODY
        with pytest.raises(StoreUnavailable):
            await world.store.write(command, once=once())
        again = await world.store.write(creation(world, endpoint, node), once=once())
        assert again == Remembered(command.message.id.encode())
        assert await due(world) == []
        assert await world.store.write(TakeOver(owner=node, lease_ms=LEASE_MS)) == 1
        assert await due(world) == [endpoint.id]
        assert await world.under_way() == 1

    check(way, story)


def test_rows_whose_claim_was_committed_and_not_answered_are_claimable_again(way: Way) -> None:
    async def story(world: World, proxy: Proxy, node: int, endpoint: Endpoint) -> None:
        message = await world.message(endpoint)
        claim = claiming(world, endpoint, node)
        proxy.marker = COMMIT
        with pytest.raises(StoreUnavailable):
            await world.store.write(claim)
        assert await due(world) == []
        assert await world.store.write(TakeOver(owner=node, lease_ms=LEASE_MS)) == 1
        assert [one.message for one in (await world.store.write(claim)).claimed] == [message]
        assert await world.store.write(TakeOver(owner=node, lease_ms=LEASE_MS)) == 0

    check(way, story)


def claiming(world: World, endpoint: Endpoint, node: int) -> ClaimDue:
    return ClaimDue(endpoint=endpoint.id, owner=node, now=world.now + 1, limit=10, most_bytes=2**20)


def test_what_a_second_claim_holds_is_not_freed_for_a_first_one_that_was_never_committed(way: Way) -> None:
    async def story(world: World, proxy: Proxy, node: int, endpoint: Endpoint) -> None:
        await world.message(endpoint)
        proxy.lost = COMMIT
        with pytest.raises(StoreUnavailable):
            await world.store.write(claiming(world, endpoint, node))
        while not (await world.store.write(claiming(world, endpoint, node))).claimed:
            pass
        assert await world.store.write(TakeOver(owner=node, lease_ms=LEASE_MS)) <= 1  # what was freed before, is told now
        assert await due(world) == []

    check(way, story)


def test_rows_whose_release_was_not_answered_are_claimable_once(way: Way) -> None:
    async def story(world: World, proxy: Proxy, node: int, endpoint: Endpoint) -> None:
        await world.message(endpoint)
        first = await world.store.write(claiming(world, endpoint, node))
        proxy.marker = COMMIT
        await world.store.write(Release(rows=tuple((one.delivery.key, one.delivery.fence, 0) for one in first.claimed)))
        assert proxy.marker is None
        assert len((await world.store.write(claiming(world, endpoint, node))).claimed) == 1
        await world.store.write(TakeOver(owner=node, lease_ms=LEASE_MS))
        assert await due(world) == []

    check(way, story)


def test_rows_whose_release_never_arrived_are_claimable_all_the_same(way: Way) -> None:
    async def story(world: World, proxy: Proxy, node: int, endpoint: Endpoint) -> None:
        await world.message(endpoint)
        first = await world.store.write(claiming(world, endpoint, node))
        proxy.lost = COMMIT
        await world.store.write(Release(rows=tuple((one.delivery.key, one.delivery.fence, 0) for one in first.claimed)))
        assert await world.store.write(TakeOver(owner=node, lease_ms=LEASE_MS)) == 1
        assert await due(world) == [endpoint.id]

    check(way, story)


def test_what_was_claimed_before_its_release_was_known_to_be_unanswered_is_not_freed(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World, proxy: Proxy, node: int, endpoint: Endpoint) -> None:
        await world.message(endpoint)
        first = await world.store.write(claiming(world, endpoint, node))
        again: list[int] = []

        async def unanswered(connection: object, command: Release) -> int:
            monkeypatch.undo()
            await release(connection, command)
            again.append(len((await world.store.write(claiming(world, endpoint, node))).claimed))
            raise ConnectionResetError

        monkeypatch.setattr(doubts, "release", unanswered)
        await world.store.write(Release(rows=tuple((one.delivery.key, one.delivery.fence, 0) for one in first.claimed)))
        assert again == [1]
        assert await world.store.write(TakeOver(owner=node, lease_ms=LEASE_MS)) == 0
        assert await due(world) == []

    check(way, story)


def test_a_node_whose_epoch_was_never_told_is_ended_by_the_next(way: Way) -> None:
    async def story(world: World, proxy: Proxy, node: int, endpoint: Endpoint) -> None:
        proxy.marker = COMMIT
        with pytest.raises(StoreUnavailable):
            await world.store.write(OpenNode(now=NOW))
        assert await world.store.write(OpenNode(now=NOW)) == node + 2
        await world.store.write(TakeOver(owner=node, lease_ms=0))
        assert await world.store.write(OpenNode(now=NOW)) == node + 3

    check(way, story)


def test_a_commit_that_is_still_to_come_when_its_client_is_gone_claims_nothing_for_nobody(way: Way) -> None:
    async def story(world: World, proxy: Proxy, node: int, endpoint: Endpoint) -> None:
        await world.message(endpoint)  # so that the statement is known, and held up where it is carried out
        blocker = await asyncpg.connect(way[0].url("cut"))
        async with blocker.transaction():
            await blocker.execute("select from nodes for update")
            proxy.marker, proxy.at_once = BODY, True
            with pytest.raises(StoreUnavailable):
                await world.store.write(creation(world, endpoint, node))
            while not await blocker.fetchval(WAITING):
                pass
            await world.store.write(TakeOver(owner=node, lease_ms=LEASE_MS))
        while await blocker.fetchval(ACTIVE):
            pass
        await blocker.close()
        assert await world.under_way() == 1

    check(way, story)


async def refuse_first(url: str, state: str) -> None:
    """The first delivery to be inserted is refused with this SQLSTATE when its transaction commits."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        f"""create sequence refusals;
        create function refuse() returns trigger language plpgsql as $$ begin
            if nextval('refusals') = 1 then raise exception 'refused' using errcode = '{state}'; end if;
            return null;
        end $$;
        create constraint trigger refuse after insert on deliveries deferrable initially deferred
            for each row execute function refuse()"""
    )
    await connection.close()


def test_what_is_claimed_by_a_second_try_is_not_taken_away_for_the_first_one(way: Way) -> None:
    async def story(world: World, proxy: Proxy, node: int, endpoint: Endpoint) -> None:
        await refuse_first(way[0].url("cut"), "40001")
        results = await world.store.write(CreateMessages(messages=(creation(world, endpoint, node),)))
        assert [type(one) for one in results] == [Created]
        assert await world.store.write(TakeOver(owner=node, lease_ms=LEASE_MS)) == 0
        assert await due(world) == []

    check(way, story)


def test_a_doubt_about_one_message_costs_no_other(way: Way) -> None:
    async def story(world: World, proxy: Proxy, node: int, endpoint: Endpoint) -> None:
        await refuse_first(way[0].url("cut"), "55P03")
        with pytest.raises(StoreUnavailable):
            await world.store.write(creation(world, endpoint, node))
        blocker = await asyncpg.connect(way[0].url("cut"))
        async with blocker.transaction():
            await blocker.execute("select from nodes for update")
            under_way = asyncio.ensure_future(world.store.write(creation(world, endpoint, node)))
            while not await blocker.fetchval(WAITING):
                pass
            await world.store.write(TakeOver(owner=node, lease_ms=LEASE_MS))
        await blocker.close()
        assert isinstance(await under_way, Created)

    check(way, story)
