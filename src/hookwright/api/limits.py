"""What one peer may hold, and what it is told when it wants more."""

import json
from http import HTTPStatus

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """What one peer may hold. Times are seconds, sizes are bytes.

    `header_bytes` bounds request line and headers together; for a request pipelined into the tail of a large read the
    bound may stretch to twice that. `header_seconds` runs from the start of the connection, later from a request's
    first byte; `request_seconds` is for the whole request, and for a peer that does not read its answer. After
    `body_grace_seconds` a request must also have kept up `body_bytes_per_second` on average.
    """

    header_bytes: int = 32 * 1024
    header_lines: int = 100
    header_seconds: float = 10.0
    request_seconds: float = 30.0
    body_grace_seconds: float = 5.0
    body_bytes_per_second: float = 500.0
    keep_alive_seconds: float = 15.0
    max_connections: int = 4096
    max_connections_per_address: int | None = None

    def tick(self) -> float:
        """Seconds between two sweeps: fine enough for the shortest of the times, never more than one."""
        shortest = min(self.header_seconds, self.request_seconds, self.body_grace_seconds, self.keep_alive_seconds)
        return min(1.0, max(0.01, shortest / 4))


def _refusal(status: HTTPStatus, code: str, detail: str, *headers: str) -> bytes:
    """A whole response in the API's own error shape, for requests that never reach the application."""
    body = json.dumps({"code": code, "detail": detail}).encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *headers,
        "connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


MALFORMED = _refusal(HTTPStatus.BAD_REQUEST, "malformed_request", "This is not a well-formed HTTP request.")
HOSTLESS = _refusal(HTTPStatus.BAD_REQUEST, "malformed_request", "A request names its host, once, in the header Host.")
SLOW = _refusal(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive.")
TOO_LARGE = _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "The request's headers are too large or too many.")
FULL = _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_connections", "Too many connections; try again.", "retry-after: 1")
NOTHING = b""
