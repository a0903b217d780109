"""The operator's proxy, as it is written."""

import pytest

from hookwright.domain.proxies import Proxy, parse_proxy


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://127.0.0.1:4750", Proxy("127.0.0.1", 4750)),
        ("http://smokescreen:4750/", Proxy("smokescreen", 4750)),
        ("http://[::1]:3128", Proxy("::1", 3128)),
        ("http://user:pass@proxy.example:3128", Proxy("proxy.example", 3128, "Basic dXNlcjpwYXNz")),
        ("http://user:p%40ss%3A@proxy.example:3128", Proxy("proxy.example", 3128, "Basic dXNlcjpwQHNzOg==")),
        ("http://user@proxy.example:3128", Proxy("proxy.example", 3128, "Basic dXNlcjo=")),
    ],
)
def test_a_proxy_is_read_with_its_credentials(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize(
    "text",
    [
        "", "proxy:3128", "https://proxy:3128", "socks5://proxy:1080", "http://proxy", "http://proxy:0", "http://proxy:99999", "http://:3128",
        "http://proxy:3128/path", "http://user:sec/ret@proxy:3128", "http://user:sec:ret@proxy:3128", "http://@proxy:3128",
        "http://a b:3128",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="right would be http://host:port") as caught:
        parse_proxy(text)
    assert "sec" not in str(caught.value)


def test_the_credentials_are_not_in_its_representation() -> None:
    assert "dXNlc" not in repr(parse_proxy("http://user:pass@proxy.example:3128"))
