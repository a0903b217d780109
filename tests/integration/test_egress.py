"""Where a running server sends, and where it does not, as its operator set it up."""

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path

import pytest
from aiohttp import web

from hookwright.domain.addresses import parse_networks
from hookwright.domain.egress import Egress, parse_nat64, parse_openings
from hookwright.domain.pages import PageRequest
from hookwright.engine import faults
from hookwright.sender import Failure, Request, Response
from hookwright.senders.faults import BLOCKED_NAME, PROXY_UNREACHED, REFUSED_BY_US, Unreached
from hookwright.senders.guard import MOST_SAID, Guard, is_own
from hookwright.senders.lookups import Lookups
from hookwright.store.attempts import ListAttempts
from hookwright.stores.sqlite.store import open_store
from tests.conformance.makers import World
from tests.harness import Received, Receiver, free_port, running_server
from tests.integration.api import fresh, problems
from tests.integration.deliveries import endpoint, message, settled
from tests.integration.engines import Recorder, accept, endpoint_of, engine
from tests.integration.receivers import EVERY_PORT, OK, answering, receiving, request, sending
from tests.zoo.proxies import proxying

PUBLIC = "8.8.8.8"


class ByProxy(Recorder):
    """There is no way out for the first requests."""

    def __init__(self, refused: int) -> None:
        super().__init__()
        self.left = refused

    async def send(self, request: Request) -> Response | Failure:  # type: ignore[override]
        await super().send(request)
        self.left -= 1
        return PROXY_UNREACHED if self.left >= 0 else Response(200, b"", False)


def test_a_fault_of_the_proxy_spends_no_attempt_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> list[tuple[int, int]]:
        async with open_store(tmp_path / "a.db") as store:
            world, sender = World(store), ByProxy(3)
            await world.application()
            async with engine(store, sender) as services:
                made = await endpoint_of(world, services)
                await accept(services, b'{"n":1}', world.app)
                for _ in range(4):
                    assert await sender.sent.get() == b'{"n":1}'
            found = await store.read(ListAttempts(application=world.app, endpoint=made.id, page=PageRequest()))
            return [(each.number, each.response_status) for each in found.data]

    monkeypatch.setattr(faults, "EGRESS_PAUSE_MS", 1)
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(scenario()) == [(1, 200)]
    assert [record.getMessage() for record in caplog.records if "proxy" in record.getMessage()] == [
        "sending by the proxy fails and is tried again: the proxy of this server cannot be reached", "sending by the proxy succeeds again",
    ]  # fmt: skip


def test_all_deliveries_of_a_server_go_by_its_proxy_those_to_opened_networks_too(tmp_path: Path) -> None:
    async def scenario() -> tuple[list[int], list[str], int]:
        async with receiving(answering(OK)) as receiver, proxying({"hooks.example:80": receiver.port}) as proxy:
            statuses = await asyncio.to_thread(delivered, tmp_path, f"http://user:pass@127.0.0.1:{proxy.port}")
            assert all(b"Proxy-Authorization: Basic dXNlcjpwYXNz" in head for head in proxy.heads)
            return statuses, sorted(proxy.asked), receiver.connections

    assert asyncio.run(scenario()) == ([200, 0], ["hooks.example:80", "localhost:81"], 1)


def delivered(folder: Path, proxy: str) -> list[int]:
    """The status that a message comes to at a host behind the proxy, and at one of this network."""
    with running_server(folder, egress_proxy=proxy, retry_schedule="3600") as server:
        api = fresh(server)
        api.app(uid="a")
        urls = "http://hooks.example/", "http://localhost:81/"
        made = [api.ok("POST", "/app/a/endpoint", {"url": url})["id"] for url in urls]
        message(api)
        return [settled(api, each, 1)[0]["responseStatusCode"] for each in made]


# This machine


def guarded(egress: Egress, own: Collection[str], /, **answers: list[str]) -> dict[str, str | None]:
    """The fault of each host, None where it may be connected to at port 443."""

    async def scenario() -> dict[str, str | None]:
        lookups = Lookups(lambda name: answers[name.partition(".")[0]], timeout=5.0)
        guard = Guard(lookups, egress, is_own=own.__contains__)
        found: dict[str, str | None] = {}
        for host in (f"{name}.example" for name in answers):
            try:
                await guard.addresses(host, 443)
                found[host.partition(".")[0]] = None
            except Unreached as error:
                found[host.partition(".")[0]] = error.failure.fault
        lookups.close()
        return found

    return asyncio.run(scenario())


def test_a_public_address_of_this_machine_is_no_target_unless_it_was_opened() -> None:
    answers = {"own": [PUBLIC], "other": ["8.8.4.4"], "both": ["8.8.4.4", PUBLIC]}
    assert guarded(Egress(), {PUBLIC}, **answers) == {"own": "blocked", "other": None, "both": "blocked"}
    assert guarded(Egress(allowed=parse_openings([f"{PUBLIC}/32"])), {PUBLIC}, **answers) == {"own": None, "other": None, "both": None}


def test_the_port_where_this_server_listens_is_no_target_even_where_the_network_is_open() -> None:
    egress = Egress(allowed=parse_openings(["10.0.0.0/8"]), own_port=443)
    assert guarded(egress, {"10.0.0.1"}, own=["10.0.0.1"], other=["10.0.0.2"]) == {"own": "blocked", "other": None}


