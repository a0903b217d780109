"""What a script returned is judged like what a customer writes into an endpoint."""

import json
from typing import Any

import pytest

from hookwright.domain.transformations import Answer, read_answer, variables_problem


def answer(https_only: bool = False, **fields: Any) -> Answer:
    return read_answer(json.dumps(fields), https_only=https_only)


def test_an_answer_that_says_nothing_changes_nothing() -> None:
    assert answer() == Answer()


def test_a_url_is_put_in_its_normal_form() -> None:
    assert answer(url="HTTPS://Example.COM:443/a/../b").url == "https://example.com/b"


def test_the_content_type_is_apart_from_the_other_headers() -> None:
    read = answer(headers={"X-One": "1", "Content-Type": "text/xml"})
    assert read.content_type == "text/xml"
    assert read.own_headers == (("X-One", "1"),)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"method": "GET"}, "POST, PUT, PATCH"),
        ({"method": "post"}, "POST, PUT, PATCH"),
        ({"method": 1}, "method"),
        ({"url": "file:///etc/passwd"}, "absolute"),
        ({"url": "http://example.com:22/"}, "port"),
        ({"url": ["a"]}, "url"),
        ({"headers": {"host": "a"}}, "'host'"),
        ({"headers": {"webhook-signature": "v1,a"}}, "'webhook-signature'"),
        ({"headers": {"x": "a\r\nb: c"}}, "'x'"),
        ({"headers": {"content-type": "a\nb"}}, "media type"),
        ({"headers": {"content-type": ""}}, "media type"),
        ({"headers": {"x": 1}}, "headers"),
        ({"headers": ["x"]}, "headers"),
        ({"kind": "other"}, "kind"),
        ({"body": 1}, "body"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_reason(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        answer(**fields)


def test_plain_http_is_refused_where_endpoints_must_have_https() -> None:
    assert answer(url="http://example.com/").url == "http://example.com/"
    with pytest.raises(ValueError, match="https"):
        answer(True, url="http://example.com/")


def test_of_what_is_canceled_nothing_else_matters() -> None:
    assert answer(cancel=True, method="GET").cancel


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"cancel": 1}'])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no webhook"):
        read_answer(text, https_only=False)


@pytest.mark.parametrize(
    ("variables", "wrong"), [({}, False), ({"a": "b"}, False), ({f"v{n}": "" for n in range(65)}, True), ({"a": "b" * 16_384}, True)]
)
def test_variables_have_a_number_and_a_size(variables: dict[str, str], wrong: bool) -> None:
    assert (variables_problem(variables) is not None) is wrong
