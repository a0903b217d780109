"""Which addresses a webhook may be sent to. Customers choose the URLs; the network behind us is not theirs.

Duty: nothing is ever connected to that is not on the public internet, unless the operator opened that network. The
tables are our own: Python's `is_global` holds multicast, NAT64, 6to4 and two clouds' metadata services for global.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries; for single addresses the cloud's own documentation.
Of IPv6 only 2000::/3 (IANA: global unicast) can pass, and of that not everything; so loopback, mapped and compatible
forms, NAT64, unique-local, link-local, multicast and what is unallocated need no entry.

Reasons are for the operator's log. A customer is only ever told "blocked": reasons would make us a port scanner.
"""

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
_LOOPBACK = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".onion", ".lan", ".intranet", ".corp", ".home")


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks an operator opens, from CIDR text. Raises ValueError naming the text and what would be right."""
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text.strip()))
        except ValueError as error:
            raise ValueError(f"{text.strip()!r} is not a network like 10.0.0.0/8 or fd00::/8: {error}") from None
    return tuple(networks)


def judge(address: str | Address, allowed: Sequence[Network] = ()) -> str | None:
    """Why this address must not be connected to, or None when it may be. What is no address at all is refused too."""
    if isinstance(address, str):
        try:
            address = ipaddress.ip_address(address)
        except ValueError:
            return "not an address"
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return "an address with a scope"
        address = address.ipv4_mapped or address
    if any(address in network for network in allowed if network.version == address.version):
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return next((reason for network, reason in _V4 if address in network), None)
    if address not in _V6_UNICAST:
        return "not global unicast"
    return next((reason for network, reason in _V6 if address in network), None)


def judge_name(name: str, allowed: Sequence[Network] = ()) -> str | None:
    """Why this host name must not even be looked up, or None. Names only; an address literal is for `judge`.

    A local name needs an opened network to be of use: `localhost` one that holds loopback, any other at least one.
    What it then resolves to is judged all the same.
    """
    bare = name.lower().removesuffix(".")
    if bare == "localhost" or bare.endswith(".localhost"):
        opened = any(network.version == loopback.version and network.overlaps(loopback) for network in allowed for loopback in _LOOPBACK)
        return None if opened else "loopback name"
    if is_local_name(bare) and not allowed:
        return "local name"
    return None


def is_local_name(name: str) -> bool:
    """Whether a name can only mean something inside a network: a single label, or under a suffix for such names."""
    bare = name.lower().removesuffix(".")
    return "." not in bare or bare.endswith(_LOCAL_SUFFIXES)
