"""The HTTP sender behind an operator's forward proxy: what goes by it, what never reaches it, and whose fault is what."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import pytest

from hookwright.domain.proxies import Proxy
from hookwright.sender import Failure, Response
from hookwright.senders import tunnels
from hookwright.senders.faults import (
    BLOCKED_NAME,
    LATE_CONNECTION,
    NO_ADDRESS,
    NO_TUNNEL,
    PROXY_MALFORMED,
    PROXY_UNREACHED,
    REFUSED_BY_US,
    UNREACHABLE,
)
from tests.certificates import Authority, server_context
from tests.integration.receivers import BODY, OK, answering, closing, receiving, request, sending, silent
from tests.integration.sockets import FINE, Run, all_closed, pool_of, sockets
from tests.zoo.proxies import ESTABLISHED, proxying


def no_lookup(name: str) -> Sequence[str]:
    raise AssertionError(f"{name} was looked up here")


def through(answer: bytes, **options: Any) -> Response | Failure:
    """What comes of an attempt when the proxy answers that, and closes."""

    async def scenario() -> Response | Failure:
        async with proxying(answer=answer) as proxy, sending(allowed=(), proxy=proxy.proxy, lookup=no_lookup, **options) as sender:
            return await sender.send(request("https://hooks.example/"))

    return asyncio.run(scenario())


def test_a_request_goes_by_a_tunnel_for_its_host_and_is_kept_open_there(run: Run) -> None:
    async def scenario() -> tuple[list[Response | Failure], list[str], int, bytes]:
        async with receiving(answering(OK)) as receiver, proxying({"hooks.example:80": receiver.port}) as proxy:
            async with sending(allowed=(), proxy=proxy.proxy, lookup=no_lookup) as sender:
                results = [await sender.send(request("http://hooks.example/a")) for _ in range(3)]
            return results, proxy.asked, receiver.connections, receiver.requests[0]

    results, asked, connections, sent = run(scenario())
    assert (results, asked, connections) == ([FINE] * 3, ["hooks.example:80"], 1)
    assert sent.startswith(b"POST /a HTTP/1.1\r\nHost: hooks.example\r\n")
    assert sent.endswith(b"\r\n\r\n" + BODY)


def test_tls_is_with_the_host_and_not_with_the_proxy(run: Run) -> None:
    root = Authority()
    server, client = server_context(root.issue(addresses=(), names=["hooks.example"])), ssl.create_default_context(cadata=root.pem)

    async def scenario() -> list[str]:
        async with receiving(answering(OK), tls=server) as receiver:
            routes = {"hooks.example:443": receiver.port, "other.example:443": receiver.port}
            async with proxying(routes) as proxy, sending(allowed=(), proxy=proxy.proxy, tls=client) as sender:
                assert await sender.send(request("https://hooks.example/")) == FINE
                other = await sender.send(request("https://other.example/"))
                assert isinstance(other, Failure)
                assert other.fault == "tls"
            return proxy.asked

    assert run(scenario()) == ["hooks.example:443", "other.example:443"]


def test_the_proxys_credentials_are_for_the_proxy_alone() -> None:
    async def scenario() -> tuple[bytes, bytes]:
        async with receiving(answering(OK)) as receiver, proxying({"hooks.example:80": receiver.port}) as proxy:
            known = Proxy("127.0.0.1", proxy.port, "Basic dXNlcjpwYXNz")
            async with sending(allowed=(), proxy=known) as sender:
                assert await sender.send(request("http://hooks.example/")) == FINE
            return proxy.heads[0], receiver.requests[0]

    asked, sent = asyncio.run(scenario())
    assert b"\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n" in asked
    assert b"webhook-id" not in asked
    assert b"dXNlcjpwYXNz" not in sent


def test_a_proxy_with_a_name_of_this_network_is_looked_up() -> None:
    async def scenario() -> tuple[Response | Failure, list[str]]:
        asked: list[str] = []

        def lookup(name: str) -> Sequence[str]:
            asked.append(name)
            return ["127.0.0.9", "127.0.0.1"]

        async with (
            receiving(answering(OK)) as receiver,
            proxying({"hooks.example:80": receiver.port}) as proxy,
            sending(allowed=(), proxy=Proxy("smokescreen", proxy.port), lookup=lookup) as sender,
        ):
            return await sender.send(request("http://hooks.example/")), asked

    assert asyncio.run(scenario()) == (FINE, ["smokescreen"])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "https://[::1]/", "http://[::ffff:7f00:1]/", "http://169.254.169.254/", "http://localhost/", "http://metadata/",
        "http://metadata.google.internal/", "https://[64:ff9b::7f00:1]/",
    ],
)  # fmt: skip
def test_what_can_be_judged_without_a_lookup_never_reaches_the_proxy(url: str) -> None:
    async def scenario() -> tuple[Response | Failure, list[bytes]]:
        async with proxying() as proxy, sending(allowed=(), proxy=proxy.proxy) as sender:
            return await sender.send(request(url)), proxy.heads

    assert asyncio.run(scenario()) == (REFUSED_BY_US, [])


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_the_environment_opens_no_way_around_the_proxy(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "*")
    assert through(b"HTTP/1.1 503 No\r\n\r\n") == Failure("proxy", "the proxy of this server answered with status 503", ours=True)


@pytest.mark.parametrize("status", [400, 403, 407, 429, 500, 502, 503, 504])
def test_a_proxy_that_refuses_is_a_fault_of_ours(status: int) -> None:
    result = through(f"HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno".encode())
    assert result == Failure("proxy", f"the proxy of this server answered with status {status}", ours=True)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200",
        b"\0" * 100_000,
        ESTABLISHED + b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 999 No\r\n\r\n",
    ],
    ids=["no HTTP", "cut", "endless", "an answer before a question", "no status"],
)
def test_a_proxy_that_answers_like_none_is_a_fault_of_ours(answer: bytes) -> None:
    assert through(answer) == PROXY_MALFORMED


def test_a_proxy_that_is_not_there_is_a_fault_of_ours(run: Run) -> None:
    async def scenario() -> Response | Failure:
        before = sockets()
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            async with sending(allowed=(), proxy=Proxy("127.0.0.1", unused.getsockname()[1])) as sender:
                result = await sender.send(request("https://hooks.example/"))
        await all_closed(before)
        return result

    assert run(scenario()) == PROXY_UNREACHED


def test_a_proxy_whose_name_means_nothing_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> Response | Failure:
        async with sending(allowed=(), proxy=Proxy("nowhere", 3128), lookup=lambda _: []) as sender:
            return await sender.send(request("https://hooks.example/"))

    assert asyncio.run(scenario()) == PROXY_UNREACHED


def test_a_proxy_that_cannot_be_connected_to_in_time_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> tuple[str, ...]:
        await asyncio.Event().wait()
        return ()

    async def scenario() -> Response | Failure:
        async with sending(allowed=(), proxy=Proxy("127.0.0.1", 1)) as sender:
            return await sender.send(request("https://hooks.example/"))

    monkeypatch.setattr(tunnels, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(tunnels.Tunnels, "_addresses", hang)
    assert asyncio.run(scenario()) == PROXY_UNREACHED


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (b"407 Request rejected by proxy\r\nX-Smokescreen-Error: Egress proxying is denied to host 'a': The destination address (10.0.0.1) "
            b"was denied by rule 'Deny: Private Range'.", BLOCKED_NAME),
        (b"502 Bad gateway\r\nX-Smokescreen-Error: Failed to connect to remote host: connection refused", UNREACHABLE),
        (b"502 Bad gateway\r\nX-Smokescreen-Error: lookup a.example : no such host", NO_ADDRESS),
        (b"502 Bad gateway\r\nX-Smokescreen-Error: Failed to resolve remote hostname: no such host", NO_ADDRESS),
        (b"504 Gateway timeout\r\nX-Smokescreen-Error: Timed out connecting to remote host: i/o timeout", UNREACHABLE),
        (b"503 Service Unavailable\r\nX-Squid-Error: ERR_CONNECT_FAIL 111", UNREACHABLE),
        (b"503 Service Unavailable\r\nX-Squid-Error: ERR_DNS_FAIL 0", NO_ADDRESS),
        (b"502 Bad Gateway\r\nProxy-Status: proxy.example; error=connection_refused", UNREACHABLE),
        (b"502 Bad Gateway\r\nproxy-status: proxy.example;error=dns_error;rcode=NXDOMAIN", NO_ADDRESS),
        (b"403 Forbidden\r\nProxy-Status: proxy.example; error=destination_ip_prohibited", BLOCKED_NAME),
    ],
)  # fmt: skip
def test_only_what_the_proxy_says_of_the_target_is_the_targets_fault(answer: bytes, result: Failure) -> None:
    assert not result.ours
    assert through(b"HTTP/1.1 " + answer + b"\r\n\r\n") == result


@pytest.mark.parametrize(
    "answer",
    [
        b"407 Request rejected by proxy\r\nX-Smokescreen-Error: Egress proxying is denied to host 'a': rule has no such role.",
        b"500 Internal server error\r\nX-Smokescreen-Error: An unexpected error occurred",
        b"403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0",
        b"502 Bad Gateway\r\nProxy-Status: proxy.example; error=proxy_internal_error",
    ],
)
def test_what_the_proxy_says_of_itself_is_ours(answer: bytes) -> None:
    result = through(b"HTTP/1.1 " + answer + b"\r\n\r\n")
    assert isinstance(result, Failure)
    assert (result.fault, result.ours) == ("proxy", True)


# A proxy that refuses one target and says nothing of whose fault it is


def refused_beside(answer: bytes, *, working: bool = True, times: int = 1) -> list[Response | Failure]:
    """What comes of attempts at a host that the proxy refuses, after one at another that it does not refuse if it is `working`."""

    async def scenario() -> list[Response | Failure]:
        async with receiving(answering(OK)) as receiver:
            refusals = {f"{host}.example:80": b"HTTP/1.1 " + answer + b"\r\n\r\n" for host in ("inside", *(() if working else ("hooks",)))}
            async with (
                proxying({"hooks.example:80": receiver.port}, refusals=refusals) as proxy,
                sending(allowed=(), proxy=proxy.proxy, lookup=no_lookup) as sender,
            ):
                await sender.send(request("http://hooks.example/"))
                return [await sender.send(request("http://inside.example/")) for _ in range(times)]

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "answer", [b"403 Forbidden", b"403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0", b"407 No\r\nX-Smokescreen-Error: rule says no"]
)
def test_a_target_that_a_working_proxy_refuses_is_told_of_as_one_that_does_not_exist(answer: bytes) -> None:
    assert refused_beside(answer, times=3) == [BLOCKED_NAME] * 3
    assert BLOCKED_NAME.detail == NO_ADDRESS.detail


@pytest.mark.parametrize("answer", [b"502 Bad Gateway", b"503 Service Unavailable", b"504 Gateway Timeout"])
def test_a_target_to_which_a_working_proxy_has_no_way_costs_its_attempt_and_keeps_nobody_back(answer: bytes) -> None:
    assert refused_beside(answer) == [NO_TUNNEL]
    assert (NO_TUNNEL.ours, NO_TUNNEL.fault) == (True, "connection")  # a fault "proxy" would make all others wait


def test_a_proxy_that_refuses_all_is_the_one_to_blame() -> None:
    (result,) = refused_beside(b"403 Forbidden", working=False)
    assert result == Failure("proxy", "the proxy of this server answered with status 403", ours=True)


def test_credentials_that_the_proxy_does_not_take_are_never_the_targets_fault() -> None:
    (result,) = refused_beside(b"407 Proxy Authentication Required\r\nProxy-Authenticate: Basic")
    assert result == Failure("proxy", "the proxy of this server answered with status 407", ours=True)


def test_a_proxy_is_known_to_work_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnels, "WORKING_SECONDS", 0.0)
    (result,) = refused_beside(b"403 Forbidden")
    assert isinstance(result, Failure)
    assert result.fault == "proxy"


def test_a_way_to_the_very_host_says_nothing_about_its_refusal(run: Run) -> None:
    """As when the proxy's credentials are revoked while only one host is sent to."""

    async def scenario() -> Response | Failure:
        refusals: dict[str, bytes] = {}
        async with (
            receiving(closing(OK)) as receiver,
            proxying({"hooks.example:80": receiver.port}, refusals=refusals) as proxy,
            sending(allowed=(), proxy=proxy.proxy, lookup=no_lookup) as sender,
        ):
            await sender.send(request("http://hooks.example/"))
            refusals["hooks.example:80"] = b"HTTP/1.1 403 Forbidden\r\n\r\n"
            return await sender.send(request("http://hooks.example/", last=True))

    assert run(scenario()) == Failure("proxy", "the proxy of this server answered with status 403", ours=True)


