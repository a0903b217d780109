"""The port for one attempt out. `senders/` holds what fits it.

A sender makes exactly one try and tells what happened as a value; it never raises for what a receiver or the network
does, never follows a redirect, never retries by itself, and is done when `deadline` seconds have passed.
"""

from typing import Literal, Protocol

import msgspec

Fault = Literal["timeout", "dns", "refused", "blocked", "tls", "connection", "protocol", "proxy"]
"""Why there was no answer. `blocked` is our own address guard's word; `proxy`: there was no way out of here, and nothing was sent."""


class TlsIdentity(msgspec.Struct, frozen=True):
    """Whom a receiver takes us for, and whom we take for the receiver. All three are PEM.

    `certificate` with `key`: a client certificate, its chain behind it. `ca`: what a receiver's certificate must be signed by,
    instead of the system's roots. Two that are equal may share connections; two that are not never do.
    """

    certificate: str | None = None
    key: str | None = None
    ca: str | None = None

    def __repr__(self) -> str:
        parts = [name for name in ("certificate", "ca") if getattr(self, name) is not None]
        return f"TlsIdentity({', '.join(parts)})"


class Request(msgspec.Struct, frozen=True):
    """`headers` are complete (signature, content type, custom ones); the sender adds only Host and Content-Length.

    `last`: no other attempt makes up for this one, so it is not to be lost to a connection that is just being closed.
    `method`: POST, but for what is no delivery. `tls`: None for no client certificate and the system's roots. `most`: bytes of the
    answer that are read and kept, instead of the sender's own limits: of an answer that is for us, not for a customer to look at.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    deadline: float
    last: bool = False
    method: str = "POST"
    tls: TlsIdentity | None = None
    most: int | None = None


class Response(msgspec.Struct, frozen=True):
    """An answer. `body` is cut at the stored cap; `retry_after` is the raw header value, if there was one. `location`: where a redirect
    would lead.

    `consent`: those headers that a handshake asks for, by their names in lower case, as often as they came.
    """

    status: int
    body: bytes
    truncated: bool
    retry_after: str | None = None
    consent: tuple[tuple[str, str], ...] = ()
    location: str | None = None


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
