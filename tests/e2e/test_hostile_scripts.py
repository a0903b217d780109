"""Hostile transformations on a server as users start it: contained, reported on the attempt, neighbours unaffected.

One tenant has an endpoint for every kind of hostility. All their scripts run at once, while messages go to neighbours that have a
transformation and to ones that have none.
"""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from svix.api import ApplicationIn, EndpointIn, MessageAttemptListByEndpointOptions, MessageIn, Svix, SvixOptions
from svix.exceptions import HTTPValidationError
from svix.models import EndpointTransformationPatch, MessageStatus

from tests.harness import Receiver, ServerProcess, free_port, org_token
from tests.scripts import GREEDY, HOSTILE
from tests.waiting import eventually

pytestmark = pytest.mark.long
MISTAKES = {
    "throws null": "function handler(w) { throw null; }",
    "throws what cannot be shown": "function handler(w) { throw {get message() { throw 1; }, toString() { throw 2; }}; }",
    "throws a text of millions": "function handler(w) { throw 'x'.repeat(5e6); }",
    "never keeps its promise": "function handler(w) { return new Promise(() => {}); }",
    "recursion": "function handler(w) { return handler(w); }",
    "a cycle": "function handler(w) { w.payload.self = w.payload; return w; }",
    "a proxy that throws": "function handler(w) { return new Proxy({}, {get() { throw 1; }}); }",
}
OUTPUTS = {
    "huge output": "function handler(w) { w.payload.text = 'x'.repeat(3e6); return w; }",
    "a thousand headers": "function handler(w) { for (let n = 0; n < 1000; n++) w.headers['x-' + n] = '1'; return w; }",
    "a header in a header": "function handler(w) { w.headers['x-a'] = 'b\\r\\nx-c: d'; return w; }",
    "a header of ours": "function handler(w) { w.headers['webhook-signature'] = 'v1,forged'; return w; }",
    "another method": "function handler(w) { w.method = 'DELETE / HTTP/1.1'; return w; }",
    "another scheme": "function handler(w) { w.url = 'file:///etc/passwd'; return w; }",
    "what is within": "function handler(w) { w.url = 'http://169.254.169.254/latest/meta-data/'; return w; }",
}
GAMES = {
    "traps for the next": (
        "for (const of of [Object, Array, String, Function, Promise]) of.prototype.toJSON = of.prototype.payload = () => 'theirs';"
        "globalThis.console = JSON.parse = JSON.stringify = null; globalThis.kept = 'theirs'; function handler(w) { throw 'played'; }"
    ),
}
RUN = {
    name: code
    for name, code in (HOSTILE | GREEDY | MISTAKES | OUTPUTS | GAMES).items()
    if "function handler" in code or "function*" in code
}
REFUSED = {
    "endless before the handler": "for (;;) {}",
    "no syntax": "function handler(w) {",
    "no handler": "globalThis.kept = 1;",
    "endless while it is told": "throw {toString() { for (;;) {} }}",
}
GOOD = "function handler(w) { w.payload = {kept: typeof kept, n: w.payload.n, text: JSON.stringify([1])}; return w; }"
MESSAGES, WORKERS = 10, 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """One retry, soon; a fifth of a second for a script."""
    options = {
        "HOOKWRIGHT_TRANSFORMATION_SECONDS": "0.2",
        "HOOKWRIGHT_RETRY_SCHEDULE": "0.05",
        "HOOKWRIGHT_TRANSFORMATION_BYTES": "16777216",
    }
    with ServerProcess(tmp_path, free_port(), **options) as started:
        yield started


def client_of(server: ServerProcess, organization: str) -> Svix:
    client = Svix(org_token(organization), SvixOptions(server_url=server.url))
    client.application.create(ApplicationIn(name="a", uid="app"))
    return client


def scripted(client: Svix, url: str, code: str | None) -> str:
    made = client.endpoint.create("app", EndpointIn(url=url)).id
    if code is not None:
        client.endpoint.transformation.patch("app", made, EndpointTransformationPatch(code=code, enabled=True))
    return made


def test_hostile_scripts_harm_nobody(server: ServerProcess) -> None:
    with Receiver() as receiver:
        hostile, good, plain = (client_of(server, f"org_{name}{'0' * 20}") for name in ("hostile", "good", "plain"))
        endpoints = {name: scripted(hostile, f"{receiver.url}/hostile", code) for name, code in RUN.items()}
        beside = {"good": scripted(good, f"{receiver.url}/good", GOOD), "plain": scripted(plain, f"{receiver.url}/plain", None)}

        # What fails whatever it is given is not even stored.
        for code in REFUSED.values():
            with pytest.raises(HTTPValidationError):
                hostile.endpoint.transformation.patch("app", endpoints["throws null"], EndpointTransformationPatch(code=code))

        # Neighbours, while all of it runs: every message arrives, once, as it should.
        hostile.message.create("app", MessageIn(event_type="a.b", payload={"n": 1}))
        for number in range(MESSAGES):
            for client in (good, plain):
                client.message.create("app", MessageIn(event_type="a.b", payload={"n": number}))
        eventually(lambda: len(receiver.requests) >= 2 * MESSAGES, seconds=120)
        assert Counter(request.path for request in receiver.requests) == {"/hook/good": MESSAGES, "/hook/plain": MESSAGES}
        bodies = {request.body for request in receiver.requests if request.path.endswith("good")}
        assert bodies == {b'{"kept":"undefined","n":%d,"text":"[1]"}' % number for number in range(MESSAGES)}
        for name, client in (("good", good), ("plain", plain)):
            assert ended(client, beside[name], MESSAGES) == (MESSAGES, 0)

        # Each of the hostile failed, was never sent, says why, and its endpoint is to blame for nothing.
        for name, endpoint in endpoints.items():
            assert ended(hostile, endpoint, 1) == (0, 1), name
            options = MessageAttemptListByEndpointOptions(with_content=True)
            attempts = hostile.message_attempt.list_by_endpoint("app", endpoint, options).data
            assert [(attempt.status, attempt.response_status_code) for attempt in attempts] == [(MessageStatus.FAIL, 0)] * 2, name
            assert all(0 < len(attempt.response) < 2200 for attempt in attempts), name
            expected = "blocked" if name == "what is within" else "the transformation"
            assert all(expected in attempt.response for attempt in attempts), (name, attempts[0].response)
            assert not hostile.endpoint.get("app", endpoint).disabled
        assert not [request for request in receiver.requests if request.path.endswith("hostile")]

        # The server is the one that was started, and well; when it is stopped, nothing of the scripts' processes is left.
        process = server.process
        assert process is not None and process.poll() is None
        good.message.create("app", MessageIn(event_type="a.b", payload={"n": MESSAGES}))
        eventually(lambda: len(receiver.requests) == 2 * MESSAGES + 1)
        eventually(lambda: len(family(process.pid)) <= WORKERS)
        left = family(process.pid)
        assert left and "Z" not in [state(pid) for pid in left]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]
        assert "Traceback" not in server.log()


def ended(client: Svix, endpoint: str, count: int) -> tuple[int, int]:
    """How many of its deliveries succeeded and failed, once so many ended."""
    eventually(lambda: sum(outcomes(client, endpoint)) >= count, seconds=240)
    return outcomes(client, endpoint)


def outcomes(client: Svix, endpoint: str) -> tuple[int, int]:
    stats = client.endpoint.get_stats("app", endpoint)
    return stats.success, stats.fail


def family(pid: int) -> list[int]:
    """The processes below this one, however deep."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == pid:
                found += [int(entry.name), *family(int(entry.name))]
    return found


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
