"""Which headers a customer may add to the requests that go to their endpoint.

Refused are those that belong to HTTP itself (two opinions about a body's length are request smuggling), those that we
set, those that sign, and those by which a cloud's metadata service tells a real client from a tricked one. Names and
values: RFC 9110, 5.1 and 5.5, without obsolete text.
"""

import re
from collections.abc import Mapping

from hookwright.errors import Problem

MAX_HEADERS = 32
MAX_NAME_LENGTH = 256
MAX_VALUE_BYTES = 4096

FORBIDDEN = frozenset(
    {
        # framing, and what is between two hops
        "connection", "content-encoding", "content-language", "content-length", "content-location", "content-type", "expect", "host",
        "http2-settings", "keep-alive", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
        # ours: one identity, no cookies, and no encoding that we would have to unpack
        "accept-encoding", "cookie", "user-agent",
        # a response's, or a cache's
        "age", "cache-control", "clear-site-data", "expires", "pragma", "warning",
        # metadata services
        "metadata", "metadata-flavor", "x-metadata-token",
    }
)  # fmt: skip
FORBIDDEN_PREFIXES = (
    "hookwright-", "x-hookwright-", "webhook-", "svix-", "x-svix-", "proxy-", "x-amz-", "x-amzn-", "x-aws-ec2-metadata-token",
    "x-aliyun-ecs-metadata-token", "x-goog-", "x-google", "x-gfe", "x-azure-", "x-fd-",
)  # fmt: skip
SENSITIVE = frozenset({"authorization", "proxy-authenticate", "proxy-authorization", "www-authenticate", "x-api-key", "x-auth-token"})
"""Write-only: their names are shown, their values never."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")


def is_sensitive(name: str) -> bool:
    return name.lower() in SENSITIVE


def check_headers(headers: Mapping[str, str]) -> list[Problem]:
    """Everything that is wrong with an endpoint's own headers; empty when they may be kept. No problem repeats a value."""
    problems = []
    if len(headers) > MAX_HEADERS:
        problems.append(Problem(("body", "headers"), f"more than {MAX_HEADERS} headers"))
    seen: set[str] = set()
    for name, value in headers.items():
        wrong = name_problem(name) or ("is there twice, in different case" if name.lower() in seen else None) or value_problem(value)
        if wrong is not None:
            problems.append(Problem(("body", "headers", name[:MAX_NAME_LENGTH]), wrong))
        seen.add(name.lower())
    return problems


def name_problem(name: str) -> str | None:
    if len(name) > MAX_NAME_LENGTH or not _TOKEN.fullmatch(name):
        return f"a header's name is 1 to {MAX_NAME_LENGTH} letters, digits or any of !#$%&'*+-.^_`|~"
    lowered = name.lower()
    if lowered in FORBIDDEN or lowered.startswith(FORBIDDEN_PREFIXES):
        return "this header cannot be set on an endpoint"
    return None


def value_problem(value: str) -> str | None:
    """What is wrong with a header's value, or None."""
    if len(value) > MAX_VALUE_BYTES:
        return f"the value is longer than {MAX_VALUE_BYTES} bytes"
    if not _VALUE.fullmatch(value):
        return "the value may hold visible ASCII characters, and spaces and tabs between them"
    return None
