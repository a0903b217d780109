"""The port for one attempt out. `senders/` holds what fits it.

A sender makes exactly one try and tells what happened as a value; it never raises for what a receiver or the network
does, never follows a redirect, never retries by itself, and is done when `deadline` seconds have passed.
"""

from typing import Literal, Protocol

import msgspec

Fault = Literal["timeout", "dns", "refused", "blocked", "tls", "connection", "protocol"]
"""Why there was no answer. `blocked` is our own address guard's word."""


class Request(msgspec.Struct, frozen=True):
    """`headers` are complete (signature, content type, custom ones); the sender adds only Host and Content-Length.

    `last`: no other attempt makes up for this one, so it is not to be lost to a connection that is just being closed.
    `method`: POST, but for what is no delivery.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    deadline: float
    last: bool = False
    method: str = "POST"


class Response(msgspec.Struct, frozen=True):
    """An answer. `body` is cut at the stored cap; `retry_after` is the raw header value, if there was one."""

    status: int
    body: bytes
    truncated: bool
    retry_after: str | None = None


class Failure(msgspec.Struct, frozen=True):
    """No answer; `detail` is one line for a person, and says nothing of what a blocked address may be. `ours`: it says nothing about
    the endpoint, either: our resolver, our proxy.
    """

    fault: Fault
    detail: str
    ours: bool = False


class Sender(Protocol):
    async def send(self, request: Request) -> Response | Failure:
        """One attempt, finished within `request.deadline` seconds."""

    async def close(self) -> None:
        """Close what is kept alive."""
