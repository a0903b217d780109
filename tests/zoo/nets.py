"""A network in which no packet leaves: connections are noted and refused, but for those to loopback, which are made.

Of asyncio's own loop; uvloop's connects by itself.
"""

import asyncio
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hookwright.domain.addresses import is_address


class Net:
    """`dialed`: every address that was connected to, with its port."""

    def __init__(self) -> None:
        self.dialed: list[tuple[str, int]] = []


@contextmanager
def faked_net() -> Iterator[Net]:
    """For the running loop."""
    loop, net = asyncio.get_running_loop(), Net()
    connect = loop.create_connection

    async def create_connection(protocol: Any, host: str, port: int, **options: Any) -> Any:
        net.dialed.append((host, port))
        if is_address(host) and ipaddress.ip_address(host).is_loopback:
            return await connect(protocol, host, port, **options)
        raise ConnectionRefusedError("no packet leaves here")

    loop.create_connection = create_connection  # type: ignore[assignment]
    try:
        yield net
    finally:
        loop.create_connection = connect  # type: ignore[method-assign]
