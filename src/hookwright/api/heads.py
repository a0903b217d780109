"""What is judged of a request's head beyond its syntax, on which the parser has the say. Header names are in lower case."""

import re
from collections.abc import Sequence

from httptools import HttpRequestParser

Headers = Sequence[tuple[bytes, bytes]]

HOST = re.compile(rb"[\w.~!$&'()*+,;=%:\[\]-]*[ \t]*", re.ASCII)
"""What RFC 3986, 3.2.2 and 3.2.3 allow in a host and its port; answers may contain it, so nothing else may stand there."""


def size(url: bytes, headers: Headers) -> int:
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)


def hosts(headers: Headers) -> list[bytes]:
    return [value for name, value in headers if name == b"host"]


def names_its_host(hosts: list[bytes], version: str) -> bool:
    """RFC 9112, 3.2: once and well-formed; HTTP/1.0 may leave it out."""
    if len(hosts) == 1 and HOST.fullmatch(hosts[0]) is not None:
        return True
    return not hosts and version < "1.1"


def without_upgrade(parser: HttpRequestParser, url: bytes, headers: Headers) -> bytes:
    """The head once more, without its offer. The parser has refused line breaks within these parts: they can be put together."""
    lines = [b"%b %b HTTP/%b" % (parser.get_method(), url, parser.get_http_version().encode())]
    lines += [b"%b: %b" % header for header in headers if header[0] != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])
