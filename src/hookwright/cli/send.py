"""`hookwright send`: one message from the command line, and what became of it."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookwright.cli import arguments, console
from hookwright.cli.console import Failed, Json, note, say, say_json

if TYPE_CHECKING:
    from hookwright.cli.client import Client
    from hookwright.cli.installation import Installation

_LOOK_EVERY = 0.1
_IN_WORDS = {"success": "delivered", "fail": "given up", "canceled": "canceled", "sending": "under way", "pending": "waiting"}


def send(
    app: Annotated[str, typer.Argument(metavar="APP", help="The application: its id or uid.")],
    event_type: Annotated[str, typer.Argument(metavar="EVENT_TYPE", help="Like invoice.paid.")],
    payload: Annotated[str, typer.Option(metavar="JSON|@FILE|-", help="The JSON object to send; - reads standard input.")] = "{}",
    channel: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A channel, repeatable.")] = None,
    event_id: Annotated[str | None, typer.Option(metavar="ID", help="Your own name for it; a second one of that name is refused.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every endpoint was tried, and say what came of it.")] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="How long to wait at most.")] = 35.0,
    organization: arguments.Organization = arguments.THE_ORGANIZATION,
    as_json: Json = False,
    database: arguments.Database = None,
    url: arguments.Url = None,
    token: arguments.Token = None,
) -> None:
    """Send one message. With --wait the exit status is 0 only if every endpoint has taken it."""
    from hookwright.cli.installation import Installation
    from hookwright.config import Settings
    from hookwright.domain.names import is_name

    if not is_name(app):
        raise typer.BadParameter(f"{app!r} is neither an application's id (app_...) nor a uid")
    body = _body(event_type, read_payload(payload), channel, event_id)
    installation = Installation(settings=Settings.load(database=database), url=url, token=token, organization=organization)
    result = _either(installation, app, body, timeout if wait else 0.0)
    deliveries = result["deliveries"]
    if as_json:
        say_json(result if deliveries is not None else {"id": result["id"]})
    else:
        _show(result)
    if wait and any(delivery["status"] != "success" for delivery in deliveries):
        raise typer.Exit(1)


def read_payload(text: str) -> bytes:
    """The payload's bytes, as they are: from the argument, a file or standard input. Raises Failed, BadParameter."""
    if text == "-":
        raw = sys.stdin.buffer.read()
    elif text.startswith("@"):
        try:
            raw = Path(text[1:]).read_bytes()
        except OSError as error:
            raise Failed(f"--payload {text}: {error.strerror}") from error
    else:
        raw = os.fsencode(text)  # the bytes that were typed, whether they are text or not
    raw = raw.strip()
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"the payload is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter("the payload is not a JSON object, like '{\"id\": 1}'")
    return raw


def _body(event_type: str, payload: bytes, channels: list[str] | None, event_id: str | None) -> bytes:
    """A request that carries the payload's bytes untouched: a number's digits and the order of keys are the sender's."""
    fields: dict[str, Any] = {"eventType": event_type}
    if channels:
        fields["channels"] = channels
    if event_id is not None:
        fields["eventId"] = event_id
    return json.dumps(fields).encode()[:-1] + b', "payload": ' + payload + b"}"


def _either(installation: "Installation", app: str, body: bytes, seconds: float) -> dict[str, Any]:
    """At a server that has the database, or, when nobody has it, with a server of our own for a moment."""
    from hookwright.cli.installation import is_held
    from hookwright.errors import StoreRefused
    from hookwright.runtime.database import FileLock

    if installation.url is None and installation.missing:
        raise Failed(f"there is no database {installation.path}; name it with --database, or its server with --url")
    if installation.url is None and installation.settings.on_postgres:
        if not asyncio.run(_nodes_at_work(installation)):
            return asyncio.run(_alone(installation, app, body, seconds))
    elif installation.url is None:
        try:
            FileLock(installation.path).release()  # the usual case, a server beside us, is noticed before much is loaded
            return asyncio.run(_alone(installation, app, body, seconds))
        except StoreRefused as error:
            if not is_held(error):
                raise
    return _exchange(installation.client(), app, body, seconds)


