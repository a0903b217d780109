"""What those who call the API may take, and what they are told of its address."""

from pydantic import BaseModel

from hookwright.config.options import option
from hookwright.config.values import Portal


class Callers(BaseModel):
    max_message_bytes: int = option(
        1_048_576, "bytes", "The largest request body that is accepted.", "Four times what receivers usually take.", ge=1024, le=67_108_864
    )
    header_bytes: int = option(
        32_768,
        "bytes",
        "The largest request line and headers together.",
        "Four times what common servers take; memory stays bounded.",
        ge=1024,
        le=1_048_576,
    )
    header_seconds: float = option(
        10.0,
        "seconds",
        "How long a request's headers may take to arrive.",
        "Slow on purpose is the oldest way to hold a server.",
        gt=0,
        le=3600,
    )
    request_seconds: float = option(
        30.0, "seconds", "How long a whole request may take to arrive, or an answer to be read.", "A megabyte at 35 kB/s.", gt=0, le=3600
    )
    keep_alive_seconds: float = option(
        15.0, "seconds", "How long an idle connection is kept for the next request.", "Reuse is cheap, hoarding is not.", gt=0, le=3600
    )
    max_connections: int = option(
        4096,
        "connections",
        "Open connections to the API; one more is answered 503.",
        "Each costs some kilobytes and a file descriptor.",
        ge=1,
        le=1_000_000,
    )
    max_connections_per_address: int | None = option(
        None,
        "connections",
        "Of those, the most from one address; one more is answered 503.",
        "None: behind a proxy all callers come from the proxy's address. Set it where callers connect directly.",
        ge=1,
        le=1_000_000,
    )
    portal_url: Portal | None = option(
        None,
        "url",
        "Base of the addresses that app-portal-access returns.",
        "Taken from the request; set it behind a proxy that changes the name.",
    )