def test_a_proxy_of_which_one_address_says_nothing_is_reached_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> Response | Failure:
        async with receiving(answering(OK)) as receiver, proxying({"hooks.example:80": receiver.port}) as proxy:
            loop = asyncio.get_running_loop()
            connect = loop.create_connection

            async def dead_at_first(make: Any, host: str, port: int, **options: Any) -> Any:
                if host == "127.0.0.9":
                    await asyncio.Event().wait()
                return await connect(make, host, port, **options)

            monkeypatch.setattr(loop, "create_connection", dead_at_first)
            addresses = ["127.0.0.9", "127.0.0.1"]
            async with sending(allowed=(), proxy=Proxy("smokescreen", proxy.port), lookup=lambda _: addresses) as sender:
                return await sender.send(request("http://hooks.example/"))

    monkeypatch.setattr(tunnels, "CONNECT_SECONDS", 1.0)
    assert asyncio.run(scenario()) == FINE


def test_a_tunnel_that_does_not_come_is_the_targets_as_a_connection_that_does_not_come_would_be(run: Run) -> None:
    async def scenario() -> Response | Failure:
        before = sockets()
        async with proxying(answer=b"") as proxy, sending(allowed=(), proxy=proxy.proxy, connect_timeout=0.1) as sender:
            result = await sender.send(request("https://hooks.example/"))
            await proxy.ended.wait()
        await all_closed(before)
        return result

    assert run(scenario()) == LATE_CONNECTION


def test_a_cancelled_attempt_leaves_no_tunnel_and_no_place_taken(run: Run) -> None:
    async def scenario() -> None:
        before = sockets()
        async with (
            receiving(silent) as receiver,
            proxying({"hooks.example:80": receiver.port}) as proxy,
            sending(allowed=(), proxy=proxy.proxy) as sender,
        ):
            for turns in range(12):
                sent = asyncio.ensure_future(sender.send(request("http://hooks.example/")))
                for _ in range(turns):
                    await asyncio.sleep(0)
                sent.cancel()
                await asyncio.wait([sent])
            assert pool_of(sender)._in_use == 0
        await all_closed(before)

    run(scenario())
