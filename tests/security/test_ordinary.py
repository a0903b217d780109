"""A thousand ordinary hosts: whoever guards too much is switched off."""

import asyncio
import ipaddress
import random
from collections.abc import Iterator

from hookwright.api.endpoint_models import EndpointRules
from hookwright.api.endpoint_rules import check_target
from hookwright.domain.egress import WEB_PORTS
from hookwright.errors import Problem
from hookwright.sender import Failure
from tests.integration.receivers import request, sending
from tests.zoo.nets import faked_net

SEED = 7
WORDS = (
    "acme", "api", "billing", "blue", "cloud", "corp", "data", "events", "garden", "hello", "home", "hooks", "internal", "intranet", "lan",
    "local", "localhost", "mail", "metadata", "north", "orders", "pay", "private", "shop", "svc", "test", "web", "x", "zebra", "127-0-0-1",
    "10", "0x7f", "a--b", "_dmarc", "instance-data", "onion",
)  # fmt: skip
ENDINGS = (
    "com",
    "org",
    "net",
    "io",
    "dev",
    "app",
    "de",
    "co.uk",
    "com.br",
    "cloud",
    "example",
    "consulting",
    "travel",
    "localnet.com",
    "i.ng",
)
INTERNATIONAL = (
    "münchen",
    "köln",
    "zażółć",
    "пример",
    "παράδειγμα",
    "例え",
    "한국",
    "उदाहरण",
    "مثال",
    "straße",
    "ñandú",
    "café",
    "tårnby",
    "日本語",
)
# /8 networks in which the registries keep nothing for special purposes, and allocated prefixes of IPv6
OCTETS = (
    1,
    2,
    3,
    5,
    8,
    9,
    11,
    12,
    13,
    17,
    20,
    23,
    31,
    34,
    35,
    40,
    44,
    52,
    54,
    63,
    74,
    81,
    92,
    101,
    104,
    126,
    128,
    142,
    151,
    170,
    185,
    194,
    209,
    223,
)
PREFIXES = (
    "2001:4860::",
    "2400:cb00::",
    "2600:9000::",
    "2606:4700::",
    "2620:0:860::",
    "2800:3f0::",
    "2a00:1450::",
    "2a03:2880::",
    "2c0f:fb50::",
)


def names(rand: random.Random) -> Iterator[str]:
    for _ in range(400):
        labels = [rand.choice(WORDS) for _ in range(rand.randrange(1, 4))]
        yield ".".join([*labels, f"{rand.choice(WORDS).replace('_', '')}{rand.randrange(1000)}", rand.choice(ENDINGS)])
    for _ in range(150):
        yield f"{rand.choice(INTERNATIONAL)}{rand.choice(['', '24'])}.{rand.choice(ENDINGS)}"


def ipv4(rand: random.Random) -> str:
    return ".".join(map(str, (rand.choice(OCTETS), rand.randrange(256), rand.randrange(256), rand.randrange(256))))


def ipv6(rand: random.Random) -> str:
    prefix = int(ipaddress.IPv6Address(rand.choice(PREFIXES)))
    return str(ipaddress.IPv6Address(prefix | rand.getrandbits(64)))


def hosts() -> list[str]:
    rand = random.Random(SEED)
    made = [*names(rand), *(ipv4(rand) for _ in range(300)), *(f"[{ipv6(rand)}]" for _ in range(150))]
    assert len(made) == 1000
    return made


def test_none_of_a_thousand_ordinary_hosts_is_blocked() -> None:
    rand = random.Random(SEED)
    ports = [first for first, _ in WEB_PORTS]

    def resolve(_: str) -> list[str]:
        return [rand.choice([ipv4, ipv6])(rand) for _ in range(rand.randrange(1, 5))]

    async def scenario() -> tuple[list[str], int]:
        blocked = []
        with faked_net() as net:
            async with sending(allowed=(), lookup=resolve) as sender:
                for host in hosts():
                    problems: list[Problem] = []
                    url = check_target(f"https://{host}:{rand.choice(ports)}/hooks?n=1", EndpointRules(), problems)
                    result = await sender.send(request(url))
                    if problems or not isinstance(result, Failure) or result.fault != "refused":
                        blocked.append(f"{host}: {problems} {result}")
        return blocked, len(net.dialed)

    blocked, dialed = asyncio.run(scenario())
    assert blocked == []
    assert dialed >= 1000
