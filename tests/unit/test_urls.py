"""One reading of a URL: what is refused because parsers disagree, and the form in which the rest is kept."""

import pytest

from hookwright.domain.urls import MAX_LENGTH, check_url, is_authority


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.Com/Path", "https://example.com/Path"),
        ("https://example.com:443/", "https://example.com/"),
        ("http://example.com:80/", "http://example.com/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("https://example.com:/", "https://example.com/"),
        ("https://example.com:08443/", "https://example.com:8443/"),
        ("https://example.com?a=1", "https://example.com/?a=1"),
        ("https://example.com/?", "https://example.com/?"),
        ("https://example.com/a//b/?c=d?e", "https://example.com/a//b/?c=d?e"),
        ("https://example.com/a/./b/../c", "https://example.com/a/c"),
        ("https://example.com/a/%2E%2e/b/.", "https://example.com/b/"),
        ("https://example.com/../..", "https://example.com/"),
        ("https://example.com/é\"'{}?ü='\"", "https://example.com/%C3%A9%22'%7B%7D?%C3%BC=%27%22"),
        ("https://example.com/%zz%2F", "https://example.com/%zz%2F"),
        ("https://a_b.example.com/", "https://a_b.example.com/"),
        ("https://example.com./", "https://example.com./"),
        ("https://münchen.example/", "https://xn--mnchen-3ya.example/"),
        ("https://FAẞ.example/", "https://xn--fa-hia.example/"),
        ("https://xn--mnchen-3ya.example/", "https://xn--mnchen-3ya.example/"),
        ("http://127.0.0.1:9000/x", "http://127.0.0.1:9000/x"),
        ("http://[::1]/", "http://[::1]/"),
        ("http://[2001:DB8:0:0:0:0:0:1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        # These are loopback to a resolver: they must be seen to be, so that the address guard sees it too.
        ("http://①②⑦.⓪.⓪.①/", "http://127.0.0.1/"),
        ("http://１２７.0.0.1/", "http://127.0.0.1/"),
        ("http://127。0。0。1/", "http://127.0.0.1/"),
        ("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "http://localhost/"),
    ],
)
def test_a_url_is_kept_in_its_normal_form(text: str, kept: str) -> None:
    assert check_url(text, https_only=False) == kept


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "absolute"),
        ("example.com", "absolute"),
        ("/path", "absolute"),
        ("//example.com/", "absolute"),
        ("https:example.com", "absolute"),
        ("https:/example.com", "absolute"),
        ("ftp://example.com/", "absolute"),
        ("file:///etc/passwd", "absolute"),
        ("javascript:alert(1)", "absolute"),
        ("https://", "no host"),
        ("https:///path", "no host"),
        ("https://:8080/", "no host"),
        ("https://user@example.com/", "password"),
        ("https://user:pw@example.com/", "password"),
        ("https://@example.com/", "password"),
        ("https://example.com/#top", "fragment"),
        ("https://example.com#@evil.example/", "fragment"),
        ("https://a.example\\@b.example/", "backslash"),
        ("https:\\\\example.com/", "backslash"),
        (" https://example.com/", "white space"),
        ("https://example.com/ ", "white space"),
        ("https://example.com/a b", "white space"),
        ("https://exam\tple.com/", "white space"),
        ("https://example.com/\r\nX: y", "white space"),
        ("https://example.com/\x00", "control"),
        ("https://example.com/\x7f", "control"),
        ("https://example.com/\u2028", "white space"),
        ("https://example.com/\u3000", "white space"),
        ("https://example.com/\ud800", "surrogate"),
        ("https://%65xample.com/", "% sign"),
        ("https://example%2ecom/", "% sign"),
        ("http://[fe80::1%25eth0]/", "% sign"),
        ("https://example.com:0/", "port 0"),
        ("https://example.com:22/", "port 22"),
        ("https://example.com:5432/", "port 5432"),
        ("https://example.com:65536/", "larger than 65535"),
        ("https://example.com:999999/", "host and port"),
        ("https://example.com:+80/", "host and port"),
        ("https://example.com:8０/", "host and port"),
        ("https://example.com:80:80/", "host and port"),
        ("https://::1/", "host and port"),
        ("https://[::1]x/", "host and port"),
        ("https://[::1/", "host and port"),
        ("https://[::g]/", "IPv6"),
        ("https://[127.0.0.1]/", "IPv6"),
        ("http://2130706433/", "four decimal"),
        ("http://127.1/", "four decimal"),
        ("http://0177.0.0.1/", "four decimal"),
        ("http://0x7f.0.0.1/", "four decimal"),
        ("http://0x7f000001/", "four decimal"),
        ("http://127.0.0.0x1/", "four decimal"),
        ("http://127.0.0.1./", "four decimal"),
        ("http://127.0.0.256/", "four decimal"),
        ("http://1.2.3.4.5/", "four decimal"),
        ("http://example.0x/", "four decimal"),
        ("http://①/", "four decimal"),
        ("http://a..b/", "host name"),
        ("http://.a/", "host name"),
        ("http://a.b../", "host name"),
        ("http://-a.example/", "host name"),
        ("http://a!b.example/", "host name"),
        ("http://a,b/", "host name"),
        ("http://" + "a" * 64 + ".example/", "host name"),
        ("http://" + ".".join(["a" * 60] * 5) + "/", "host name"),
        ("http://xn--a/", "international"),
        ("http://xn--/", "international"),
        ("http://a\u200db.example/", "international"),
        ("http://\u00ad/", "international"),
        ("https://example.com/" + "a" * MAX_LENGTH, "longer than"),
        ("https://example.com/" + "é" * 1000, "percent-encoded, is longer"),
    ],
)
def test_a_url_that_parsers_may_read_differently_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_url(text, https_only=False)


def test_http_is_refused_where_only_https_is_allowed() -> None:
    with pytest.raises(ValueError, match="must begin with https://"):
        check_url("http://example.com/", https_only=True)


# The list of the Fetch standard, and those of data stores, file sharing, remote desktops and cluster control
NEVER_HTTP = """
0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135 137 139 143 161 179
389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 5061
6000 6566 6665 6666 6667 6668 6669 6679 6697 10080
445 873 1433 1521 2181 2375 2376 2379 2380 3306 3389 5432 5900 6379 6443 9042 9200 9300 10250 10255 11211 27017
""".split()  # noqa: SIM905  # a table to compare with the standard, not a list of strings


@pytest.mark.parametrize("port", NEVER_HTTP)
def test_a_port_that_is_never_http_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match=f"port {port} is not for HTTP"):
        check_url(f"https://example.com:{port}/", https_only=True)


@pytest.mark.parametrize("port", [80, 443, 3000, 8000, 8080, 8443, 65535])
def test_the_usual_ports_are_open(port: int) -> None:
    assert check_url(f"http://example.com:{port}/", https_only=False).startswith("http://example.com")


@pytest.mark.parametrize("text", ["example.com", "localhost:8071", "my_service", "127.0.0.1:1", "[::1]:8071", "hooks.example.com:"])
def test_a_host_with_or_without_a_port_is_an_authority(text: str) -> None:
    assert is_authority(text)


@pytest.mark.parametrize(
    "text", ["", ":80", "[::1", "a:99999", "a:99999999", "a:b", "a/b", "a?b", "a#b", "u@a", "a b", "a\n", "[::1]x", "1.2.3"]
)
def test_what_parsers_read_differently_is_no_authority(text: str) -> None:
    assert not is_authority(text)
