"""One server for these tests, and for each test an organization of its own, spoken to by the official SDK as it is."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from svix.api import ApplicationIn, Svix, SvixOptions

from tests.e2e.journeys import Tenant
from tests.harness import Receiver, Server, org_token, running_server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Five retries, 50 ms apart; a breaker that opens does so for a moment."""
    folder = tmp_path_factory.mktemp("e2e")
    settings = {"retry_schedule": "0.05,0.05,0.05,0.05,0.05", "retry_jitter": 0, "breaker_pause": 0.05}
    with running_server(folder, **settings, log_level="error") as started:
        yield started


@pytest.fixture
def tenant(server: Server) -> Tenant:
    """A fresh organization with one application, `app`."""
    token = org_token(f"org_{secrets.token_hex(12)}")
    client = Svix(token, SvixOptions(server_url=server.url))
    client.application.create(ApplicationIn(name="Acme", uid="app"))
    return Tenant(server.url, token, client)


@pytest.fixture
def client(tenant: Tenant) -> Svix:
    return tenant.client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


@pytest.fixture(scope="session")
def github_examples() -> "list[tuple[str, str, dict[str, object]]]":
    """GitHub's published example payloads: (API version, event type, payload)."""
    fetched = subprocess.run([ROOT / "scripts" / "fetch-examples"], check=True, stdout=subprocess.PIPE, text=True)
    found = []
    for index in sorted((ROOT / fetched.stdout.strip()).glob("*/index.json")):
        for event in json.loads(index.read_text(encoding="utf-8")):
            for payload in event["examples"]:
                action = payload.get("action")
                found.append((index.parent.name, f"{event['name']}.{action}" if isinstance(action, str) else event["name"], payload))
    return found
