"""What is sent of a message to an endpoint that has a transformation or a format: first the one, then the other.

Only such endpoints come here. Nothing here writes, and nothing of it says anything about the endpoint's health: a script that
fails is a failed attempt of its delivery, which the schedule repeats, and the receiver was never asked.
"""

import asyncio

import msgspec

from hookwright.clock import Clock
from hookwright.domain.access import merged
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.formats import Event, is_json, put, readable
from hookwright.domain.messages import JSON, Content
from hookwright.domain.transformations import MAX_REASON, Answer, Transformation, read_answer
from hookwright.engine.strikes import LIMIT, Strikes
from hookwright.errors import Busy
from hookwright.sandbox import COSTLY, Draft, Returned, Sandbox, Script, Stopped, Tenant

TEXT = "text/plain; charset=utf-8"
POST = "POST"
Headers = tuple[tuple[str, str], ...]


class Outgoing(msgspec.Struct, frozen=True):
    """What is to be sent. `headers` are the customer's own, and the format's. `elsewhere`: to another host than the endpoint's, so that
    what was entered to be let in there must not go along.
    """

    method: str
    url: str
    content: Content
    headers: Headers
    elsewhere: bool = False


class Unsent(msgspec.Struct, frozen=True):
    """Why nothing is: `canceled`, because the script wants it so, or else because it failed. `line`, of the script: from 1."""

    canceled: bool
    detail: str
    line: int | None = None


class Trial(msgspec.Struct, frozen=True):
    """What became of a script, and the lines that it wrote. `stopped`: it came to a limit."""

    outcome: Outgoing | Unsent
    log: tuple[str, ...] = ()
    stopped: bool = False


CANCELED = Unsent(True, "not sent: the transformation canceled it")


class Shaper:
    """`https_only`: what installations ask of an endpoint's URL holds for a transformation's, too."""

    def __init__(self, clock: Clock, sandbox: Sandbox, *, https_only: bool = False) -> None:
        self._clock, self._sandbox, self._https_only = clock, sandbox, https_only
        self._strikes = Strikes()

    async def shape(
        self, endpoint: Endpoint, transformation: Transformation | None, headers: Headers, event: Event, content: Content
    ) -> Outgoing | Unsent:
        """`headers`: the endpoint's own. Raises Busy."""
        if transformation is None:
            return _formatted(endpoint, Outgoing(POST, endpoint.url, content, headers), event)
        now = self._clock.now()
        until = self._strikes.paused_until(endpoint.id, transformation.code, now)
        if until is not None:
            seconds = -(-(until - now) // 1000)
            again = f"it is run again in {seconds} s, or when it is changed"
            return Unsent(False, f"the transformation had to be stopped {LIMIT} times in a row; {again}")
        try:
            trial = await self.try_out(endpoint, transformation, headers, event, content)
        except Busy as error:  # its attempt waits as well, else a backlog would go round between here and the store as fast as both can
            await asyncio.sleep(error.retry_after)
            raise
        self._strikes.saw(endpoint.id, transformation.code, self._clock.now(), stopped=trial.stopped)
        return trial.outcome

    async def try_out(self, endpoint: Endpoint, transformation: Transformation, headers: Headers, event: Event, content: Content) -> Trial:
        """Run it, whatever it did before. Raises Busy."""
        try:
            script = _script(endpoint, transformation, event, content)
        except UnicodeDecodeError:
            return Trial(Unsent(False, "the payload is not UTF-8, which a transformation needs"))
        ran = await self._sandbox.run(script)
        if isinstance(ran, Stopped):
            return Trial(_failed(ran), ran.log, stopped=ran.trouble in COSTLY)
        return Trial(self._outcome(ran, endpoint, headers, event, content), ran.log)

    async def check(self, endpoint: Endpoint, code: str) -> str | None:
        """Why this script would fail whatever it is given; None if nothing is wrong with it, or nobody can tell. Raises Busy.

        Its turn is not that of the scripts that run for the application: what keeps them may be what is being mended.
        """
        tenant = Tenant(endpoint.organization, f"{endpoint.application} (to be checked)")
        stopped = await self._sandbox.check(Draft(tenant=tenant, code=code))
        return None if stopped is None else _reason(stopped)

    def _outcome(self, ran: Returned, endpoint: Endpoint, headers: Headers, event: Event, content: Content) -> Outgoing | Unsent:
        try:
            answer = read_answer(ran.answer, https_only=self._https_only)
        except ValueError as error:
            return Unsent(False, f"the transformation cannot be followed: {error}"[:MAX_REASON])
        if answer.cancel:
            return CANCELED
        url = answer.url or endpoint.url
        elsewhere = _origin(url) != _origin(endpoint.url)
        own = merged(() if elsewhere else headers, answer.own_headers)
        outgoing = Outgoing(answer.method or POST, url, _content(answer, content), own, elsewhere)
        return _formatted(endpoint, outgoing, event)


def _origin(url: str) -> list[str]:
    """Scheme, host and port of a URL in its normal form."""
    return url.split("/", 3)[:3]


def _formatted(endpoint: Endpoint, outgoing: Outgoing, event: Event) -> Outgoing:
    if endpoint.options.format == "json":
        return outgoing
    content, headers = put(endpoint.options.format, event, outgoing.content)
    return msgspec.structs.replace(outgoing, content=content, headers=merged(outgoing.headers, headers))


def _script(endpoint: Endpoint, transformation: Transformation, event: Event, content: Content) -> Script:
    """Raises UnicodeDecodeError."""
    webhook = {
        "method": POST, "url": endpoint.url, "headers": {}, "payload": None, "id": event.id, "eventType": event.event_type,
        "channels": event.channels, "timestamp": event.time, "variables": transformation.variables,
    }  # fmt: skip
    return Script(
        tenant=Tenant(endpoint.organization, endpoint.application), code=transformation.code, webhook=msgspec.json.encode(webhook).decode(),
        payload=content.body.decode(), is_json=is_json(content.content_type) and readable(content.body),
    )  # fmt: skip


def _content(answer: Answer, content: Content) -> Content:
    """What the script left alone stays byte for byte what it was."""
    if answer.kind == "same" or answer.body is None:
        return content if answer.content_type is None else Content(content.body, answer.content_type)
    made = TEXT if answer.kind == "text" else JSON
    keeps = is_json(content.content_type) is (answer.kind == "json")
    return Content(answer.body.encode(), answer.content_type or (content.content_type if keeps else made))


def _failed(stopped: Stopped) -> Unsent:
    return Unsent(False, f"the transformation failed: {_reason(stopped)}", stopped.line)


def _reason(stopped: Stopped) -> str:
    place = "" if stopped.line is None else f" (line {stopped.line})"
    return f"{_one_line(stopped.detail)}{place}"


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text[:MAX_REASON]).split())
