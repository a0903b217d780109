"""Idempotency keys: a POST that is sent again is answered as it was the first time.

Rules (after draft-ietf-httpapi-idempotency-key-header-07), as the documentation publishes them:
- A key belongs to one credential, one method and one path. It is remembered for 24 hours.
- What is remembered is the answer of a request that succeeded, stored in the transaction of its effect. A request that
  failed left nothing behind, so its key is as good as new.
- The same key with another body or query is 422. A repetition while the first is under way waits for its answer.
- A repeated answer carries `Idempotency-Replayed: true`.
"""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from hookwright.api.auth import single
from hookwright.domain.credentials import Principal
from hookwright.engine.secrets import Secrets
from hookwright.errors import Invalid
from hookwright.store import Once, Remembered

R = TypeVar("R")
KEPT_MS = 24 * 3600 * 1000
MAX_KEY = 256
HEADER = "idempotency-key"
PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
    "description": "Makes a repetition of this request safe for 24 hours",
}
DOCUMENTED: dict[str, Any] = {"parameters": [PARAMETER]}
"""For the `openapi_extra` of a POST route."""


class Answer:
    """A status and a JSON body (or none), as bytes: three digits, then the body."""

    @staticmethod
    def pack(status: int, body: BaseModel | None) -> bytes:
        return str(status).encode() + (b"" if body is None else body.model_dump_json(by_alias=True).encode())

    @staticmethod
    def response(packed: bytes, *, replayed: bool) -> Response:
        headers = {"Idempotency-Replayed": "true"} if replayed else None
        body = packed[3:]
        return Response(body, status_code=int(packed[:3]), headers=headers, media_type="application/json" if body else None)


async def once(request: Request, principal: Principal, now: int, remember: Callable[[R], bytes]) -> Once[R] | None:
    """What makes this request's command happen once, or None if it carries no key. `now` is Unix ms.

    `remember` makes `Answer.pack(...)` of the command's result. Raises Invalid for a key that is empty or too long,
    BadRequest for two of them.
    """
    key = single(request.scope["headers"], HEADER.encode())
    if key is None:
        return None
    return once_of(
        key=key,
        principal=principal,
        method=request.method,
        path=request.scope["path"],
        query=request.scope["query_string"],
        body=await request.body(),
        now=now,
        remember=remember,
    )


def sealed(once: Once[R] | None, secrets: Secrets) -> Once[R] | None:
    """The same, of an answer that shows a secret: it is remembered sealed, and `secrets.open_answer` opens it."""
    if once is None:
        return None
    key, remember = once.key, once.remember
    return msgspec.structs.replace(once, remember=lambda result: secrets.seal_answer(key, remember(result)))


def check_key(key: str) -> str:
    """The key without space around it. Raises Invalid when it is empty or too long."""
    name = key.strip()
    if not 0 < len(name) <= MAX_KEY:
        raise Invalid.at("header", HEADER, msg=f"must have 1 to {MAX_KEY} characters")
    return name


def once_of(
    *, key: str, principal: Principal, method: str, path: str, query: bytes, body: bytes, now: int, remember: Callable[[R], bytes]
) -> Once[R]:
    """As `once`, from the parts of a request. Both quoted and bare keys are taken, and are the same key."""
    name = check_key(key)
    if len(name) > 2 and name.startswith('"') and name.endswith('"'):
        name = name[1:-1]
    caller = f"{principal.organization}\0{principal.credential}\0{method}\0{path}\0{name}"
    return Once(
        key=hashlib.sha256(caller.encode("utf-8", "surrogatepass")).digest(),
        fingerprint=hashlib.sha256(len(query).to_bytes(4, "big") + query + body).digest(),
        remember=remember,
        now=now,
        expires_at=now + KEPT_MS,
    )


def answer(result: R | Remembered, pack: Callable[[R], bytes]) -> Response:
    """The response for what `changes.apply` gave: fresh or remembered."""
    if isinstance(result, Remembered):
        return Answer.response(result.answer, replayed=True)
    return Answer.response(pack(result), replayed=False)
