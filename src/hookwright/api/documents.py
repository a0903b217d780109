"""The OpenAPI document, and a page of it for people that loads nothing from anywhere."""

import html
import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

import hookwright

OPENAPI_PATH = "/api/v1/openapi.json"
TAGS = ("Application", "Endpoint", "Message", "Message Attempt", "Event Type", "Authentication", "Health")
_METHODS = ("get", "post", "put", "patch", "delete")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1c2430;background:#fff}
a{color:#0b57d0}h2{margin-top:2.5rem;border-bottom:1px solid #d5dbe3}details{border:1px solid #d5dbe3;border-radius:6px;margin:.5rem 0}
summary{padding:.5rem .75rem;cursor:pointer}summary code{overflow-wrap:anywhere}details>div{padding:0 .75rem .75rem}
.m{display:inline-block;min-width:4.5rem;font-weight:700}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;border-top:1px solid #e6eaf0;padding:.25rem .5rem}
pre{overflow:auto;background:#f4f6f9;padding:.5rem}
@media(prefers-color-scheme:dark){body{color:#dfe5ee;background:#12161c}a{color:#8ab4f8}pre{background:#1b212a}
details,h2,td,th{border-color:#323b47}}
"""


class HotRoute(msgspec.Struct, frozen=True):
    """A plain route that is served before FastAPI's, and its part of the document.

    `operations`: method -> operation of OpenAPI; `schemas`: what these add to the components.
    """

    route: Route
    path: str
    operations: dict[str, Any]
    schemas: dict[str, Any] = {}


def install(app: FastAPI, hot: Iterable[HotRoute]) -> None:
    """Serve the document and the page; both are made once, at the first request for them."""
    made: dict[str, bytes] = {}
    parts = tuple(hot)

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app, parts)
        return app.openapi_schema

    async def openapi(_: Request) -> Response:
        if "openapi" not in made:
            made["openapi"] = json.dumps(document(), ensure_ascii=False).encode()
        return Response(made["openapi"], media_type="application/json")

    async def docs(_: Request) -> Response:
        if "docs" not in made:
            made["docs"] = page(document()).encode()
        return Response(made["docs"], media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _POLICY})

    async def root(_: Request) -> Response:
        return RedirectResponse("/docs", status_code=307)

    app.openapi = document  # type: ignore[method-assign]
    app.router.routes.extend([Route(OPENAPI_PATH, openapi), Route("/docs", docs), Route("/", root)])


def build(app: FastAPI, hot: Iterable[HotRoute]) -> dict[str, Any]:
    """FastAPI's document with the hot routes in it."""
    document: dict[str, Any] = get_openapi(
        title=app.title,
        version=hookwright.__version__,
        description="Webhooks: sent, signed, retried, replayed. The API is the one that Svix published; its clients work unchanged.",
        routes=app.routes,
        tags=[{"name": tag} for tag in TAGS],
    )
    for part in hot:
        document["paths"].setdefault(part.path, {}).update(part.operations)
        document["components"]["schemas"].update(part.schemas)
    document["paths"] = dict(sorted(document["paths"].items()))
    return document


def page(document: dict[str, Any]) -> str:
    """The document as HTML: operations by tag, then the schemas they name."""
    info = document["info"]
    title = html.escape(f"{info['title']} {info['version']}")
    body = "".join(_sections(document))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1><p>{html.escape(info['description'])}</p>"
        f'<p>For machines: <a href="{OPENAPI_PATH}">{OPENAPI_PATH}</a></p>{body}</body></html>'
    )


def _sections(document: dict[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                by_tag.setdefault((operation.get("tags") or ["Other"])[0], []).append(_operation(method, path, operation))
    for tag in sorted(by_tag, key=lambda tag: TAGS.index(tag) if tag in TAGS else len(TAGS)):
        yield f"<h2>{html.escape(tag)}</h2>{''.join(by_tag[tag])}"
    yield "<h2>Schemas</h2>"
    for name, schema in sorted(document["components"]["schemas"].items()):
        text = html.escape(json.dumps(schema, indent=2, ensure_ascii=False))
        yield f'<details id="{html.escape(name)}"><summary><code>{html.escape(name)}</code></summary><div><pre>{text}</pre></div></details>'


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    old = " (deprecated)" if operation.get("deprecated") else ""
    head = f'<span class="m">{method.upper()}</span><code>{html.escape(path)}</code> {html.escape(operation.get("summary", ""))}{old}'
    rows = [
        _row(f"{part['name']} ({part['in']})", part.get("description", ""), part.get("schema", {}))
        for part in operation.get("parameters", [])
    ]
    rows += [_row("body", "", _content(operation.get("requestBody", {})))] if "requestBody" in operation else []
    rows += [_row(status, part.get("description", ""), _content(part)) for status, part in operation.get("responses", {}).items()]
    text = html.escape(operation.get("description", ""))
    return f"<details><summary>{head}</summary><div><p>{text}</p><table>{''.join(rows)}</table></div></details>"


def _row(name: str, text: str, schema: dict[str, Any]) -> str:
    return f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(text)}</td><td>{_type(schema)}</td></tr>"


def _content(part: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = part.get("content", {}).get("application/json", {})
    return dict(content.get("schema", {}))


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = html.escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    return html.escape(str(schema.get("type", "")))
