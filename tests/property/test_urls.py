"""Whatever passes `check_url` is read the same by every parser that will see it."""

import ipaddress
from urllib.parse import urlsplit

from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from hookwright.domain.addresses import judge
from hookwright.domain.urls import check_url

pieces = st.sampled_from(
    [
        "http://", "https://", "a", "b.example", "127.0.0.1", "[::1]", "[::ffff:1.2.3.4]", "0x7f", "1", ".", "..", "/", "//", "?", "#", "@",
        ":", ":80", ":8080", "\\", "%", "%2e", "é", "①", "。", "xn--", "xn--mnchen-3ya", "-", "_", "[", "]", " ", "\t", "{", "'", '"',
        "\u00ad",
    ]
)  # fmt: skip
urls = st.one_of(
    st.lists(pieces, max_size=10).map("".join),
    st.lists(pieces, max_size=8).map(lambda parts: "http://" + "".join(parts)),
    st.text(max_size=30).map("http://".__add__),
)


def accepted(text: str) -> str | None:
    try:
        return check_url(text, https_only=False)
    except ValueError:
        return None


@example("http://a/?")
@example("http://a/??")
@given(urls)
def test_the_parsers_agree_on_scheme_host_and_port(text: str) -> None:
    url = accepted(text)
    if url is None:
        return
    split, ours = urlsplit(url), URL(url, encoded=True)
    assert (split.scheme, split.hostname, split.port or ours.port) == (ours.scheme, ours.raw_host, ours.port)
    assert ours.user is None
    says_nothing = url.endswith("?") and not split.query  # an empty query, which yarl leaves out
    assert str(ours) == (url[:-1] if says_nothing else url)


@given(urls)
def test_the_normal_form_is_its_own_normal_form(text: str) -> None:
    url = accepted(text)
    assert url is None or accepted(url) == url


@given(urls)
def test_what_is_kept_is_ascii_without_anything_that_could_break_a_request_line(text: str) -> None:
    url = accepted(text)
    assert url is None or all("!" <= char <= "~" for char in url)


@given(st.ip_addresses(v=6))
def test_no_address_passes_that_the_standard_library_knows_to_be_private(address: ipaddress.IPv6Address) -> None:
    if address.ipv4_mapped is None and (address.is_private or address.is_multicast or address.is_reserved):
        assert judge(address)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_passes_that_is_not_global_and_its_mapped_form_is_judged_alike(address: ipaddress.IPv4Address) -> None:
    if not address.is_global:
        assert judge(address)
    assert judge(f"::ffff:{address}") == judge(address)