@pytest.mark.parametrize(
    ("address", "own"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", True), ("::ffff:127.0.0.1", True)]
)
def test_loopback_is_this_machine(address: str, own: bool) -> None:
    assert is_own(address) is own


def test_an_address_of_somebody_else_is_not_this_machine() -> None:
    assert not is_own(PUBLIC)
    assert not is_own("2001:4860:4860::8888")


# What the operator denies, opens and declares


def sent(egress: Egress, host: str, *answers: str) -> tuple[Response | Failure, int]:
    async def scenario() -> tuple[Response | Failure, int]:
        async with receiving(answering(OK)) as receiver, sending(egress=egress, lookup=lambda _: answers) as sender:
            return await sender.send(request(f"http://{host}:{receiver.port}/")), receiver.connections

    return asyncio.run(scenario())


def test_what_is_denied_is_refused_inside_an_opened_network() -> None:
    egress = Egress(allowed=parse_openings(["127.0.0.0/8"]), denied=parse_networks(["127.0.0.1/32"]))
    assert sent(egress, "127.0.0.1") == (REFUSED_BY_US, 0)
    assert sent(egress, "hooks.example", "127.0.0.1") == (BLOCKED_NAME, 0)


def test_a_port_that_is_not_open_is_refused_whatever_a_name_resolves_to() -> None:
    result, connections = sent(Egress(allowed=parse_openings(["10.0.0.0/8"])), "hooks.example", PUBLIC)
    assert (result, connections) == (BLOCKED_NAME, 0)
    assert sent(Egress(), "hooks.example", PUBLIC) == (REFUSED_BY_US, 0)


def test_an_address_inside_a_translators_prefix_is_judged_by_what_is_inside() -> None:
    egress = Egress(nat64=parse_nat64(["64:ff9b::/96"]), ports=EVERY_PORT)
    assert sent(egress, "[64:ff9b::7f00:1]") == (REFUSED_BY_US, 0)
    assert sent(Egress(ports=EVERY_PORT), "[64:ff9b::808:808]") == (REFUSED_BY_US, 0)


def test_why_a_host_is_blocked_is_told_to_the_operator_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with sending(egress=Egress(), lookup=lambda _: ["10.0.0.1"]) as sender:
            for url in ("http://hooks.example/", "http://hooks.example/again", "http://169.254.169.254/"):
                await sender.send(request(url))

    with caplog.at_level(logging.INFO, "hookwright.senders.guard"):
        asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records] == [
        "requests to hooks.example are blocked: private", "requests to 169.254.169.254 are blocked: link-local, metadata services",
    ]  # fmt: skip


def test_hosts_without_end_do_not_fill_the_memory_of_what_was_said() -> None:
    async def scenario() -> int:
        guard = Guard(Lookups(timeout=1.0), Egress())
        for number in range(MOST_SAID + 10):
            with pytest.raises(Unreached):
                guard.check_host(f"host{number}.internal", 443)
        return len(guard._said)

    assert asyncio.run(scenario()) == MOST_SAID


# Over the API


def test_a_closed_port_is_refused_with_what_would_be_right(tmp_path: Path) -> None:
    with running_server(tmp_path, allow_networks="", allow_ports="443,9000-9010") as server:
        api = fresh(server)
        api.app(uid="a")
        for url in ("https://hooks.example:8443/", "https://8.8.8.8:9011/"):
            refused = api("POST", "/app/a/endpoint", {"url": url})
            assert problems(refused) == ["body.url"]
            assert "right would be 443,9000-9010" in refused.json()["detail"][0]["msg"]
        api.ok("POST", "/app/a/endpoint", {"url": "https://hooks.example:9005/"})
        refused = api("POST", "/app/a/endpoint", {"url": "https://10.0.0.1:8443/"})
        assert "are blocked" in refused.json()["detail"][0]["msg"]


def test_what_is_sent_to_this_very_server_goes_nowhere(tmp_path: Path) -> None:
    """It could be its own next message, without end."""
    port = free_port()
    with running_server(tmp_path, port=port, retry_schedule="3600") as server, Receiver() as receiver:
        api = fresh(server)
        api.app(uid="a")
        itself = api.ok("POST", "/app/a/endpoint", {"url": f"http://localhost:{port}/api/v1/health/ping"})
        other = endpoint(api, receiver)
        message(api)
        assert [each["response"] for each in settled(api, itself["id"], 1)] == [BLOCKED_NAME.detail]
        assert [each["responseStatusCode"] for each in settled(api, other["id"], 1)] == [200]


def test_an_attempt_shows_where_a_redirect_would_have_led(tmp_path: Path) -> None:
    def elsewhere(_: Received) -> web.Response:
        return web.Response(status=308, headers={"Location": "https://elsewhere.example/hook"})

    with running_server(tmp_path, retry_schedule="3600") as server, Receiver(elsewhere) as receiver:
        api = fresh(server)
        api.app(uid="a")
        made = endpoint(api, receiver)
        message(api)
        (attempt,) = settled(api, made["id"], 1)
        assert (attempt["responseStatusCode"], attempt["response"]) == (
            308, "a redirect to https://elsewhere.example/hook, which is not followed",
        )  # fmt: skip
