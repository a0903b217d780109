"""Those that do not come to TLS, or whose TLS nobody should believe."""

import asyncio

from tests.integration.receivers import OK, Connection, answering, silent
from tests.zoo.cages import DRIP_SECONDS, Beast, reset, secure, unencrypted

RECORD = b"\x16\x03\x03\x40\x00"
"""A handshake's record begins, of 16 kB."""


async def hangs(connection: Connection) -> None:
    await connection.reader.read(1)
    connection.stall()
    while await connection.reader.read(65_536):
        pass


async def drips(connection: Connection) -> None:
    await connection.reader.read(1)
    await connection.answer(RECORD)
    while True:
        await connection.answer(b"\x02")
        await asyncio.sleep(DRIP_SECONDS)


async def closes(connection: Connection) -> None:
    await connection.reader.read(65_536)


async def resets(connection: Connection) -> None:
    await connection.reader.read(1)
    reset(connection)


async def garbage(connection: Connection) -> None:
    await connection.reader.read(65_536)
    await connection.answer(b"\xff" * 10_000)
    await connection.reader.read()


async def unencrypted_answer(connection: Connection) -> None:
    await connection.reader.read(1)
    await connection.answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")


HANDSHAKES: tuple[Beast, ...] = (
    secure("an expired certificate", "expired", answering(OK), "tls"),
    secure("a certificate that is not valid yet", "early", answering(OK), "tls"),
    secure("a certificate of another host", "other", answering(OK), "tls"),
    secure("a certificate that nobody knows", "unknown", answering(OK), "tls"),
    secure("TLS 1.1", "outdated", answering(OK), "tls", "connection"),
    secure("a flood of session tickets", "generous", silent, "protocol"),
    unencrypted("no TLS", unencrypted_answer, "tls"),
    unencrypted("garbage for TLS", garbage, "tls"),
    unencrypted("hangs in the handshake", hangs, "timeout"),
    unencrypted("drips its handshake", drips, "timeout", "tls"),
    unencrypted("closes in the handshake", closes, "connection", "tls"),
    unencrypted("resets in the handshake", resets, "connection", "tls"),
)
