"""Tokens: what their claims and parts mean. Pure: signatures and digests are checked by `engine.credentials`.

Two kinds of credential are presented as a bearer:

- a JWT (HS256). `sub=org_...` speaks for an organization; `org=org_...` with `sub=app_...` for one application of it;
- an API key, `hw_<id>_<secret>_<checksum>`. The checksum (CRC-32, RFC 1952) lets a scanner tell a leaked key from
  chance, and lets us turn a mistyped one away without asking the store.
"""

import re
import string
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from hookwright.domain.credentials import SCOPES, Principal, Revocation
from hookwright.errors import Unauthenticated

HOUR, DAY = 3600, 86_400
MIN_EXPIRY, MAX_EXPIRY, DEFAULT_EXPIRY = HOUR, 7 * DAY, 7 * DAY
CLOCK_SKEW = 60
"""Seconds that another machine's clock may be ahead of ours before its tokens are not valid yet."""

JTI = "tok"
"""The prefix of the `jti` of the tokens that we make ourselves, by our own clock."""

Capability = Literal[
    "ViewBase", "ViewEndpointSecret", "ManageEndpointSecret", "ManageTransformations", "CreateAttempts", "ManageEndpoint"
]  # fmt: skip
VIEW: frozenset[str] = frozenset({"application:read", "endpoint:read", "event_type:read", "message:read", "payload:read"})
CAPABILITIES: dict[str, frozenset[str]] = {
    "ViewBase": VIEW,
    "ViewEndpointSecret": frozenset({"endpoint.secret:read"}),
    "ManageEndpointSecret": frozenset({"endpoint.secret:read", "endpoint.secret:write"}),
    "ManageTransformations": frozenset({"endpoint.transformation:read", "endpoint.transformation:write"}),
    "CreateAttempts": frozenset({"replay:write"}),
    "ManageEndpoint": frozenset({"endpoint:write", "endpoint.secret:read", "endpoint.secret:write"}),
}
APPLICATION_SCOPES: frozenset[str] = frozenset().union(*CAPABILITIES.values())
"""All that an application's token can ever do; what it may not do is the organization's alone."""


def application_scopes(capabilities: Iterable[str] | None, read_only: bool) -> frozenset[str]:
    """What an application's token may do. No capabilities means all of them; `read_only` leaves only viewing."""
    scopes = APPLICATION_SCOPES
    if capabilities is not None:
        scopes = frozenset().union(*(CAPABILITIES.get(name, frozenset()) for name in capabilities))
    return scopes & VIEW if read_only else scopes


def portal_claims(
    *,
    organization: str,
    application: str,
    jti: str,
    now: int,
    expiry: int,
    feature_flags: Iterable[str] = (),
    capabilities: Iterable[str] | None = None,
    read_only: bool = False,
    session_id: str | None = None,
) -> dict[str, Any]:
    """The claims of an application's token. `now` is Unix ms, `expiry` seconds.

    `iat` keeps its milliseconds (RFC 7519 section 2 allows it): a token that is issued right after all older ones
    were ended, within the same second, is not one of them.
    """
    claims: dict[str, Any] = {
        "org": organization,
        "sub": application,
        "jti": jti,
        "iat": now / 1000,
        "exp": now // 1000 + expiry,
        "featureFlags": sorted(feature_flags),
        "readOnly": read_only,
    }
    if capabilities is not None:
        claims["capabilities"] = sorted(capabilities)
    if session_id is not None:
        claims["sessionId"] = session_id
    return claims


_ORGANIZATION = re.compile(r"org_[A-Za-z0-9_\-.]{1,252}", re.ASCII)
_APPLICATION = re.compile(r"app_[A-Za-z0-9]{1,252}", re.ASCII)
_OURS = f"jwt_{JTI}_"


