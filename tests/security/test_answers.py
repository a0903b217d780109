"""What a receiver answers, and what the operator has set, lead nowhere either: redirects, proxies, opened networks."""

import asyncio

import pytest

from hookwright.domain.addresses import parse_networks
from hookwright.domain.egress import Egress, parse_nat64, parse_openings
from hookwright.sender import Failure, Response
from tests.integration.receivers import EVERY_PORT, answering, receiving, request, sending
from tests.security.canary import canary
from tests.zoo.bodies import with_length
from tests.zoo.nets import faked_net
from tests.zoo.proxies import proxying

PLACES = (
    b"Location: http://127.0.0.1:PORT/", b"Location: //127.0.0.1:PORT/", b"location: HTTP://LOCALHOST:PORT/", b"Location: http://[::1]:PORT/",
    b"Location:\thttp://127.0.0.1:PORT/", b"Content-Location: http://127.0.0.1:PORT/", b"Refresh: 0; url=http://127.0.0.1:PORT/",
    b"Link: <http://127.0.0.1:PORT/>; rel=preload", b'Alt-Svc: http/1.1="127.0.0.1:PORT"', b"Set-Cookie: a=b; Domain=127.0.0.1",
    b"Proxy-Status: x; next-hop=127.0.0.1:PORT", b"Upgrade: h2c", b'WWW-Authenticate: Basic realm="http://127.0.0.1:PORT/"',
)  # fmt: skip
STATUSES = (200, 201, 300, 301, 302, 303, 305, 307, 308, 401, 407, 421, 426, 503)


@pytest.mark.parametrize("line", PLACES, ids=lambda line: line.decode())
def test_no_answer_makes_us_go_elsewhere(line: bytes) -> None:
    async def scenario(port: int) -> list[Response | Failure]:
        results = []
        for status in STATUSES:
            answer = with_length(b"", line.replace(b"PORT", b"%d" % port), status=b"%d Answer" % status)
            async with (
                receiving(answering(answer), host="127.0.0.2") as receiver,
                sending(allowed=parse_openings(["127.0.0.2/32"])) as sender,
            ):
                results += [await sender.send(request(f"http://127.0.0.2:{receiver.port}/", last=last)) for last in (False, True)]
        return results

    with canary() as watching:
        results = asyncio.run(scenario(watching.port))
    assert watching.reached == []
    assert [result.status for result in results if isinstance(result, Response)] == [status for status in STATUSES for _ in range(2)]


# Networks as operators set them up: each opens what it says, and nothing beside it

CONFIGURATIONS = {
    "a private network is open": (Egress(allowed=parse_openings(["10.0.0.0/8"]), ports=EVERY_PORT), ["http://127.0.0.1:PORT/"]),
    "another host of this network is open": (
        Egress(allowed=parse_openings(["127.0.0.9/32"]), ports=EVERY_PORT),
        ["http://127.0.0.1:PORT/"],
    ),
    "IPv6 loopback is open": (
        Egress(allowed=parse_openings(["::1/128"]), ports=EVERY_PORT),
        ["http://127.0.0.1:PORT/", "http://[::ffff:7f00:1]:PORT/"],
    ),
    "IPv4 loopback is open": (
        Egress(allowed=parse_openings(["127.0.0.0/8"]), ports=EVERY_PORT),
        ["http://[::1]:PORT/", "http://[::7f00:1]:PORT/"],
    ),
    "all mapped addresses are open": (
        Egress(allowed=parse_openings(["::ffff:0:0/96"]), ports=EVERY_PORT),
        ["http://[::ffff:7f00:1]:PORT/"],
    ),
    "every port is open": (Egress(ports=EVERY_PORT), ["http://127.0.0.1:PORT/", "http://[::1]:PORT/", "http://localhost:PORT/"]),
    "a translator is declared": (Egress(nat64=parse_nat64(["64:ff9b::/96"]), ports=EVERY_PORT), ["http://[64:ff9b::7f00:1]:PORT/"]),
    "a translator and a network": (
        Egress(nat64=parse_nat64(["64:ff9b::/96"]), allowed=parse_openings(["10.0.0.0/8"]), ports=EVERY_PORT),
        ["http://[64:ff9b::7f00:1]:PORT/", "http://[64:ff9b::a9fe:a9fe]/"],
    ),
    "opened and denied": (
        Egress(allowed=parse_openings(["127.0.0.0/8"]), denied=parse_networks(["127.0.0.1/32"]), ports=EVERY_PORT),
        ["http://127.0.0.1:PORT/", "http://[::ffff:7f00:1]:PORT/", "http://hooks.example:PORT/"],
    ),
    "this server listens there": (Egress(allowed=parse_openings(["127.0.0.0/8"]), own_port=-1), ["http://127.0.0.1:PORT/"]),
}


@pytest.mark.parametrize("name", list(CONFIGURATIONS))
def test_what_is_open_opens_nothing_else(name: str) -> None:
    egress, urls = CONFIGURATIONS[name]

    async def scenario(port: int) -> list[Response | Failure]:
        own = Egress(allowed=egress.allowed, own_port=port) if egress.own_port else egress
        with faked_net() as net:
            async with sending(egress=own, lookup=lambda _: ["127.0.0.1"]) as sender:
                results = [await sender.send(request(url.replace("PORT", str(port)))) for url in urls]
        assert net.dialed == []
        return results

    with canary() as watching:
        results = asyncio.run(scenario(watching.port))
    assert watching.reached == []
    assert {result.fault for result in results if isinstance(result, Failure)} == {"blocked"}
    assert len(results) == len(urls)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_is_no_way_out(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    async def scenario() -> list[tuple[str, int]]:
        with faked_net() as net:
            async with sending(allowed=(), lookup=lambda _: ["8.8.8.8"]) as sender:
                for scheme in ("http", "https"):
                    await sender.send(request(f"{scheme}://hooks.example/"))
        return net.dialed

    with canary() as watching:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{watching.port}")
        assert asyncio.run(scenario()) == [("8.8.8.8", 80), ("8.8.8.8", 443)]
    assert watching.reached == []


def test_with_a_proxy_nothing_is_connected_to_but_the_proxy() -> None:
    async def scenario(port: int) -> tuple[set[tuple[str, int]], int, list[str]]:
        async with proxying(answer=b"HTTP/1.1 503 No\r\n\r\n") as proxy:
            with faked_net() as net:
                async with sending(allowed=(), proxy=proxy.proxy, lookup=lambda _: ["127.0.0.1"]) as sender:
                    for host in ("hooks.example", "8.8.8.8", "127.0.0.1", "[::1]", "localhost", "metadata.google.internal"):
                        for scheme in ("http", "https"):
                            await sender.send(request(f"{scheme}://{host}:{port}/"))
            return set(net.dialed), proxy.port, sorted(set(proxy.asked))

    with canary() as watching:
        dialed, port, asked = asyncio.run(scenario(watching.port))
    assert watching.reached == []
    assert dialed == {("127.0.0.1", port)}
    assert asked == [f"8.8.8.8:{watching.port}", f"hooks.example:{watching.port}"]
