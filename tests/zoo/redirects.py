"""Those that would have us go elsewhere."""

from tests.integration.receivers import answering
from tests.zoo.bodies import with_length
from tests.zoo.cages import Beast, plain

_PLACES = {
    "a metadata service": b"http://169.254.169.254/latest/meta-data/",
    "loopback": b"http://127.0.0.1/",
    "another scheme": b"gopher://127.0.0.1:6379/_FLUSHALL",
    "a file": b"file:///etc/passwd",
    "itself": b"/hook",
}


def redirecting(status: int, place: bytes) -> bytes:
    return with_length(b"", b"Location: " + place, status=b"%d Elsewhere" % status)


REDIRECTS: tuple[Beast, ...] = (
    *(
        plain(f"{status} to loopback", answering(redirecting(status, _PLACES["loopback"])), str(status))
        for status in (301, 302, 303, 307, 308)
    ),
    *(plain(f"302 to {name}", answering(redirecting(302, place)), "302") for name, place in _PLACES.items() if name != "loopback"),
    plain("a refresh", answering(with_length(b"", b"Refresh: 0; url=" + _PLACES["loopback"])), "200"),
    plain("401 for a password", answering(with_length(b"", b'WWW-Authenticate: Basic realm="x"', status=b"401 No")), "401"),
    plain("407 for a password", answering(with_length(b"", b'Proxy-Authenticate: Basic realm="x"', status=b"407 No")), "407"),
    plain("another service", answering(with_length(b"", b'Alt-Svc: h2="127.0.0.1:443"; ma=86400')), "200"),
)
