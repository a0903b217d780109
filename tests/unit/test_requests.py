"""What is written for an attempt: one request, to the host of its URL, whatever its URL and headers are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookwright.senders.requests import USER_AGENT, Target, target_of, write_head


@pytest.mark.parametrize(
    ("url", "secure", "host", "port", "head"),
    [
        ("http://hooks.example/a?b=c", False, "hooks.example", 80, " /a?b=c HTTP/1.1\r\nHost: hooks.example\r\n"),
        ("https://hooks.example/", True, "hooks.example", 443, " / HTTP/1.1\r\nHost: hooks.example\r\n"),
        ("https://hooks.example:8443/", True, "hooks.example", 8443, " / HTTP/1.1\r\nHost: hooks.example:8443\r\n"),
        ("http://hooks.example:443/", False, "hooks.example", 443, " / HTTP/1.1\r\nHost: hooks.example:443\r\n"),
        ("http://hooks.example:80/", False, "hooks.example", 80, " / HTTP/1.1\r\nHost: hooks.example\r\n"),
        ("http://hooks.example", False, "hooks.example", 80, " / HTTP/1.1\r\nHost: hooks.example\r\n"),
        ("http://hooks.example./", False, "hooks.example.", 80, " / HTTP/1.1\r\nHost: hooks.example\r\n"),
        ("http://[2001:db8::1]/", False, "2001:db8::1", 80, " / HTTP/1.1\r\nHost: [2001:db8::1]\r\n"),
        ("http://[2001:db8::1]:8080/a", False, "2001:db8::1", 8080, " /a HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n"),
        (
            "http://hooks.example/a//b/%20;c=d/@e:f",
            False,
            "hooks.example",
            80,
            " /a//b/%20;c=d/@e:f HTTP/1.1\r\nHost: hooks.example\r\n",
        ),
    ],
)
def test_a_url_says_where_to_and_what_to_ask_for(url: str, secure: bool, host: str, port: int, head: str) -> None:
    assert target_of(url) == Target(secure, host, port, head)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "hooks.example",
        "ftp://hooks.example/",
        "http:///",
        "http://",
        "http://[",
        "http://[::1",
        "http://127.1/",
        "http://hooks.example:99999/",
        "http://hooks.example:x/",
        "http://user@hooks.example/",
        "http://user:password@hooks.example/",
        "http://hooks.example\\@other.example/",
        "http://hooks.example/#x",
        "http://hooks.example/a b",
        "http://hooks.example/\r\nHost: other.example",
        "http://hooks.example/\0",
        "http://hooks.example /",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|host|port"):
        target_of(url)


def lines(*headers: tuple[str, str]) -> list[str]:
    return write_head("POST", " / HTTP/1.1\r\n", headers, 7).decode().split("\r\n")


def test_what_is_said_of_every_request_stands_behind_what_the_caller_says() -> None:
    ours = ["Accept-Encoding: identity", f"User-Agent: {USER_AGENT}", "Accept: */*", "Content-Length: 7", "", ""]
    assert lines() == ["POST / HTTP/1.1", *ours]
    assert lines(("x-A", "b\tc"), ("x-A", "")) == ["POST / HTTP/1.1", "x-A: b\tc", "x-A: ", *ours]


def test_the_caller_may_say_otherwise_who_it_is_and_what_it_takes_but_no_encoding() -> None:
    headers = (("user-agent", "me"), ("ACCEPT", "text/plain"), ("accept-encoding", "gzip"))
    wanted = ["user-agent: me", "ACCEPT: text/plain", "Accept-Encoding: identity", "Content-Length: 7", "", ""]
    assert lines(*headers) == ["POST / HTTP/1.1", *wanted]


@pytest.mark.parametrize("name", ["Host", "content-length", "TRANSFER-ENCODING", "Connection", "Expect", "Upgrade", "TE", "Trailer"])
def test_nobody_else_frames_a_request(name: str) -> None:
    with pytest.raises(ValueError, match="sender's to set"):
        lines((name, "1"))


@pytest.mark.parametrize("name", ["", " ", "a b", "a:", "a\r\n", "a\0", "ä", "a\t", "(a)"])
def test_a_name_is_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="token"):
        lines((name, "1"))


@pytest.mark.parametrize("value", ["\r", "\n", "a\r\nb: c", "\0", "a\x01", "\x7f", "é\n"])
def test_a_value_holds_no_control_character(value: str) -> None:
    with pytest.raises(ValueError, match="the header x holds a control character"):
        lines(("x", value))


def test_a_value_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        lines(("x", "\udc80"))


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=12)), max_size=4))
def test_no_headers_make_more_lines_than_there_are_headers(headers: list[tuple[str, str]]) -> None:
    try:
        head = write_head("POST", " / HTTP/1.1\r\n", tuple(headers), 7)
    except ValueError:
        return
    assert head.count(b"\r") == head.count(b"\n") == 6 + len(headers) - sum(name.lower() in ("accept", "user-agent") for name, _ in headers)
    assert head.endswith(b"\r\n\r\n")
