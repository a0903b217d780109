"""TLS contexts: the one for all, and those of endpoints with a client certificate or a CA of their own.

Duty: whatever an identity says, the peer's certificate is verified, its name is checked, and TLS is 1.2 at least; there is no
switch to turn that off. Rules:

1. A context takes milliseconds to make (it reads the system's roots), so it is made in a thread and kept, up to `MOST` of them;
   one that was dropped is made again when it is needed.
2. Handshakes are computed in the loop that sends to everybody, so a receiver must not choose how long that takes: there is no
   exchange of keys over a finite field, of which it names the size (10,000 bits cost a second). All receivers of today have another.
3. OpenSSL takes a client certificate from a file and from nothing else. It is one in memory where the system has such, else one
   that only we can read, and gone at once.
"""

import asyncio
import contextlib
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator

from hookwright.sender import TlsIdentity
from hookwright.senders.faults import UNUSABLE_IDENTITY, Unreached

MOST = 128
"""A context with the system's roots is about a megabyte."""


class Contexts:
    """`plain` is for whoever has no identity."""

    def __init__(self, plain: ssl.SSLContext, most: int = MOST) -> None:
        self._plain, self._most = plain, most
        self._made: OrderedDict[TlsIdentity, ssl.SSLContext] = OrderedDict()

    async def of(self, tls: TlsIdentity | None) -> ssl.SSLContext:
        """Raises Unreached when OpenSSL does not take the identity."""
        if tls is None:
            return self._plain
        context = self._made.get(tls)
        if context is None:
            try:
                context = await asyncio.to_thread(identity_context, tls)
            except (ssl.SSLError, OSError, ValueError):
                raise Unreached(UNUSABLE_IDENTITY) from None
            self._made[tls] = context
            if len(self._made) > self._most:
                self._made.popitem(last=False)
        self._made.move_to_end(tls)
        return context


def tls_context() -> ssl.SSLContext:
    """For receivers with a certificate that the system's roots know."""
    return _strict(ssl.create_default_context())


def identity_context(tls: TlsIdentity) -> ssl.SSLContext:
    """Raises SSLError, OSError, ValueError."""
    if tls.ca is None:
        context = tls_context()
    else:
        context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        context.load_verify_locations(cadata=tls.ca)
        # What was named is trusted, also if it is not a root.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if tls.certificate is not None and tls.key is not None:
        with _as_file(f"{tls.certificate}\n{tls.key}") as path:
            context.load_cert_chain(path, password="")  # nobody is there to be asked for one
    return context


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # one handshake for each connection, not as many as the receiver wants
    suites = [suite["name"] for suite in context.get_ciphers()]
    context.set_ciphers(":".join(name for name in suites if not name.startswith("DHE-")))
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:  # mode 0600
            file.write(text)
            file.flush()
            yield file.name
        return
    file_number = os.memfd_create("hookwright", os.MFD_CLOEXEC)
    try:
        os.write(file_number, text.encode("ascii"))
        yield f"/proc/self/fd/{file_number}"
    finally:
        os.close(file_number)
