"""Which headers may be set on an endpoint."""

import pytest

from hookwright.domain.headers import check_headers, is_sensitive


@pytest.mark.parametrize(
    "name", ["Authorization", "X-Api-Key", "x-tenant", "X_Odd!#$%&'*+-.^`|~9", "Accept", "traceparent", "cf-access-client-id"]
)
def test_an_ordinary_header_may_be_set(name: str) -> None:
    assert check_headers({name: 'a value\twith, "anything" visible'}) == []


@pytest.mark.parametrize(
    "name",
    """
    User-Agent Keep-Alive Proxy-Authenticate Proxy-Authorization Proxy-Connection TE Trailer Trailers Transfer-Encoding Upgrade Age
    Cache-Control Clear-Site-Data Expires Pragma Warning Content-Length Content-Type Content-Encoding Content-Language Content-Location
    Host Connection Expect Cookie Accept-Encoding Metadata Metadata-Flavor X-Aws-Ec2-Metadata-Token X-Aws-Ec2-Metadata-Token-Ttl-Seconds
    X-Aliyun-Ecs-Metadata-Token X-Metadata-Token HTTP2-Settings X-Amz-Date X-Amzn-Trace-Id
    X-Google-Metadata-Request X-Goog-Signature X-Gfe-Anything X-Azure-Ref X-Fd-Healthprobe X-Svix-Anything Svix-Id
    svix-signature webhook-id Webhook-Signature X-Hookwright-Hops hookwright-id
    """.split(),  # noqa: SIM905  # a table to compare with the rules, not a list of strings
)
def test_a_header_that_belongs_to_somebody_else_may_not_be_set_in_any_case(name: str) -> None:
    for spelling in (name, name.lower(), name.upper()):
        (problem,) = check_headers({spelling: "x"})
        assert problem.loc == ("body", "headers", spelling)
        assert "cannot be set" in problem.msg


@pytest.mark.parametrize("name", ["", " a", "a ", "a b", "a:b", "a\n", "é", "a\x00", "a/b", "(a)", "a" * 257])
def test_a_name_is_a_token(name: str) -> None:
    assert len(check_headers({name: "x"})) == 1


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\x00b", "é", " a", "a ", "\ta", "a\x7f", "a" * 4097])
def test_a_value_is_visible_ascii_of_bounded_length(value: str) -> None:
    (problem,) = check_headers({"x-a": value})
    assert "value" in problem.msg


def test_a_refused_value_is_not_repeated() -> None:
    (problem,) = check_headers({"authorization": "hunter2\n"})
    assert "hunter2" not in problem.msg


@pytest.mark.parametrize("value", ["", "a", "a" * 4096, "Bearer a.b.c", "a\tb"])
def test_a_decent_value_passes(value: str) -> None:
    assert check_headers({"x-a": value}) == []


def test_the_same_name_in_two_cases_is_refused() -> None:
    (problem,) = check_headers({"X-A": "1", "x-a": "2"})
    assert "twice" in problem.msg


def test_there_may_be_32_and_no_more() -> None:
    assert check_headers({f"x-{number}": "v" for number in range(32)}) == []
    assert [problem.loc for problem in check_headers({f"x-{number}": "v" for number in range(33)})] == [("body", "headers")]


def test_every_problem_is_told_at_once() -> None:
    assert len(check_headers({"host": "a", "x y": "b", "x-ok": "c", "x-bad": "\n"})) == 3


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "x-auth-token", "WWW-Authenticate"])
def test_credentials_are_write_only(name: str) -> None:
    assert is_sensitive(name)
    assert not is_sensitive("x-tenant")
