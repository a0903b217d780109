"""Who is calling: bearer tokens and API keys in, a Principal out, and the ends of both.

Rules this module keeps:
- One algorithm, HS256, whatever a token's header says; the key is the configured secret's bytes.
- Who presented a token that was verified once is remembered (see `principals`), so a request costs no signature. What
  can change meanwhile (expiry, revocation) is judged on every request all the same.
- A token has one spelling. PyJWT's decoder overlooks padding and foreign characters, so a text that RFC 7515 section 3.1
  does not allow is refused; one without `jti` is named by what was signed, for a signature has several spellings (the
  unused bits of its last character). Else an ended token would live on under another spelling.
- An ended token is ended as soon as the revocation is committed: memory follows in the commit's own callback, not in
  the task of the request, which may be cancelled.
"""

import hashlib
import hmac
import re
from typing import Any

import jwt

from hookwright.clock import Clock
from hookwright.domain.credentials import ApiKey, Principal, Revocation
from hookwright.domain.tokens import KEY_MARK, ended, format_key, parse_key, read_claims
from hookwright.engine.principals import Principals, mark_of
from hookwright.errors import Unauthenticated
from hookwright.store import Once, Remembered, Store
from hookwright.store.news import News
from hookwright.store.organizations import CreateApiKey, EnsureOrganization, FindApiKey, ListRevocations, Revoke, RevokeApiKey

ALGORITHM = "HS256"
MOST_ORGANIZATIONS = 10_000
MAX_TOKEN = 8_192
TEN_YEARS = 10 * 365 * 86_400_000
_INVALID = "Invalid token"
_COMPACT = re.compile(r"([\w-]+\.[\w-]+)\.[\w-]+", re.ASCII)
_EXPLAINED = (
    "This is the JWT secret itself, which signs tokens and is not one. Make a token with it: "
    "`hookwright token create`, or a JWT signed with HS256 whose sub is your organization's id."
)
# Times are judged by our own clock in `read_claims`; who may have issued a token is a matter of the secret alone.
_OPTIONS: dict[str, Any] = {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}  # fmt: skip


class LoggedOut(Unauthenticated):
    """The token was ended by its own logout."""