async def _nodes_at_work(installation: "Installation") -> int:
    """Where others deliver, a server of our own would take a share of their work, with the settings of this shell."""
    from hookwright.runtime import postgres

    return await postgres.nodes_at_work(installation.settings)


async def _alone(installation: "Installation", app: str, body: bytes, seconds: float) -> dict[str, Any]:
    """Without a server nobody else would send it, so its first attempts are waited for in any case."""
    from hookwright.cli.client import Client, sign_token
    from hookwright.cli.inprocess import serving
    from hookwright.telemetry import configure_logs

    configure_logs("error", "auto")
    settings = installation.settings.model_copy(update={"host": "127.0.0.1", "port": 0})
    note(f"No server has {installation.name}: delivering from here.")
    async with serving(settings) as url:
        client = Client(url, installation.token or sign_token(installation.secret(), installation.organization))
        return await asyncio.to_thread(_exchange, client, app, body, seconds or settings.attempt_timeout + 5)


def _exchange(client: "Client", app: str, body: bytes, seconds: float) -> dict[str, Any]:
    from hookwright.cli.client import Refused

    try:
        message = client.call("POST", "app", app, "msg", body=body)
    except Refused as error:
        if error.status == 404:
            raise Failed(f"there is no application {app!r} in this organization") from error
        raise
    deliveries = None if not seconds else _watch(client, app, message["id"], seconds)
    return {"id": message["id"], "eventType": message["eventType"], "deliveries": deliveries}


def _watch(client: "Client", app: str, message: str, seconds: float) -> list[dict[str, Any]]:
    """What became of each delivery, once all were tried or `seconds` have passed."""
    end = time.monotonic() + seconds
    while True:
        found = list(client.list("app", app, "msg", message, "endpoint"))
        waiting = [
            one for one in found if one["statusText"] in ("sending", "pending") and not one.get("nextAttempt") and not one["disabled"]
        ]
        if not waiting or time.monotonic() > end:
            break
        time.sleep(_LOOK_EVERY)
    attempts: dict[str, dict[str, Any]] = {}
    for attempt in client.list("app", app, "attempt", "msg", message):
        attempts.setdefault(attempt["endpointId"], attempt)  # newest first
    return [_delivery(one, attempts.get(one["id"])) for one in found]


def _delivery(destination: dict[str, Any], attempt: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "endpoint": destination["uid"] or destination["id"],
        "url": destination["url"],
        "status": destination["statusText"],
        "held": destination["disabled"] and destination["statusText"] == "pending",
        "nextAttempt": destination.get("nextAttempt"),
        "responseStatusCode": attempt and attempt["responseStatusCode"],
        "responseDurationMs": attempt and attempt["responseDurationMs"],
        "response": attempt and attempt["response"][:200],
    }


def _show(result: dict[str, Any]) -> None:
    say(result["id"])
    deliveries = result["deliveries"]
    if deliveries is None:
        note("Accepted: it is stored and on its way. --wait says what becomes of it.")
    elif not deliveries:
        note("Accepted and stored, but no endpoint of this application wants it.")
    else:
        console.table(("endpoint", "url", "came to", "answer"), [(d["endpoint"], d["url"], _came_to(d), _answer(d)) for d in deliveries])


def _came_to(delivery: dict[str, Any]) -> str:
    if delivery["held"]:
        return "held: the endpoint is disabled"
    words = _IN_WORDS[delivery["status"]]
    return f"failed, next attempt {delivery['nextAttempt']}" if delivery["nextAttempt"] else words


def _answer(delivery: dict[str, Any]) -> str:
    if delivery["responseStatusCode"] is None:
        return "no attempt yet"
    if delivery["responseStatusCode"] == 0:
        return str(delivery["response"])
    return f"{delivery['responseStatusCode']} after {delivery['responseDurationMs']} ms"
