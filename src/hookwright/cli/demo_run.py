"""What the demo does, step by step, and what it says about it."""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hookwright.cli.client import sign_token
from hookwright.cli.console import Failed, program, say, say_json, table
from hookwright.cli.demo_events import Event, make_events
from hookwright.cli.demo_progress import watch
from hookwright.cli.demo_receiver import Endpoint, Receiver
from hookwright.cli.inprocess import serving
from hookwright.config import Settings
from hookwright.domain.organizations import DEFAULT_ORGANIZATION

SCHEDULE = "0.3,0.6,1,2,4"
AT_ONCE = 16
PATIENCE = 60.0
_SECRET = "of a demo that lives for some seconds, in a folder of its own"  # noqa: S105


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one endpoint came to. Latency: from the API call to the moment the event was taken, ms."""

    endpoint: str
    does: str
    events: int
    arrived: int
    attempts: int
    verified: int
    altered: int
    repeated: int
    recorded: int
    median_ms: float
    p99_ms: float

    @property
    def good(self) -> bool:
        """All of it came, unchanged, every request of it signed, and the server has written down that it did."""
        return self.arrived == self.recorded == self.events and self.verified == self.attempts and not self.altered


async def run(count: int, as_json: bool) -> bool:
    """Whether all of it arrived. Raises Failed, StoreRefused, ConfigurationError."""
    say_more = (lambda _="": None) if as_json else say
    begun = time.monotonic()
    events = make_events(count)
    with tempfile.TemporaryDirectory(prefix="hookwright-demo-") as folder:
        async with Receiver({event.id: event for event in events}) as receiver, serving(_settings(Path(folder))) as url:
            say_more(f"A Hookwright server runs at {url}, its data in {folder} (removed at the end).")
            say_more("It may deliver to this machine only because the demo allows it: HOOKWRIGHT_ALLOW_NETWORKS=127.0.0.0/8.")
            api = Api(url, sign_token(_SECRET, DEFAULT_ORGANIZATION))
            await _register(api, receiver)
            say_more(f"An application with three endpoints is registered. Sending {count} events to each:\n")
            sent = await _send_and_watch(api, receiver, events, quiet=as_json)
            results = [await _result(api, endpoint, sent) for endpoint in receiver.endpoints]
    good = all(result.good for result in results)
    seconds = time.monotonic() - begun
    if as_json:
        say_json({"ok": good, "seconds": round(seconds, 2), "endpoints": [msgspec.to_builtins(each) for each in results]})
    else:
        _tell(results, good, seconds)
    return good


def _settings(folder: Path) -> Settings:
    """Those that matter here are given, so that nobody's environment changes what the demo shows."""
    return Settings.load(
        host="127.0.0.1", port=0, database=f"sqlite:///{folder}/demo.db", role="all", jwt_secret=_SECRET, allow_networks="127.0.0.0/8",
        https_only=False, retry_schedule=SCHEDULE, retry_jitter=0.2, signature_headers="standard", attempt_timeout=10,
        max_message_bytes=1_048_576, concurrency=512, endpoint_concurrency=64, queue_size=5000, shutdown_grace=2, max_connections=1024,
    )  # fmt: skip


class Api(msgspec.Struct, frozen=True):
    """The server's API, asked from the loop that it runs in: a thread for each question would hold up what is measured."""

    url: str
    token: str

    async def ask(self, method: str, path: str, body: bytes = b"") -> Any:
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"{method} /api/v1/{path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {self.token}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        try:
            answer, _, content = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        status = int(answer.split(b" ", 2)[1])
        if status >= 400:
            raise Failed(f"the server answers {status} to {method} {path}: {content.decode()}")
        return msgspec.json.decode(content)


async def _register(api: Api, receiver: Receiver) -> None:
    await api.ask("POST", "app", msgspec.json.encode({"name": "The demo", "uid": "demo"}))
    for endpoint in receiver.endpoints:
        made = msgspec.json.encode({"url": receiver.url(endpoint), "uid": endpoint.name})
        await api.ask("POST", "app/demo/endpoint", made)
        endpoint.secret = (await api.ask("GET", f"app/demo/endpoint/{endpoint.name}/secret"))["key"]


