"""What must never be reached: a listener on every address of this machine, IPv4 and IPv6, that notes who comes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Canary:
    """`reached`: by which address, and what was said first, of each connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reached: list[tuple[str, bytes]] = []


@contextmanager
def canary(opened: str = "") -> Iterator[Canary]:
    """Who comes to the address `opened` is welcome."""
    server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    made = Canary(server.getsockname()[1])
    ended = threading.Event()

    def listen() -> None:
        while not ended.is_set():
            accepted, _ = server.accept()
            with accepted:
                to = str(accepted.getsockname()[0]).removeprefix("::ffff:")
                accepted.settimeout(1.0)
                try:
                    said = accepted.recv(200)
                except OSError:
                    said = b""
            if not ended.is_set() and to != opened:
                made.reached.append((to, said))

    thread = threading.Thread(target=listen, name="canary", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        ended.set()
        socket.create_connection(("127.0.0.1", made.port)).close()
        thread.join()
        server.close()
