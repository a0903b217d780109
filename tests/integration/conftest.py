"""A server for each module of tests of the API, and for each test an organization of its own."""

from collections.abc import Iterator

import pytest

from tests.harness import Receiver, Server, running_server
from tests.integration.api import Api, fresh
from tests.integration.deliveries import answer


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


@pytest.fixture
def app(api: Api) -> str:
    """The id of the organization's application whose uid is `a`."""
    return str(api.app(uid="a")["id"])
