"""Credentials of endpoints: which may be set, which headers they are, and that nothing shows them."""

import msgspec
import pytest

from hookwright.domain.access import Access, ApiKey, Auth, Basic, Bearer, ClientCredentials, Tls, check_auth, headers_of, merged
from hookwright.engine.access import Entry, entry_of
from hookwright.sender import TlsIdentity

CLIENT = ClientCredentials("https://login.example/token", "id", "secret")
GOOD = [
    Basic("Aladdin", "open sesame"),
    Basic("", ""),
    Basic("tëst", "pass:wörd"),
    Bearer("eyJ.a-b_c~d+/=="),
    ApiKey("X-Api-Key", "a key, with spaces"),
    ApiKey("Authorization", "Key abc"),
    CLIENT,
    msgspec.structs.replace(CLIENT, scopes=("read:all", "https://example.com/.default"), audience="https://api.example"),
]


@pytest.mark.parametrize("auth", GOOD, ids=lambda auth: type(auth).__name__)
def test_ordinary_credentials_may_be_set(auth: Auth) -> None:
    assert check_auth(auth) == []


@pytest.mark.parametrize(
    ("auth", "places"),
    [
        (Basic("a:b", "p"), ["basic.username"]),
        (Basic("a\nb", "p\0"), ["basic.username", "basic.password"]),
        (Basic("a" * 257, "p" * 2049), ["basic.username", "basic.password"]),
        (Bearer(""), ["bearer.token"]),
        (Bearer("two words"), ["bearer.token"]),
        (Bearer("a\r\nX-Injected: yes"), ["bearer.token"]),
        (Bearer("é"), ["bearer.token"]),
        (Bearer("a" * 4097), ["bearer.token"]),
        (ApiKey("Host", "x"), ["apiKey.header"]),
        (ApiKey("webhook-signature", "x"), ["apiKey.header"]),
        (ApiKey("X-Amz-Date", "x"), ["apiKey.header"]),
        (ApiKey("a b", "x\r\ny"), ["apiKey.header", "apiKey.value"]),
        (ApiKey("X-Key", ""), ["apiKey.value"]),
        (ClientCredentials("u", "", ""), ["oauth2.clientId", "oauth2.clientSecret"]),
        (ClientCredentials("u", "é", "\n"), ["oauth2.clientId", "oauth2.clientSecret"]),
        (ClientCredentials("u", "i", "s", ("a b",)), ["oauth2.scopes"]),
        (ClientCredentials("u", "i", "s", ('"',)), ["oauth2.scopes"]),
        (ClientCredentials("u", "i", "s", ("s",) * 65), ["oauth2.scopes"]),
        (ClientCredentials("u", "i", "s", (), ""), ["oauth2.audience"]),
    ],
)
def test_what_could_not_be_sent_is_refused_with_its_place_and_without_its_value(auth: Auth, places: list[str]) -> None:
    problems = check_auth(auth)
    assert [".".join(problem.loc) for problem in problems] == [f"body.{place}" for place in places]
    assert not any("Injected" in problem.msg for problem in problems)


def test_basic_is_as_the_rfc_has_it() -> None:
    assert headers_of(Basic("Aladdin", "open sesame")) == (("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),)
    assert headers_of(Basic("test", "123\u00a3")) == (("Authorization", "Basic dGVzdDoxMjPCow=="),)


def test_a_bearers_token_and_a_key_are_headers_and_oauth2_has_none_yet() -> None:
    assert headers_of(Bearer("abc")) == (("Authorization", "Bearer abc"),)
    assert headers_of(ApiKey("X-Key", "abc")) == (("X-Key", "abc"),)
    assert headers_of(CLIENT) == headers_of(None) == ()


def test_credentials_take_the_place_of_a_custom_header_in_any_case() -> None:
    own = (("authorization", "mine"), ("X-A", "1"))
    assert merged(own, headers_of(Bearer("abc"))) == (("X-A", "1"), ("Authorization", "Bearer abc"))
    assert merged(own, ()) == own


def test_what_is_in_headers_only_needs_no_entry() -> None:
    assert entry_of(Access()) is None
    assert entry_of(Access(Bearer("abc"))) is None
    assert entry_of(Access(CLIENT)) == Entry(CLIENT, None, None)
    assert entry_of(Access(Bearer("abc"), Tls("c", "k", "a", 5))) == Entry(None, TlsIdentity("c", "k", "a"), 5)


def test_no_representation_shows_a_secret() -> None:
    shown = repr([Access(auth, Tls("s3cret", "s3cret", "s3cret")) for auth in (Basic("s3cret", "s3cret"), Bearer("s3cret"), CLIENT)])
    assert "cret" not in repr([Basic("a", "s3cret"), Bearer("s3cret"), ApiKey("a", "s3cret"), ClientCredentials("u", "i", "s3cret")])
    assert "s3cret" not in shown


@pytest.mark.parametrize("auth", GOOD, ids=lambda auth: type(auth).__name__)
def test_what_is_kept_is_read_as_it_was(auth: Auth) -> None:
    access = Access(auth, Tls(ca="pem"))
    assert msgspec.json.decode(msgspec.json.encode(access), type=Access) == access
