"""Those whose body never ends, ends elsewhere than it should, or is larger than it looks."""

import gzip

from tests.integration.receivers import OK, answering, closing, flooding
from tests.zoo.cages import Beast, hanging, plain, resetting, secure, slow
from tests.zoo.heads import START

CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = START + b"Content-Length: 1000000000000\r\n\r\n"
BOMB = gzip.compress(gzip.compress(bytes(20_000_000)))
"""Of some hundred bytes; 20 MB in the end, to whoever unpacks."""


def with_length(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"".join(line + b"\r\n" for line in (*lines, b"Content-Length: %d" % len(body)))
    return b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n" + body


BODIES: tuple[Beast, ...] = (
    plain("hangs in its body", hanging(START + b"Content-Length: 10\r\n\r\nabc"), "timeout"),
    plain("hangs in a chunk", hanging(CHUNKED + b"5\r\nab"), "timeout"),
    plain("hangs before its last chunk", hanging(CHUNKED + b"5\r\nabcde\r\n"), "timeout"),
    plain("drips its body", slow(LONG, b"a"), "timeout"),
    plain("drips chunks of one byte", slow(CHUNKED, b"1\r\na\r\n"), "timeout"),
    plain("drips a chunk's size", slow(CHUNKED, b"0"), "timeout"),
    plain("closes in its body", closing(START + b"Content-Length: 10\r\n\r\nabc"), "connection"),
    plain("closes in a chunk", closing(CHUNKED + b"5\r\nab"), "connection"),
    plain("closes before its last chunk", closing(CHUNKED + b"2\r\nab\r\n"), "connection"),
    plain("resets in its body", resetting(START + b"Content-Length: 10\r\n\r\nabc"), "connection"),
    plain("resets in a body without a length", resetting(START + b"\r\nuntil the end"), "connection"),
    plain("a body without end", flooding(START + b"\r\n", b"a" * 10_000), "200"),
    plain("a body of a terabyte", flooding(LONG, b"a" * 10_000), "200"),
    plain("chunks without end", flooding(CHUNKED, b"2710\r\n" + b"a" * 10_000 + b"\r\n"), "200"),
    plain("chunks of one byte without end", flooding(CHUNKED, b"1\r\na\r\n" * 1000), "200"),
    plain("a chunk's extension without end", flooding(CHUNKED + b"1;", b"x" * 10_000), "protocol"),
    plain("trailers without end", flooding(CHUNKED + b"0\r\n", b"x-a: y\r\n" * 100), "protocol"),
    plain("a chunk's size that is no number", answering(CHUNKED + b"size\r\nab\r\n"), "protocol"),
    plain("a chunk's size beyond all numbers", answering(CHUNKED + b"fffffffffffffffff\r\nab\r\n"), "protocol"),
    plain("a chunk longer than it says", answering(CHUNKED + b"2\r\nabcdef\r\n0\r\n\r\n"), "protocol"),
    plain("a bomb", answering(with_length(BOMB, b"Content-Encoding: gzip")), "200"),
    plain("bombs without end", flooding(START + b"Content-Encoding: gzip\r\n\r\n", BOMB * 100), "200"),
    plain("more than its length", answering(START + b"Content-Length: 2\r\n\r\nok and more"), "200"),
    plain("two answers at once", answering(OK + OK), "200"),
    plain("a body with 204", answering(with_length(b"hello", status=b"204 No Content")), "204"),
    plain("a body with 304", answering(with_length(b"hello", status=b"304 Not Modified")), "304"),
    plain("a body with 101", answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"), "101"),
    secure("hangs in its body behind TLS", "good", hanging(START + b"Content-Length: 10\r\n\r\nabc"), "timeout"),
    secure("a body without end behind TLS", "good", flooding(START + b"\r\n", b"a" * 10_000), "200"),
    secure("closes in its body behind TLS", "good", closing(START + b"Content-Length: 10\r\n\r\nabc"), "connection", "tls"),
)