def read_claims(claims: Mapping[str, Any], fingerprint: str, now: int) -> Principal:
    """Who a JWT with a valid signature speaks for. `fingerprint` names one that has no `jti`; `now` is Unix ms.

    Raises Unauthenticated: expired, not valid yet, or of neither kind. Tokens that others minted with our secret
    (`org`, `sub=app_...`, `feature_flags`) are taken too: what they do not say, they may.
    """
    issued, expires = _times(claims, now)
    subject, jti = claims.get("sub"), claims.get("jti")
    credential = f"jwt_{jti if isinstance(jti, str) and 0 < len(jti) <= 256 else fingerprint}"
    if isinstance(subject, str) and _ORGANIZATION.fullmatch(subject):
        return Principal(organization=subject, credential=credential, issued_at=issued, expires_at=expires)
    organization = claims.get("org")
    if not (isinstance(subject, str) and _APPLICATION.fullmatch(subject)):
        raise Unauthenticated("The token speaks for nobody: its sub is neither an org_... nor an app_...")
    if not (isinstance(organization, str) and _ORGANIZATION.fullmatch(organization)):
        raise Unauthenticated("The token of an application must name its organization in the claim org")
    flags = claims.get("featureFlags", claims.get("feature_flags"))
    session = claims.get("sessionId")
    return Principal(
        organization=organization,
        application=subject,
        credential=credential,
        scopes=application_scopes(_names(claims.get("capabilities")), claims.get("readOnly", False) is not False),
        feature_flags=_names(flags) or frozenset(),
        session_id=session if isinstance(session, str) else None,
        issued_at=issued,
        expires_at=expires,
    )


def _names(value: object) -> frozenset[str] | None:
    """A claim that lists names; None when it is absent. What is no list of names allows nothing."""
    if value is None:
        return None
    return frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()


def _times(claims: Mapping[str, Any], now: int) -> tuple[int, int | None]:
    """Issue and expiry in Unix ms (RFC 7519 section 4.1.4 to 4.1.6), judged by `now`."""
    moments: dict[str, int] = {}
    for claim in ("iat", "nbf", "exp"):
        value = claims.get(claim)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**43:  # NaN fails this too
            raise Unauthenticated(f"The token's {claim} is not a time")
        moments[claim] = round(value * 1000)
    if moments.get("exp", now + 1) <= now:
        raise Unauthenticated("The token has expired")
    if max(moments.get("nbf", 0), moments.get("iat", 0)) > now + CLOCK_SKEW * 1000:
        raise Unauthenticated("The token is not valid yet")
    return moments.get("iat", 0), moments.get("exp")


def ended(principal: Principal, revocations: Iterable[Revocation], now: int) -> Revocation | None:
    """The one of the revocations (of the principal's own application) that has ended this token, a logout before others.

    What `iat` says is by the clock of the token's maker. Ours is the one that ends, so tokens of other makers count as
    issued `CLOCK_SKEW` earlier: one made just before the end may not outlive it because its maker's clock is ahead.
    """
    issued_at = principal.issued_at if principal.credential.startswith(_OURS) else principal.issued_at - CLOCK_SKEW * 1000
    found = [
        revocation
        for revocation in revocations
        if revocation.effective_at <= now
        and issued_at <= revocation.issued_until
        and revocation.session_id in (None, principal.session_id)
        and revocation.credential in (None, principal.credential)
    ]
    return next((revocation for revocation in found if revocation.credential is not None), found[0] if found else None)


class KeyParts(msgspec.Struct, frozen=True):
    """`id` is that of the ApiKey; `secret` is what its digest is of."""

    id: str
    secret: str


KEY_MARK = "hw_"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KEY = re.compile(r"hw_([0-9A-Za-z]{27})_([0-9A-Za-z]{43})_([0-9A-Za-z]{6})", re.ASCII)


def format_key(key_id: str, entropy: bytes) -> tuple[str, str]:
    """The text of a new API key and its secret part, from its id (`key_...`) and 32 random bytes."""
    secret = _base62(int.from_bytes(entropy, "big"), 43)
    head = f"{KEY_MARK}{key_id.removeprefix('key_')}_{secret}"
    return f"{head}_{_checksum(head)}", secret


def parse_key(text: str) -> KeyParts | None:
    """The parts of an API key, or None for what cannot be one."""
    match = _KEY.fullmatch(text)
    if match is None or _checksum(text.rpartition("_")[0]) != match[3]:
        return None
    return KeyParts(f"key_{match[1]}", match[2])


def unknown_scopes(scopes: Iterable[str]) -> list[str]:
    return sorted(set(scopes) - SCOPES)


def _checksum(head: str) -> str:
    return _base62(zlib.crc32(head.encode()), 6)


def _base62(value: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        value, digit = divmod(value, 62)
        digits = _DIGITS[digit] + digits
    return digits
