"""The one reading of an endpoint's URL.

Duty: every parser that sees the URL later must see the same host, or the address guard judges one host while the
client connects to another. So what parsers are known to disagree about is refused, and the rest is stored in the
normal form of the WHATWG URL Standard, in which they agree: lower-case ASCII host, no default port, no dot segments,
a path that is never empty, and everything that needs it percent-encoded.
"""

import ipaddress
import re
from typing import NamedTuple

import idna

MAX_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}
# https://fetch.spec.whatwg.org/#port-blocking, and more of file sharing, remote desktops, data stores and cluster control (last line)
BAD_PORTS = frozenset(
    {
        0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113,
        115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563,
        587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669,
        6679, 6697, 10080,
        445, 873, 1433, 1521, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 5432, 5900, 6379, 6443, 9042, 9200, 9300, 10250, 10255, 11211,
        27017,
    }
)  # fmt: skip

_SHAPE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?P<authority>[^/?]*)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")
_SEPARATORS = re.compile(r"[/?@]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# The percent-encode sets of the URL Standard; control characters and white space were refused before.
_PATH_ENCODED = frozenset(b'"#<>?^`{}')
_QUERY_ENCODED = frozenset(b"\"#<>'")


class Location(NamedTuple):
    """A URL in its normal form, read. `host` is without brackets, `authority` as it is written; `path` has the query with it."""

    scheme: str
    host: str
    port: int
    authority: str
    path: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def check_url(text: str, *, https_only: bool) -> str:
    """The URL in its normal form. Raises ValueError as `read_url` does."""
    return read_url(text, https_only=https_only).url


def read_url(text: str, *, https_only: bool) -> Location:
    """What a URL says. Raises ValueError, which says what is wrong and what would be right."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the URL is longer than {MAX_LENGTH} characters")
    _refuse_characters(text)
    shape = _SHAPE.fullmatch(text)
    scheme = shape["scheme"].lower() if shape else ""
    if shape is None or scheme not in DEFAULT_PORTS:
        raise ValueError(f"the URL must be absolute, like {'https' if https_only else 'http'}://example.com/path")
    if https_only and scheme != "https":
        raise ValueError("the URL must begin with https://")
    host, port = _read_authority(shape["authority"], scheme)
    written = host if port == DEFAULT_PORTS[scheme] else f"{host}:{port}"
    path = _encode(_without_dot_segments(shape["path"] or "/"), _PATH_ENCODED)
    query = "" if shape["query"] is None else "?" + _encode(shape["query"], _QUERY_ENCODED)
    location = Location(scheme, host.strip("[]"), port, written, path + query)
    if len(location.url) > MAX_LENGTH:
        raise ValueError(f"the URL, percent-encoded, is longer than {MAX_LENGTH} characters")
    return location


def is_authority(text: str) -> bool:
    """Whether `text` is a host, or host and port, that every parser reads alike."""
    parts = _AUTHORITY.fullmatch(text)
    try:
        _refuse_characters(text)
        if parts is None or _SEPARATORS.search(text) or int(parts["port"] or 0) > 65535:
            return False
        _read_host(parts["host"])
    except ValueError:
        return False
    return True


def _refuse_characters(text: str) -> None:
    for char in text:
        if char <= " " or "\x7f" <= char <= "\x9f" or char.isspace():
            raise ValueError("the URL holds white space or a control character; percent-encode it")
        if "\ud800" <= char <= "\udfff":
            raise ValueError("the URL holds a character that is no character (a lone surrogate)")
    if "\\" in text:
        raise ValueError("the URL holds a backslash; use / or %5C")
    if "#" in text:
        raise ValueError("the URL has a fragment (#...), which is never sent; leave it away")


def _read_authority(authority: str, scheme: str) -> tuple[str, int]:
    if "@" in authority:
        raise ValueError("the URL holds a user name or password; send them in an Authorization header instead")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise ValueError("the URL's host and port cannot be read; write host or host:port, and IPv6 as [2001:db8::1]")
    port = int(parts["port"]) if parts["port"] else DEFAULT_PORTS[scheme]
    if port > 65535:
        raise ValueError("the URL's port is larger than 65535")
    if port in BAD_PORTS:
        raise ValueError(f"port {port} is not for HTTP; use 443, 80 or another port")
    return _read_host(parts["host"]), port


def _read_host(text: str) -> str:
    if not text:
        raise ValueError("the URL has no host")
    if "%" in text:
        raise ValueError("the URL's host holds a % sign; write the host without percent-encoding and without a scope")
    if text.startswith("["):
        return _read_ipv6(text[1:-1])
    host = _to_ascii(text)
    labels = host.removesuffix(".").split(".")
    # A host that ends in a number is an IPv4 address to every parser (URL Standard, "ends in a number"), but which one
    # they do not agree on. Tested after the mapping, because full-width digits and their like map to these.
    if _NUMBER.fullmatch(labels[-1]):
        return _read_ipv4(host)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("the URL's host is not a valid host name")
    return host


def _to_ascii(text: str) -> str:
    """UTS #46, then IDNA 2008. What is already ASCII is only lower-cased, but its punycode must mean something."""
    try:
        if text.isascii():
            lowered = text.lower()
            for label in lowered.split("."):
                if label.startswith("xn--"):
                    idna.decode(label)
            return lowered
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except UnicodeError as error:
        raise ValueError("the URL's host is not a valid international name") from error


def _read_ipv4(host: str) -> str:
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise ValueError("an IPv4 host is written as four decimal numbers, like 198.51.100.7") from None


def _read_ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError("the URL's IPv6 host is not valid; write it like [2001:db8::1]") from None
    mapped = address.ipv4_mapped
    if mapped is not None:  # Python 3.13 and later would print the last part with dots
        return f"[::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}]"
    return f"[{address.compressed}]"


def _without_dot_segments(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for place, segment in enumerate(segments, 1):
        plain = segment.lower().replace("%2e", ".")
        if plain not in (".", ".."):
            kept.append(segment)
            continue
        if plain == ".." and kept:
            kept.pop()
        if place == len(segments):
            kept.append("")
    return "/" + "/".join(kept)


def _encode(text: str, encoded: frozenset[int]) -> str:
    return "".join(f"%{byte:02X}" if byte > 126 or byte in encoded else chr(byte) for byte in text.encode())
