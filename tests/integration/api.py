"""A caller of the API for tests: every one with an organization of its own, so that tests share a server and nothing else."""

import uuid
from typing import Any

import httpx
import jwt

from tests.harness import SECRET, Server, org_token

APP_GONE = "app_1srOrx2ZWZBpBUvZwXKQmoEYga2"
UNAUTHENTICATED = (401, "authentication_failed")
FORBIDDEN = (403, "insufficient_access")
NOT_FOUND = (404, "not_found")


class Api:
    """Requests with one credential; the answers' bodies are JSON whenever they are not empty."""

    def __init__(self, server: Server, token: str | None, organization: str = "") -> None:
        self.server, self.token, self.organization = server, token, organization
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=30)

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        if body is not None:
            more["json"] = body
        return self._http.request(method, path, **more)

    def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        response = self(method, path, body, **more)
        assert response.is_success, f"{response.status_code} {response.text}"
        return response.json() if response.content else None

    def app(self, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.ok("POST", "/app", {"name": "An application"} | fields)
        return made

    def portal(self, app: str, **fields: Any) -> "Api":
        """The holder of a portal token for this application."""
        return Api(self.server, self.ok("POST", f"/auth/app-portal-access/{app}", fields)["token"], self.organization)

    def key(self, *scopes: str) -> "Api":
        """The holder of an API key with these scopes."""
        return Api(self.server, self.ok("POST", "/auth/api-key", {"name": "k", "scopes": list(scopes)})["token"], self.organization)


def fresh(server: Server, **claims: Any) -> Api:
    """The credential of an organization that nobody has named yet."""
    organization = f"org_{uuid.uuid4().hex[:27]}"
    return Api(server, org_token(organization, **claims), organization)


def foreign(api: Api, app: str, **claims: Any) -> Api:
    """The holder of an application's token that somebody else made with our secret."""
    return Api(api.server, jwt.encode({"org": api.organization, "sub": app} | claims, SECRET, algorithm="HS256"), api.organization)


def problems(response: httpx.Response) -> list[str]:
    """The places that a 422 names, dotted."""
    assert response.status_code == 422, f"{response.status_code} {response.text}"
    assert all(set(item) == {"loc", "msg", "type"} and item["msg"] for item in response.json()["detail"])
    return [".".join(item["loc"]) for item in response.json()["detail"]]


def code(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an error."""
    body = response.json()
    assert set(body) == {"code", "detail"} and body["detail"]
    return response.status_code, body["code"]
