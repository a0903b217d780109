"""Where this installation may send: the public internet, on the ports of the web, and what its operator made of that.

Duty: one judgement of a host and port for all who send or let somebody configure where to: when an endpoint is set up, before a
name is looked up, before an address is connected to, and of the connected socket. In this order:

1. What is in `denied` is refused, whatever else says.
2. What is in `allowed` may be reached, on the ports that it was opened on.
3. What is not on the public internet (`domain.addresses`) is refused.
4. Of the rest, `ports` may be reached.

Ports that are never HTTP are refused before, by `domain.urls`, everywhere.
"""

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from hookwright.domain.addresses import Address, Network, is_address, is_local_name, is_loopback_name, judge, parse_networks, read_address

Ports = tuple[tuple[int, int], ...]
"""Ranges, each with its first and its last port."""

EVERY_PORT: Ports = ((1, 65535),)
WEB_PORTS: Ports = ((80, 80), (443, 443), (8080, 8080), (8443, 8443))
NAT64_PREFIX = 96
_LOOPBACK = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))


class Opening(NamedTuple):
    """A network that the operator opened, on `ports`."""

    network: Network
    ports: Ports = EVERY_PORT

    def __str__(self) -> str:
        if self.ports == EVERY_PORT:
            return str(self.network)
        return f"[{self.network}]:{show_ports(self.ports)}" if self.network.version == 6 else f"{self.network}:{show_ports(self.ports)}"


class Egress(msgspec.Struct, frozen=True, kw_only=True):
    """`nat64`: the prefixes by which this network, which has IPv6 alone, reaches IPv4; nowhere else do such addresses
    mean anything. `own_port`: where this server itself listens; it is no target on this machine, opened or not (0: not known yet).
    """

    allowed: tuple[Opening, ...] = ()
    denied: tuple[Network, ...] = ()
    ports: Ports = WEB_PORTS
    nat64: tuple[Network, ...] = ()
    own_port: int = 0

    def judge(self, address: str, port: int) -> str | None:
        """Why this address must not be connected to at this port, or None when it may be. What is no address is refused too."""
        try:
            read = read_address(address, self.nat64)
        except ValueError as error:
            return str(error)
        if any(_holds(network, read) for network in self.denied):
            return "denied by the operator"
        if self._opens(read, port):
            return None
        return judge(read) or self.judge_port(port)

    def judge_name(self, name: str, port: int) -> str | None:
        """Why this host name must not even be looked up, or None. What it then resolves to is judged all the same.

        A local name needs an opened network to be of use: `localhost` one that holds loopback, any other at least one. And where
        a network is open, a name may lead into it, on any port.
        """
        if is_loopback_name(name):
            return None if any(_overlap(each.network, loopback) for each in self.allowed for loopback in _LOOPBACK) else "loopback name"
        if self.allowed:
            return None
        return "local name" if is_local_name(name) else self.judge_port(port)

    def judge_host(self, host: str, port: int) -> str | None:
        """By what can be known without a lookup. `host` is without brackets."""
        return self.judge(host, port) if is_address(host) else self.judge_name(host, port)

    def judge_port(self, port: int) -> str | None:
        return None if _within(self.ports, port) else f"port {port}"

    def is_opened(self, address: str, port: int) -> bool:
        """Whether the operator opened a network with this address in it, on this port."""
        try:
            return self._opens(read_address(address, self.nat64), port)
        except ValueError:
            return False

    def _opens(self, address: Address, port: int) -> bool:
        return any(_holds(each.network, address) and _within(each.ports, port) for each in self.allowed)


def _holds(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network


def _within(ports: Ports, port: int) -> bool:
    return any(first <= port <= last for first, last in ports)


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def parse_openings(texts: Iterable[str]) -> tuple[Opening, ...]:
    """Networks, with a port or a range of ports behind a colon if they are not open on every one. Raises ValueError."""
    return tuple(_parse_opening(text.strip()) for text in texts)


def _parse_opening(text: str) -> Opening:
    network, port = _split_port(text)
    (parsed,) = parse_networks([network])
    return Opening(parsed) if port is None else Opening(parsed, parse_ports([port]))


def _split_port(text: str) -> tuple[str, str | None]:
    """Of IPv6 a port can only be told behind the prefix's length or the brackets; elsewhere it would be a part of the address."""
    bracketed, _, rest = text.removeprefix("[").partition("]")
    if text.startswith("[") and rest.startswith(":"):
        return bracketed, rest[1:]
    address, slash, length = text.partition("/")
    before, colon, port = (length if slash else address).partition(":")
    if not colon or (not slash and ":" in port):
        return text, None
    return f"{address}/{before}" if slash else before, port


def parse_ports(texts: Iterable[str]) -> Ports:
    """Ports and ranges of ports, like 443 or 1024-65535. Raises ValueError naming the text and what would be right."""
    return tuple(_parse_port(text.strip()) for text in texts)


def _parse_port(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    ends = first, last if dash else first
    if not all(end.isascii() and end.isdigit() and len(end) <= 5 for end in ends) or not 1 <= int(first) <= int(ends[1]) <= 65535:
        raise ValueError(f"{text!r} is not a port like 443, or a range of ports like 1024-65535")
    return int(first), int(ends[1])


def show_ports(ports: Ports) -> str:
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ports)


def parse_nat64(texts: Iterable[str]) -> tuple[Network, ...]:
    """Prefixes of 96 bits: behind shorter ones (RFC 6052, 2.2) the IPv4 address stands elsewhere. Raises ValueError."""
    return tuple(_parse_prefix(text.strip()) for text in texts)


def _parse_prefix(text: str) -> Network:
    wrong = ValueError(f"{text!r} is not a NAT64 prefix of 96 bits, like 64:ff9b::/96")
    try:
        network = ipaddress.IPv6Network(text)
    except ValueError:
        raise wrong from None
    if network.prefixlen != NAT64_PREFIX:
        raise wrong
    return network
