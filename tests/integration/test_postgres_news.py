"""Two servers on one database: what is changed at one governs what the other does next. Nothing in memory expires."""

import asyncio
import base64
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from hookwright.clock import SystemClock
from hookwright.store.deliveries import Forget
from hookwright.store.news import RecentNews
from hookwright.stores.postgres.connections import Address, opening
from hookwright.stores.postgres.db import known
from hookwright.stores.postgres.retention import NEWS as SQL
from hookwright.stores.postgres.store import open_store
from tests.harness import Received, Receiver, Server, running_server
from tests.integration.api import Api, fresh
from tests.postgres import Postgres
from tests.waiting import eventually

KEY = f"k1:{base64.b64encode(bytes(32)).decode()}"
SECONDS = 8.0
"""Less than the pause after which everything is forgotten anyway."""
FILL = """
insert into news (at, kind, application, item)
select cast($1 as bigint) - n * cast($2 as bigint), 'key', '', 'k' from generate_series(1, cast($3 as integer)) as n"""


@pytest.fixture(scope="module")
def servers(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    postgres.execute("create database news")
    folder: Path = tmp_path_factory.mktemp("server")
    settings: dict[str, Any] = {
        "database": postgres.url("news"),
        "encryption_keys": KEY,
        "retry_schedule": "3600",
        "endpoint_concurrency": 1,
    }
    with running_server(folder, **settings) as one, running_server(folder, **settings) as other:
        yield one, other


@pytest.fixture
def here(servers: tuple[Server, Server]) -> Api:
    return fresh(servers[0])


@pytest.fixture
def there(servers: tuple[Server, Server], here: Api) -> Api:
    return Api(servers[1], here.token, here.organization)


@pytest.fixture
def app(here: Api) -> str:
    return str(here.app()["id"])


@pytest.fixture
def endpoint(here: Api, there: Api, app: str, receiver: Receiver) -> str:
    """Of which the other server knows all there is: it has delivered to it."""
    path = f"/app/{app}/endpoint"
    made = here.ok("POST", path, {"url": f"{receiver.url}/{app}/old", "version": 1})
    soon(lambda: delivered(there, app, receiver))
    return f"{path}/{made['id']}"


def soon(holds: Callable[[], bool]) -> None:
    eventually(holds, "the other server goes on as before", SECONDS)


def send(api: Api, app: str) -> str:
    return str(api.ok("POST", f"/app/{app}/msg", {"eventType": "a.b", "payload": {"n": 1}})["id"])


def statuses(api: Api, app: str, message: str) -> list[int]:
    return [item["status"] for item in api.ok("GET", f"/app/{app}/attempt/msg/{message}")["data"]]


def delivered(api: Api, app: str, receiver: Receiver, place: str = "old", header: tuple[str, str] | None = None) -> bool:
    """Whether a message that is sent now arrives at this place, with this header."""
    message = send(api, app)
    if not api.ok("GET", f"/app/{app}/msg/{message}/endpoint")["data"]:
        return False
    soon(lambda: bool(statuses(api, app, message)))
    (request,) = [request for request in receiver.requests if request.header("webhook-id") == message]
    return request.path.endswith(place) and (header is None or request.header(header[0]) == header[1])


def held(api: Api, app: str) -> bool:
    """Whether a message that is sent now waits at its disabled endpoint, or had none to go to."""
    message = send(api, app)
    listed = api.ok("GET", f"/app/{app}/msg/{message}/endpoint")["data"]
    return not listed or (not statuses(api, app, message) and listed[0]["status"] == 1)


def test_a_changed_url_is_where_the_other_server_delivers(here: Api, there: Api, app: str, endpoint: str, receiver: Receiver) -> None:
    here.ok("PATCH", endpoint, {"url": f"{receiver.url}/{app}/new"})
    soon(lambda: delivered(there, app, receiver, "new"))


def test_a_custom_header_is_sent_by_the_other_server(here: Api, there: Api, app: str, endpoint: str, receiver: Receiver) -> None:
    here.ok("PUT", f"{endpoint}/headers", {"headers": {"x-custom": "yes"}})
    soon(lambda: delivered(there, app, receiver, header=("x-custom", "yes")))


def test_a_rotated_secret_signs_at_the_other_server(here: Api, there: Api, app: str, endpoint: str, receiver: Receiver) -> None:
    def signatures() -> int:
        assert delivered(there, app, receiver)
        mine = [request for request in receiver.requests if app in request.path]
        return len((mine[-1].header("webhook-signature") or "").split())

    assert signatures() == 1
    here.ok("POST", f"{endpoint}/secret/rotate", {})
    soon(lambda: signatures() == 2)


def test_a_disabled_endpoint_is_left_alone_by_the_other_server(here: Api, there: Api, app: str, endpoint: str) -> None:
    here.ok("PATCH", endpoint, {"disabled": True})
    soon(lambda: held(there, app))
    assert held(there, app)


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_deleted_gets_nothing_from_the_other_server(here: Api, there: Api, app: str, endpoint: str, whole: bool) -> None:
    here.ok("DELETE", f"/app/{app}" if whole else endpoint)

    def gone() -> bool:
        response = there("POST", f"/app/{app}/msg", {"eventType": "a.b", "payload": {}})
        return response.status_code == 404 if whole else not there.ok("GET", f"/app/{app}/msg/{response.json()['id']}/endpoint")["data"]

    soon(gone)


def test_a_new_endpoint_gets_what_the_other_server_accepts(here: Api, there: Api, app: str, endpoint: str, receiver: Receiver) -> None:
    here.ok("POST", f"/app/{app}/endpoint", {"url": f"{receiver.url}/{app}/second", "version": 1})
    soon(lambda: len(there.ok("GET", f"/app/{app}/msg/{send(there, app)}/endpoint")["data"]) == 2)


def test_an_endpoint_that_is_gone_is_left_alone_by_the_other_server(here: Api, there: Api, app: str) -> None:
    gone = threading.Event()

    def answer_once(_: Received) -> web.Response:
        status = 410 if gone.is_set() else 200
        gone.clear()
        return web.Response(status=status)

    with Receiver(answer_once) as receiver:
        here.ok("POST", f"/app/{app}/endpoint", {"url": f"{receiver.url}/old", "version": 1})
        soon(lambda: delivered(there, app, receiver))
        gone.set()
        send(here, app)
        soon(lambda: not gone.is_set())
        soon(lambda: held(there, app))


def test_an_expunged_body_that_the_other_server_had_in_memory_is_not_sent(
    servers: tuple[Server, Server], here: Api, there: Api, app: str
) -> None:
    released = threading.Event()

    async def answer(_: Received) -> web.StreamResponse:
        await asyncio.to_thread(released.wait, 30)
        return web.Response()

    with Receiver(answer) as receiver:
        here.ok("POST", f"/app/{app}/endpoint", {"url": receiver.url, "version": 1})
        first = send(there, app)
        receiver.wait_for(1)
        expunged = send(there, app)
        here.ok("DELETE", f"/app/{app}/msg/{expunged}/content")
        revoke_a_key(servers, here)  # what comes later was heard, so this was too
        released.set()
        last = send(there, app)
        receiver.wait_for(2)
        soon(lambda: bool(statuses(there, app, last)))
        assert [request.header("webhook-id") for request in receiver.requests] == [first, last]


def test_a_canceled_message_that_the_other_server_had_in_its_queue_is_not_sent(here: Api, there: Api, app: str) -> None:
    released = threading.Event()

    async def answer(_: Received) -> web.StreamResponse:
        await asyncio.to_thread(released.wait, 30)
        return web.Response()

    with Receiver(answer) as receiver:
        here.ok("POST", f"/app/{app}/endpoint", {"url": receiver.url, "version": 1})
        first = send(there, app)
        receiver.wait_for(1)
        canceled = send(there, app)
        assert here.ok("POST", f"/app/{app}/msg/{canceled}/cancel") == {"canceled": 0, "sending": 1}
        eventually(lambda: here.ok("GET", f"/app/{app}/msg/{canceled}/endpoint")["data"][0]["status"] == 4)
        released.set()
        last = send(there, app)
        receiver.wait_for(2)
        eventually(lambda: bool(statuses(there, app, last)))
        assert [request.header("webhook-id") for request in receiver.requests] == [first, last]


def test_a_revoked_key_is_refused_by_the_other_server(servers: tuple[Server, Server], here: Api) -> None:
    revoke_a_key(servers, here)


def revoke_a_key(servers: tuple[Server, Server], here: Api) -> None:
    made = here.ok("POST", "/auth/api-key", {"name": "k", "scopes": ["application:read"]})
    holder = Api(servers[1], made["token"])
    assert holder("GET", "/app").status_code == 200
    here.ok("DELETE", f"/auth/api-key/{made['id']}")
    soon(lambda: holder("GET", "/app").status_code == 401)


@pytest.mark.parametrize("way", ["logout", "expire-all"])
def test_an_ended_token_is_refused_by_the_other_server(servers: tuple[Server, Server], here: Api, app: str, way: str) -> None:
    holder = here.portal(app)
    same = Api(servers[1], holder.token)
    assert same("GET", f"/app/{app}").status_code == 200
    if way == "logout":
        holder.ok("POST", "/auth/logout")
    else:
        here.ok("POST", f"/auth/app/{app}/expire-all", {"expiry": 0})
    soon(lambda: same("GET", f"/app/{app}").status_code == 401)


def test_the_news_go_on_after_every_connection_was_cut(
    postgres: Postgres, here: Api, there: Api, app: str, endpoint: str, receiver: Receiver
) -> None:
    postgres.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'news'")
    path = f"{receiver.url}/{app}/new"
    soon(lambda: here("PATCH", endpoint, {"url": path}).status_code == 200)
    soon(lambda: there("GET", "/app").status_code == 200)
    soon(lambda: delivered(there, app, receiver, "new"))


def test_news_are_removed_when_they_are_an_hour_old(database: str) -> None:
    async def story() -> list[str]:
        async with open_store(database, now=SystemClock().now()) as store:
            connection = await asyncpg.connect(database)
            told = "insert into news (at, kind, application, item) select extract(epoch from now()) * 1000 - $1, 'key', '', $2"
            await connection.execute(told, 3_700_000, "old")
            await connection.execute(told, 3_500_000, "young")
            await connection.close()
            await store.write(Forget(now=SystemClock().now(), limit=9))
            return [news.item for news in await store.read(RecentNews(within_ms=9_999_999, most=9))]

    assert asyncio.run(story()) == ["young"]


def test_old_news_are_removed_a_slice_at_a_time(database: str) -> None:
    async def story() -> list[int]:
        now = SystemClock().now()
        async with open_store(database, now=now) as store:
            connection = await asyncpg.connect(database)
            await connection.execute(FILL, now - 3_700_000, 1, 25)
            await connection.close()
            return [await store.write(Forget(now=now, limit=10)) for _ in range(4)]

    assert asyncio.run(story()) == [10, 10, 5, 0]


def test_news_are_read_and_removed_by_their_time_however_many_there_are(database: str) -> None:
    """Rows looked at are bounded by the rows wanted: with an hour of news, a look at the last of them reads no others."""

    async def story() -> list[str]:
        async with open_store(database, now=SystemClock().now()):
            pass
        address = Address(database)
        async with opening(address) as connection:
            await connection.execute(FILL, SystemClock().now(), 100, 40_000)
            await connection.execute("analyze news")
            plans = []
            for sql, values in ((SQL.recent, (1_000, 100)), (SQL.recent, (40_000, 10_000)), (SQL.forget, (100,))):
                rows = await connection.fetch("explain (analyze, timing off) " + known(sql).text, *values)
                plans.append("\n".join(row[0] for row in rows))
            return plans

    for plan in asyncio.run(story()):
        assert "news_at" in plan
        assert "Seq Scan" not in plan
        assert "Filter" not in plan, plan
        assert "Sort" not in plan
