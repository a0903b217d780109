"""A port that somebody must know before anything listens there."""

import secrets
import socket
from contextlib import suppress

LOWEST, COUNT = 10_000, 20_000
"""Below those that a system gives to connections, and to whoever asks for any (from 32,768 on Linux): so many tests may run at once,
and nobody gets it between this look and its use.
"""


def free_port() -> int:
    """One that was free a moment ago."""
    while True:
        port = LOWEST + secrets.randbelow(COUNT)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