async def _send_and_watch(api: Api, receiver: Receiver, events: list[Event], *, quiet: bool) -> dict[str, float]:
    """When each event was handed over (Unix seconds); returns when all have arrived, or patience is at its end."""
    sent: dict[str, float] = {}
    arrived = asyncio.create_task(watch(receiver, sent, len(events), PATIENCE, quiet=quiet))
    slots = asyncio.Semaphore(AT_ONCE)

    async def send(event: Event) -> None:
        async with slots:
            body = f'{{"eventType": "{event.type}", "eventId": "{event.id}", "payload": '.encode() + event.body + b"}"
            at = time.time()
            await api.ask("POST", "app/demo/msg", body)
            sent[event.id] = at

    try:
        async with asyncio.TaskGroup() as group:
            for event in events:
                group.create_task(send(event))
                if sys.stdout.isatty() and not quiet:
                    await asyncio.sleep(0.01)  # slow enough for an eye to follow
    except ExceptionGroup as failures:
        arrived.cancel()
        raise failures.exceptions[0] from failures
    await arrived
    return sent


async def _result(api: Api, endpoint: Endpoint, sent: dict[str, float]) -> Result:
    """What the receiver saw beside what the server has written down, which comes a moment after the last arrival."""
    recorded = 0
    for _ in range(40):
        recorded = (await api.ask("GET", f"app/demo/endpoint/{endpoint.name}/stats"))["success"]
        if recorded >= len(endpoint.arrived):
            break
        await asyncio.sleep(0.05)
    latencies = sorted(1000 * (at - sent[ident]) for ident, at in endpoint.arrived.items() if ident in sent) or [0.0]
    return Result(
        endpoint=endpoint.name, does=endpoint.does, events=len(sent), arrived=len(endpoint.arrived), attempts=endpoint.attempts,
        verified=endpoint.verified, altered=len(endpoint.altered), repeated=endpoint.repeated, recorded=recorded,
        median_ms=round(statistics.median(latencies), 1), p99_ms=round(latencies[int(0.99 * (len(latencies) - 1))], 1),
    )  # fmt: skip


def _tell(results: list[Result], good: bool, seconds: float) -> None:
    say()
    columns = ("endpoint", "what it does", "events", "arrived", "attempts", "signatures verified", "median", "99 %")
    table(columns, [_row(result) for result in results])
    healthy, flaky, slow = results
    if not good:
        for result in (each for each in results if not each.good):
            unsigned = result.attempts - result.verified
            say(f"{result.endpoint}: {result.arrived} of {result.events} arrived, {result.recorded} are recorded as delivered;")
            say(f"  {unsigned} requests were not signed as they should be, {result.altered} bodies were changed.")
        say("\nThis is not as it should be: please report it, with the table above.")
        return
    say(f"All of it arrived, unchanged, every request with a signature that verifies; {seconds:.1f} s in all. What you have seen:\n")
    calls = healthy.events
    say(f"- Each event was one API call, answered once it was safely on disk: {calls} calls became {3 * calls} deliveries.")
    say(f"- healthy took every event at the first attempt, half of them within {healthy.median_ms:.0f} ms of the call.")
    say(f"- flaky refused one event in three. Each was tried again by the schedule ({flaky.attempts} attempts in all), and taken.")
    say("  The demo's schedule is in seconds; the real one goes on for three days.")
    say(f"- slow {slow.does}, each time. Its events waited in a lane of their own and delayed nobody else.")
    say("- The receiver checked every signature by itself, with the standard library, as your customers would.")
    say(f"\nNext: `{program()} serve`, then `{program()} token create --name first`, and the README's first event.")


def _row(result: Result) -> tuple[str, ...]:
    return (
        result.endpoint, result.does, str(result.events), str(result.arrived), str(result.attempts),
        f"{result.verified} of {result.attempts}", f"{result.median_ms:.0f} ms", f"{result.p99_ms:.0f} ms",
    )  # fmt: skip
