"""API keys: long-lived credentials of an organization, shown once, revocable, as narrow as their scopes."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import AfterValidator, Field
from starlette.responses import Response

from hookwright.api.auth import Org, credentials_of, services_of
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, once, sealed
from hookwright.api.models import Input, Output, Text
from hookwright.api.timestamps import Time, TimeText, rfc3339
from hookwright.domain.credentials import ApiKey, Principal, Scope
from hookwright.engine.credentials import new_key
from hookwright.errors import Forbidden, Invalid
from hookwright.store import Once, Remembered
from hookwright.store.organizations import ListApiKeys

router = APIRouter(tags=["Authentication"], responses=documented())
KeyId = Annotated[str, Path(description="The key's id", examples=["key_1srOrx2ZWZBpBUvZwXKQmoEYga2"])]
Scopes = Annotated[list[Scope], AfterValidator(lambda scopes: sorted(set(scopes))), Field(min_length=1, max_length=50)]


class ApiKeyIn(Input):
    name: Text = Field(examples=["Billing service"])
    scopes: Scopes | None = Field(default=None, description="What the key may do; all that its maker may, if absent")
    expires_at: Time | None = Field(default=None, description="When it ends by itself; when the key that makes it does, if absent")


class ApiKeyOut(Output):
    id: str
    name: str
    scopes: list[str]
    created_at: TimeText
    expires_at: TimeText | None
    revoked_at: TimeText | None


class ApiKeyCreatedOut(ApiKeyOut):
    token: str = Field(description="The key itself. It is shown here and never again.")


class ApiKeysOut(Output):
    data: list[ApiKeyOut]


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": rfc3339(key.created_at),
        "expires_at": None if key.expires_at is None else rfc3339(key.expires_at),
        "revoked_at": None if key.revoked_at is None else rfc3339(key.revoked_at),
    }


@router.post(
    "/auth/api-key",
    operation_id="v1.authentication.create-api-key",
    summary="Create Api Key",
    response_model=ApiKeyCreatedOut,
    status_code=201,
    openapi_extra=DOCUMENTED,
)
async def create(request: Request, response: Response, principal: Annotated[Principal, Org("key:write")], body: ApiKeyIn) -> Any:
    """A key cannot do what its maker cannot, and does not outlive a key that made it.

    For a repetition of the request its answer is kept sealed, for 24 hours.
    """
    services = services_of(request)
    now = services.clock.now()
    scopes = principal.scopes if body.scopes is None else frozenset(body.scopes)
    beyond = sorted(scopes - principal.scopes)
    if beyond:
        raise Forbidden(f"This credential lacks {', '.join(beyond)}, so it cannot give it to a key")
    if body.expires_at is not None and body.expires_at <= now:
        raise Invalid.at("body", "expiresAt", msg="is in the past")
    expires_at = _expiry(principal, body.expires_at)
    ident, created_at = services.minter.mint_timed("key", now)
    text, key = new_key(
        key_id=ident,
        organization=principal.organization,
        name=body.name,
        scopes=tuple(sorted(scopes)),
        entropy=secrets.token_bytes(32),
        now=created_at,
        expires_at=expires_at,
    )
    created = ApiKeyCreatedOut(token=text, **_shown(key))
    packed = created.model_dump_json(by_alias=True).encode()
    only: Once[ApiKey] | None = sealed(await once(request, principal, now, lambda _: packed), services.secrets)
    kept = await credentials_of(request).create_key(key, only)
    if only is not None and isinstance(kept, Remembered):
        response.headers["Idempotency-Replayed"] = "true"
        return ApiKeyCreatedOut.model_validate_json(services.secrets.open_answer(only.key, kept.answer))
    return created


def _expiry(maker: Principal, wished: int | None) -> int | None:
    """When the new key ends (Unix ms). Raises Forbidden.

    A key with an end would be endless if it could make its successor. JWTs are free: who signs one has the secret.
    """
    if maker.expires_at is None or not maker.credential.startswith("key_"):
        return wished
    if wished is not None and wished > maker.expires_at:
        raise Forbidden(f"This key ends at {rfc3339(maker.expires_at)}, so it cannot make one that ends later")
    return maker.expires_at if wished is None else wished


@router.get("/auth/api-key", operation_id="v1.authentication.list-api-keys", summary="List Api Keys", response_model=ApiKeysOut)
async def list_keys(request: Request, principal: Annotated[Principal, Org("key:write")]) -> Any:
    """Newest first, revoked ones too, never their secrets."""
    keys = await services_of(request).store.read(ListApiKeys(organization=principal.organization))
    return ApiKeysOut(data=[ApiKeyOut(**_shown(key)) for key in keys])


@router.delete(
    "/auth/api-key/{key_id}", operation_id="v1.authentication.revoke-api-key", summary="Revoke Api Key", status_code=204
)  # fmt: skip
async def revoke(request: Request, principal: Annotated[Principal, Org("key:write")], key_id: KeyId) -> None:
    """End a key at once and for good; doing it twice changes nothing."""
    await credentials_of(request).revoke_key(principal.organization, key_id)
