"""What is said when there was no answer: each fault with its one line, in one place.

The address that a name resolved to is in none of them, a blocked address is told by one text, whatever it is, and a name that leads
to one by the text of a name that leads nowhere: anything more would let customers map the network behind us.
"""

import ssl

from hookwright.sender import Failure

BLOCKED = "the address is blocked by this server's network rules"
"""The only thing said of a target that is blocked as it is written, whatever it is and whether it exists."""

REFUSED_BY_US = Failure("blocked", BLOCKED)
_NO_USE = "the host name has no address that requests may go to"
NO_ADDRESS = Failure("dns", _NO_USE)
BLOCKED_NAME = Failure("blocked", _NO_USE)
LATE_ADDRESS = Failure("dns", "the host name could not be resolved in time", ours=True)
REFUSED = Failure("refused", "the connection was refused")
UNREACHABLE = Failure("connection", "no connection could be made")
LATE_CONNECTION = Failure("timeout", "no connection could be made in time")
NO_HANDSHAKE = Failure("tls", "the TLS handshake failed")
UNUSABLE_IDENTITY = Failure("tls", "the client certificate or the CA that is set for this endpoint cannot be used")
BROKEN_TLS = Failure("tls", "the TLS connection broke")
BROKEN = Failure("connection", "the connection broke")
UNANSWERED = Failure("connection", "the connection was closed without an answer")
INCOMPLETE = Failure("connection", "the connection ended before the answer was complete")
MALFORMED = Failure("protocol", "the answer is not valid HTTP, or its headers are too large")
UNUSABLE_URL = Failure("protocol", "the URL cannot be used")
CLOSED = Failure("connection", "the sender is closed", ours=True)
PROXY_UNREACHED = Failure("proxy", "the proxy of this server cannot be reached", ours=True)
PROXY_MALFORMED = Failure("proxy", "the proxy of this server did not answer as one", ours=True)
NO_TUNNEL = Failure("connection", "the proxy of this server has no way to this host at the moment", ours=True)
"""It has one to others."""


class Unreached(Exception):
    """There is no connection to send by; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


def late(seconds: float, *, answered: bool) -> Failure:
    return Failure("timeout", f"the answer was not complete within {seconds:g} s" if answered else f"no answer within {seconds:g} s")


def of_proxy(status: int) -> Failure:
    return Failure("proxy", f"the proxy of this server answered with status {status}", ours=True)


def unwritable(error: ValueError) -> Failure:
    words = str(error).splitlines() or ["bad value"]
    return Failure("protocol", f"the request cannot be written: {words[0][:200]}")


def of_connecting(error: OSError) -> Failure:
    if isinstance(error, TimeoutError):
        return LATE_CONNECTION
    return REFUSED if isinstance(error, ConnectionRefusedError) else UNREACHABLE


def of_handshake(error: OSError) -> Failure:
    """`error`: while TLS was begun on a connection that was made; an SSLError is an OSError too."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or "it cannot be verified"
        return Failure("tls", f"the server's certificate is not accepted: {reason}")
    return NO_HANDSHAKE if isinstance(error, ssl.SSLError) else UNREACHABLE


def of_break(error: Exception) -> Failure:
    return BROKEN_TLS if isinstance(error, ssl.SSLError) else BROKEN
