"""Those that never come to the end of a head, or whose head nobody can believe."""

from tests.integration.receivers import answering, closing, flooding
from tests.zoo.cages import Beast, hanging, plain, resetting, slow

START = b"HTTP/1.1 200 OK\r\n"


def said(*lines: bytes) -> bytes:
    """A whole answer, with these header lines besides."""
    return START + b"".join(line + b"\r\n" for line in lines) + b"\r\nok"


_UNBELIEVABLE: dict[str, bytes] = {
    "speaks SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "speaks HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x04\x00\x01\x00\x00\x00\x05\x00\xff\xff\xff",
    "speaks HTTP/0.9": b"<html>an answer without a head</html>\r\n",
    "speaks in zeros": b"\0" * 100_000,
    "speaks in noise": b"\xff" * 10,
    "begins in the middle": START[1:] + b"\r\n",
    "begins with empty lines": b"\r\n" * 100_000,
    "a version that is none": b"HTTP/9.9 200 OK\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 99 Low\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 1000 High\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "65 headers": said(*(b"x-%d: y" % number for number in range(65))),
    "a header of 10 kB": said(b"x-a: " + b"y" * 10_000),
    "a head of 40 kB": said(*(b"x-%d: " % number + b"y" * 1000 for number in range(40))),
    "a folded header": said(b"x-a: one", b" two"),
    "a header without a name": said(b": x"),
    "a header without a colon": said(b"x-a"),
    "a space before the colon": said(b"Content-Length : 2"),
    "a NUL in a header": said(b"x-a: a\0b"),
    "a bare CR in a header": said(b"x-a: a\rb: c"),
    "two lengths": said(b"Content-Length: 2", b"Content-Length: 3"),
    "two lengths in one": said(b"Content-Length: 2, 3"),
    "a length below zero": said(b"Content-Length: -1"),
    "a length with a sign": said(b"Content-Length: +2"),
    "a length that is a word": said(b"Content-Length: two"),
    "a length of thirty digits": said(b"Content-Length: " + b"9" * 30),
    "a length beside chunks": said(b"Content-Length: 2", b"Transfer-Encoding: chunked"),
}

HEADS: tuple[Beast, ...] = (
    *(plain(name, answering(answer), "protocol") for name, answer in _UNBELIEVABLE.items()),
    plain("hangs in its status line", hanging(START[:9]), "timeout"),
    plain("hangs in a header", hanging(START + b"Content-Le"), "timeout"),
    plain("hangs before the end of its head", hanging(START + b"Content-Length: 2\r\n"), "timeout"),
    plain("hangs after 100 Continue", hanging(b"HTTP/1.1 100 Continue\r\n\r\n"), "timeout"),
    plain("drips its status line", slow(START[:-3], b"K"), "timeout"),
    plain("drips one header", slow(START + b"x-a: ", b"y"), "timeout"),
    plain("drips headers", slow(START, b"x: y\r\n"), "timeout", "protocol"),
    plain("drips preliminary answers", slow(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), "protocol", "timeout"),
    plain("preliminary answers without end", flooding(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100), "protocol"),
    plain("headers without end", flooding(START, b"x-a: y\r\n" * 100), "protocol"),
    plain("a header without end", flooding(START + b"x-a: ", b"y" * 10_000), "protocol"),
    plain("a status line without end", flooding(START[:-2], b"K" * 10_000), "protocol"),
    plain("closes in its head", closing(START + b"Content-Le"), "connection"),
    plain("resets in its head", resetting(START + b"Content-Le"), "connection"),
)
