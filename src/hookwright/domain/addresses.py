"""Which addresses are on the public internet, and which names can only mean something inside a network.

Duty: nothing is ever connected to that is not on the public internet, unless the operator opened it (`domain.egress`). The
tables are our own: Python's `is_global` holds multicast, NAT64, 6to4 and two clouds' metadata services for global.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries; for single addresses the cloud's own documentation.
Of IPv6 only 2000::/3 (IANA: global unicast) can pass, and of that not everything; so loopback, mapped and compatible
forms, NAT64, unique-local, link-local, multicast and what is unallocated need no entry.

Reasons are for the operator's log. A customer is only ever told "blocked": reasons would make us a port scanner.
"""

import functools
import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_V4 = tuple(
    (ipaddress.IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "Azure wire server"),
        ("169.254.0.0/16", "link-local, metadata services"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "IETF protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "AMT"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, broadcast"),
    )
)
_V6_UNICAST = ipaddress.IPv6Network("2000::/3")
_V6 = tuple(
    (ipaddress.IPv6Network(network), reason)
    for network, reason in (
        ("2001::/23", "IETF protocol assignments, Teredo"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
    )
)
_LOCAL_SUFFIXES = (
    ".localhost", ".localdomain", ".local", ".internal", ".home.arpa", ".onion", ".lan", ".intranet", ".private", ".corp", ".home",
    ".svc", ".consul",
)  # fmt: skip


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from CIDR text. Raises ValueError naming the text and what would be right."""
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text.strip()))
        except ValueError as error:
            raise ValueError(f"{text.strip()!r} is not a network like 10.0.0.0/8 or fd00::/8: {error}") from None
    return tuple(networks)


def is_address(host: str) -> bool:
    """Whether a host (without brackets) is an address; else it is a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def read_address(text: str, nat64: Sequence[Network] = ()) -> Address:
    """The address that packets would go to: an IPv4 address where it is inside an IPv6 one (mapped, or behind `nat64`, of 96 bits).

    Raises ValueError with the reason why none can be connected to.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("not an address") from None
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.scope_id is not None:
        raise ValueError("an address with a scope")
    if any(address in network for network in nat64):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address


@functools.lru_cache(maxsize=4096)
def judge(address: str | Address) -> str | None:
    """Why this is not on the public internet, or None when it is. What is no address at all is not."""
    try:
        read = read_address(str(address))
    except ValueError as error:
        return str(error)
    if isinstance(read, ipaddress.IPv4Address):
        return next((reason for network, reason in _V4 if read in network), None)
    if read not in _V6_UNICAST:
        return "not global unicast"
    return next((reason for network, reason in _V6 if read in network), None)


def is_loopback_name(name: str) -> bool:
    """RFC 6761, 6.3: resolvers may hold these for loopback without asking."""
    bare = name.lower().removesuffix(".")
    return bare == "localhost" or bare.endswith(".localhost")


def is_local_name(name: str) -> bool:
    """Whether a name can only mean something inside a network: a single label, or under a suffix for such names."""
    bare = name.lower().removesuffix(".")
    return "." not in bare or bare.endswith(_LOCAL_SUFFIXES)
