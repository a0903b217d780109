"""A release is exchanged for the next while processes of both deliver; what the older one needs goes when it is gone."""

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from hookwright.clock import SystemClock
from hookwright.domain.deliveries import UNOWNED
from hookwright.errors import StoreRefused
from hookwright.store.deliveries import DueEndpoints
from hookwright.store.nodes import OpenNode, RenewLease
from hookwright.stores.postgres import schema
from hookwright.stores.postgres.connections import Address, opening
from hookwright.stores.postgres.store import open_store
from tests.conformance.makers import World
from tests.harness import Receiver, Server, ServerProcess, free_port
from tests.integration.api import Api
from tests.integration.cli import Run, environment
from tests.integration.test_postgres_news import KEY
from tests.releases import STEPS, module_of, next_release

pytestmark = pytest.mark.long
LEASE_MS = 3_600_000


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """Those of the next release."""
    return next_release(tmp_path / "next", schema.FOLDER)


async def applied(database: str) -> list[str]:
    async with opening(Address(database)) as connection:
        return [name for (name,) in await connection.fetch("select name from hookwright_schema where version > 900 order by version")]


def migrate(database: str, steps: Path, *options: str) -> Run:
    settings = environment(database=database)
    done = subprocess.run(
        [sys.executable, "-m", *module_of(steps), "migrate", *options], env=settings, input=b"", capture_output=True, timeout=110
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


def server(folder: Path, database: str, module: tuple[str, ...] = ("hookwright",)) -> ServerProcess:
    folder.mkdir(exist_ok=True)
    made = ServerProcess(folder, free_port(), HOOKWRIGHT_DATABASE=database, HOOKWRIGHT_ENCRYPTION_KEYS=KEY)
    made.module = (*module, "serve")
    return made


def address(of: ServerProcess) -> Server:
    return Server(of.url, of.port, of.token, of.database)


def deliver(through: ServerProcess, receiver: Receiver) -> None:
    before = len(receiver.requests)
    Api(address(through), through.token).ok("POST", "/app/acme/msg", {"eventType": "a.b", "payload": {}})
    receiver.wait_for(before + 1)


def test_two_releases_deliver_side_by_side_until_the_older_one_is_gone(tmp_path: Path, database: str, steps: Path) -> None:
    older, newer = server(tmp_path / "older", database), server(tmp_path / "newer", database, module_of(steps))
    with Receiver() as receiver, older:
        api = Api(address(older), older.token)
        api.ok("POST", "/app", {"uid": "acme", "name": "a"})
        api.ok("POST", "/app/acme/endpoint", {"url": receiver.url, "version": 1})
        deliver(older, receiver)
        with newer:
            assert asyncio.run(applied(database)) == [STEPS[0]]
            deliver(older, receiver)
            deliver(newer, receiver)
            assert older.stop() == 0
            older.start()  # in between, it starts as ever
            deliver(older, receiver)
            refused = migrate(database, steps, "--contract")
            assert refused.status != 0
            assert f"{STEPS[1]} waits for nodes of an older release" in refused.err
            assert older.stop() == 0
            shown = migrate(database, steps, "--dry-run", "--contract")
            assert f"{STEPS[1]} (contract): nobody looks for the day before" in shown.out
            assert migrate(database, steps, "--contract").status == 0
            assert asyncio.run(applied(database)) == list(STEPS)
            deliver(newer, receiver)
            with pytest.raises(AssertionError, match="written by a newer Hookwright"):
                older.start()


def test_migrate_expands_and_says_what_waits(database: str, steps: Path) -> None:
    asyncio.run(opened(database))
    done = migrate(database, steps)
    assert done.status == 0
    assert f"{STEPS[0]} (expand): applications have a colour [a moment]" in done.err
    assert f"`hookwright migrate --contract`: {STEPS[1]}" in done.err
    assert asyncio.run(applied(database)) == [STEPS[0]]
    assert "nothing to do" in migrate(database, steps).out


async def opened(database: str) -> None:
    async with open_store(database, now=SystemClock().now()):
        pass


def test_a_silent_node_of_an_older_release_is_ended_and_what_it_held_is_claimable(
    database: str, steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with open_store(database, now=SystemClock().now()) as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            older = await store.write(OpenNode(now=0))
            await world.message(endpoint, owner=older)
            monkeypatch.setattr(schema, "FOLDER", steps)
            newer = await store.write(OpenNode(now=0))
            async with opening(Address(database)) as connection:
                await schema.migrate(connection)
            async with opening(Address(database)) as connection:
                with pytest.raises(StoreRefused, match=rf"an older release, .*: {older} "):
                    await schema.contract(connection, LEASE_MS)
                assert await schema.contract(connection, 0) == [STEPS[1]]
            assert [due.endpoint for due in (await store.read(DueEndpoints())).due] == [endpoint.id]
            assert not await store.write(RenewLease(owner=older, within=5))
            assert await store.write(RenewLease(owner=newer, within=5))

    asyncio.run(story())


def test_what_a_thawed_node_commits_until_it_is_ended_by_a_contraction_is_claimable_too(
    database: str, steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had done so between the moment when its silence was read and the one when its row was locked."""
    hold = """
        create function hold() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(1); return old; end $$;
        create trigger hold before delete on nodes for each row execute function hold()
    """

    async def story() -> None:
        async with open_store(database, now=SystemClock().now()) as store, opening(Address(database)) as connection:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            older = await store.write(OpenNode(now=0))
            await world.message(endpoint)
            monkeypatch.setattr(schema, "FOLDER", steps)
            await schema.migrate(connection)
            thawed = await asyncpg.connect(database)
            await thawed.execute(hold)
            await thawed.execute("select pg_advisory_lock(1)")
            contracting = asyncio.ensure_future(schema.contract(connection, 0))
            while not await thawed.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted and objid = 1"):
                pass
            await thawed.execute("update deliveries set owner = $1", older)
            await thawed.close()
            assert await contracting == [STEPS[1]]
            assert [due.endpoint for due in (await store.read(DueEndpoints())).due] == [endpoint.id]

    asyncio.run(story())


def test_no_node_of_an_older_release_comes_up_on_a_contracted_schema(database: str, steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does that lost its lease, or that looked at the schema just before."""

    async def story() -> None:
        async with open_store(database, now=SystemClock().now()) as store:
            with monkeypatch.context() as newer:
                newer.setattr(schema, "FOLDER", steps)
                async with opening(Address(database)) as connection:
                    await schema.migrate(connection)
                    await schema.contract(connection, LEASE_MS)
            with pytest.raises(StoreRefused, match="newer Hookwright"):
                await store.write(OpenNode(now=0))

    asyncio.run(story())


def test_a_process_that_was_ended_and_whose_release_is_too_old_by_then_says_so_and_ends(
    tmp_path: Path, database: str, steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def contract() -> None:
        async with opening(Address(database)) as connection:
            await schema.migrate(connection)
            while True:
                try:
                    await schema.contract(connection, 0)
                except StoreRefused:  # it has something under way
                    continue
                return

    with server(tmp_path / "older", database) as older:
        monkeypatch.setattr(schema, "FOLDER", steps)
        asyncio.run(contract())
        assert older.process is not None
        assert older.process.wait(110) == 1
        assert "hookwright: the database was taken over by a newer Hookwright; upgrade this process\n" in older.log()


def test_no_node_comes_up_while_something_is_taken_away(database: str) -> None:
    async def story() -> None:
        async with open_store(database, now=SystemClock().now()) as store:
            migrating = await asyncpg.connect(database)
            async with migrating.transaction():
                await migrating.execute(f"select pg_advisory_xact_lock({schema.CONTRACT_LOCK})")
                opening_node = asyncio.ensure_future(store.write(OpenNode(now=0)))
                while not await migrating.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
                    pass
                assert await migrating.fetchval("select count(*) from nodes") == 0
            assert await opening_node > UNOWNED
            await migrating.close()

    asyncio.run(story())


def test_an_older_process_starts_and_becomes_a_node_while_the_schema_is_expanded(database: str) -> None:
    async def story() -> None:
        await opened(database)
        migrating = await asyncpg.connect(database)
        async with migrating.transaction():
            await migrating.execute(f"select pg_advisory_xact_lock({schema.LOCK})")
            async with open_store(database, now=SystemClock().now()) as store:
                assert await store.write(OpenNode(now=0)) > UNOWNED
        await migrating.close()

    asyncio.run(story())


def test_what_a_step_takes_away_is_locked_against_new_nodes(database: str, steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        await opened(database)
        monkeypatch.setattr(schema, "FOLDER", steps)
        async with opening(Address(database)) as connection:
            await schema.migrate(connection)
        coming = await asyncpg.connect(database)
        async with coming.transaction():
            await coming.execute(f"select pg_advisory_xact_lock_shared({schema.CONTRACT_LOCK})")
            async with opening(Address(database)) as connection:
                contracting = asyncio.ensure_future(schema.contract(connection, LEASE_MS))
                while not await coming.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
                    pass
                assert STEPS[1] not in await applied(database)
                await coming.execute("rollback; begin")
                assert await contracting == [STEPS[1]]
        await coming.close()

    asyncio.run(story())


def test_a_new_database_gets_what_takes_away_too(database: str, steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "FOLDER", steps)
    asyncio.run(opened(database))
    assert asyncio.run(applied(database)) == list(STEPS)


def test_who_waits_for_the_migration_of_another_says_so(database: str, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        migrating = await asyncpg.connect(database)
        async with migrating.transaction():
            await migrating.execute(f"select pg_advisory_xact_lock({schema.LOCK})")
            starting = asyncio.ensure_future(opened(database))
            while not await migrating.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
                pass
            assert [record.message for record in caplog.records] == ["another process migrates this database; waiting for it"]
        await starting
        await migrating.close()

    asyncio.run(story())


def test_a_start_that_waits_for_the_migration_of_another_ends_when_it_is_told_to(tmp_path: Path, database: str) -> None:
    async def story() -> None:
        migrating = await asyncpg.connect(database)
        async with migrating.transaction():
            await migrating.execute(f"select pg_advisory_xact_lock({schema.LOCK})")
            waiting = server(tmp_path / "waiting", database)
            waiting.spawn()
            try:
                while not await migrating.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
                    pass
                assert waiting.stop() == 0, waiting.log()
            finally:
                waiting.kill()
            assert "Traceback" not in waiting.log()
        await migrating.close()

    asyncio.run(story())


def test_processes_that_start_at_the_same_moment_take_each_step_once(database: str) -> None:
    async def story() -> None:
        await asyncio.gather(*(opened(database) for _ in range(4)))

    asyncio.run(story())