class Credentials:
    """`secret` is HOOKWRIGHT_JWT_SECRET."""

    def __init__(self, store: Store, clock: Clock, secret: str) -> None:
        self._store, self._clock = store, clock
        self._secret = secret.encode()
        self._remembered = Principals()
        self._organizations: dict[str, None] = {}
        self._revocations: dict[str, list[Revocation]] | None = None
        self._ends = 0  # grows with every revocation: what was read before one and kept after it would undo it

    async def verify(self, token: str) -> Principal:
        """Who presents this bearer token. Raises Unauthenticated, saying what is wrong with it, as LoggedOut too."""
        if len(token) > MAX_TOKEN:
            raise Unauthenticated(_INVALID)
        mark = mark_of(token)
        principal = self._remembered.get(mark)
        if principal is None:
            before = self._ends
            principal = await self._examine(token)
            await self._ensure(principal.organization)
            if before == self._ends:
                self._remembered.put(mark, principal)
        now = self._clock.now()
        if principal.expires_at is not None and principal.expires_at <= now:
            self._remembered.drop(mark)
            raise Unauthenticated("The token has expired")
        if principal.application is not None:
            if self._revocations is None:
                await self.refresh()
            end = ended(principal, (self._revocations or {}).get(principal.application, ()), now)
            if end is not None:
                if end.credential is not None:
                    raise LoggedOut("The token was ended by a logout")
                raise Unauthenticated("The token was ended when all tokens of its application or session were")
        return principal

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with these claims."""
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    async def refresh(self) -> None:
        """Read which tokens were ended; what this process ends itself it knows without."""
        while True:
            before = self._ends
            found: dict[str, list[Revocation]] = {}
            for revocation in await self._store.read(ListRevocations(now=self._clock.now())):
                found.setdefault(revocation.application, []).append(revocation)
            if before == self._ends:
                self._revocations = found
                return

    def heed(self, news: News | None) -> None:
        """Another process may have revoked a key or ended tokens; None: any of them."""
        if news is None:
            self._remembered = Principals()
        elif news.kind == "key":
            self._remembered.drop_credential(news.item)
        if news is None or news.kind in ("key", "revocation"):
            self._ends += 1
        if news is None or news.kind == "revocation":
            self._revocations = None  # the next request of a token that can be ended reads them

    async def end(self, revocations: tuple[Revocation, ...], once: Once[None] | None = None) -> Remembered | None:
        """End application tokens."""

        def tell(_: None) -> None:
            self._ends += 1
            if self._revocations is not None:  # else the first look at them will see these too
                for revocation in revocations:
                    self._revocations.setdefault(revocation.application, []).append(revocation)

        await self.refresh()  # drops what is long over
        return await self._store.write(Revoke(revocations=revocations), once=once, on_commit=tell)

    async def create_key(self, key: ApiKey, once: Once[ApiKey] | None = None) -> ApiKey | Remembered:
        """Keep a key whose text was made by `new_key`."""
        await self._ensure(key.organization)
        return await self._store.write(CreateApiKey(key=key), once=once)

    async def revoke_key(self, organization: str, key_id: str, once: Once[ApiKey] | None = None) -> ApiKey | Remembered:
        """End a key now. Raises NotFound."""

        def tell(_: ApiKey) -> None:
            self._ends += 1
            self._remembered.drop_credential(key_id)

        command = RevokeApiKey(organization=organization, id=key_id, now=self._clock.now())
        return await self._store.write(command, once=once, on_commit=tell)

    async def _ensure(self, organization: str) -> None:
        if organization not in self._organizations:
            await self._store.write(EnsureOrganization(organization=organization, now=self._clock.now()))
            self._organizations[organization] = None
            if len(self._organizations) > MOST_ORGANIZATIONS:
                del self._organizations[next(iter(self._organizations))]

    async def _examine(self, token: str) -> Principal:
        if token.startswith(KEY_MARK):
            return await self._examine_key(token)
        if hmac.compare_digest(token.encode(), self._secret):
            raise Unauthenticated(_EXPLAINED)
        compact = _COMPACT.fullmatch(token)
        if compact is None:
            raise Unauthenticated(_INVALID)
        try:
            claims = jwt.decode(token, self._secret, algorithms=[ALGORITHM], options=_OPTIONS)  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthenticated(_INVALID) from error
        return read_claims(claims, hashlib.sha256(compact[1].encode()).hexdigest()[:32], self._clock.now())

    async def _examine_key(self, text: str) -> Principal:
        parts = parse_key(text)
        key = None if parts is None else await self._store.read(FindApiKey(id=parts.id))
        if parts is None or key is None or not hmac.compare_digest(digest(parts.secret), key.digest):
            raise Unauthenticated(_INVALID)
        if key.revoked_at is not None:
            raise Unauthenticated("This key was revoked")
        return Principal(
            organization=key.organization,
            credential=key.id,
            scopes=frozenset(key.scopes),
            issued_at=key.created_at,
            expires_at=key.expires_at,
        )


def new_key(
    *, key_id: str, organization: str, name: str, scopes: tuple[str, ...], entropy: bytes, now: int, expires_at: int | None = None
) -> tuple[str, ApiKey]:
    """The text of a new key, to be shown once, and what is kept of it. `entropy`: 32 random bytes; times: Unix ms."""
    text, secret = format_key(key_id, entropy)
    kept = ApiKey(
        id=key_id,
        organization=organization,
        name=name,
        digest=digest(secret),
        scopes=scopes,
        created_at=now,
        expires_at=expires_at,
    )
    return text, kept


def digest(secret: str) -> bytes:
    """What is kept of a key's secret: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).digest()
