"""What is written for an attempt: the head of an HTTP/1.1 request, from a URL and headers that customers chose.

Duty: a request says exactly what it was asked to say, to the host that the URL names, and is one request to every
parser. Rules:

1. A URL is read by `domain.urls` and by nothing else: a second opinion would be a second host.
2. A header's name is a token and its value holds no control character, so none can end a line; and none may speak of
   the body's length, of the host or of the connection, which would be request smuggling.
"""

import functools
import re
from typing import NamedTuple

from hookwright import __version__
from hookwright.domain.urls import read_url

USER_AGENT = f"Hookwright/{__version__} (+https://github.com/hookwright/hookwright)"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = frozenset(
    {
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_OURS = {"accept-encoding": "Accept-Encoding: identity", "user-agent": f"User-Agent: {USER_AGENT}", "accept": "Accept: */*"}
"""Said with every request, unless the caller says otherwise; of the first there is no otherwise."""


class Target(NamedTuple):
    """Where a URL leads. `host` is without brackets; `head` is what every request to this URL begins with, after its method."""

    secure: bool
    host: str
    port: int
    head: str


@functools.lru_cache(maxsize=8192)
def target_of(url: str) -> Target:
    """Raises ValueError for what `domain.urls` does not take."""
    found = read_url(url, https_only=False)
    # The root dot is for the resolver: no server is set up for a name that ends in it.
    authority = found.authority.replace(".:", ":").rstrip(".")
    return Target(found.scheme == "https", found.host, found.port, f" {found.path} HTTP/1.1\r\nHost: {authority}\r\n")


def write_head(method: str, head: str, headers: tuple[tuple[str, str], ...], length: int) -> bytes:
    """The method and a target's `head`, then `headers` and what we say ourselves, for a body of `length` bytes. Raises ValueError."""
    lines, theirs = [method, head], frozenset[str]()
    for name, value in headers:
        start, ours = _start_line(name)
        # The first test is quicker, but knows no tab; most values pass it.
        if not value.isprintable() and _CONTROL.search(value) is not None:
            raise ValueError(f"the header {name} holds a control character")
        if ours:
            theirs |= {ours}
            if ours == "accept-encoding":
                continue
        lines += start, value, "\r\n"
    lines += _our_lines(theirs), str(length), "\r\n\r\n"
    return "".join(lines).encode()


@functools.lru_cache(maxsize=1024)
def _start_line(name: str) -> tuple[str, str]:
    """What a header's line begins with, and which of `_OURS` it takes the place of, if any."""
    lowered = name.lower()
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header's name is not a token")
    if lowered in _FRAMING:
        raise ValueError(f"the header {name} is the sender's to set")
    return f"{name}: ", lowered if lowered in _OURS else ""


@functools.lru_cache(maxsize=8)
def _our_lines(theirs: frozenset[str]) -> str:
    said = [line for name, line in _OURS.items() if name not in theirs or name == "accept-encoding"]
    return "\r\n".join([*said, "Content-Length: "])
