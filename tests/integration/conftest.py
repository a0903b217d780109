"""A server for each module of tests of the API, and for each test an organization of its own."""

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

from tests.harness import Receiver, Server, running_server
from tests.integration.api import Api, fresh
from tests.integration.deliveries import answer
from tests.integration.sockets import Run
from tests.postgres import Postgres, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


@pytest.fixture
def database(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database on PostgreSQL, for one test."""
    name = f"test{abs(hash(request.node.nodeid))}"
    postgres.execute(f"create database {name}")
    yield postgres.url(name)
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What fails is not tried again while a test looks at it, however slow the machine."""
    with running_server(tmp_path_factory.mktemp("server"), retry_schedule="3600") as running:
        yield running


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver(answer) as running:
        yield running


@pytest.fixture
def api(server: Server) -> Api:
    return fresh(server)


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    made: Run = request.param
    return made


@pytest.fixture
def app(api: Api) -> str:
    """The id of the organization's application whose uid is `a`."""
    return str(api.app(uid="a")["id"])
