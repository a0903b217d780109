"""Access tokens over a token endpoint that answers when and what the test says; time is an argument."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from hookwright.clock import SystemClock
from hookwright.domain.access import ClientCredentials
from hookwright.engine.access import UNLEASED, Admission, Entry
from hookwright.engine.tokens import DOUBT, LIFE, MOST_BYTES, Tokens, read_token, token_request
from hookwright.sender import Failure, Request, Response, TlsIdentity

CLIENT = ClientCredentials("https://login.example/token", "id", "s3cret")
ENDPOINT = "ep_1"


class Login:
    """A token endpoint and a receiver in one: `answers` are those to token requests, in turn, the last one for ever."""

    def __init__(self, *answers: Response | Failure) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []
        self.delivered: list[Request] = []
        self.status = 200
        self.gate = asyncio.Event()
        self.gate.set()
        self.now = 1000.0

    async def send(self, request: Request) -> Response | Failure:
        if request.url != CLIENT.token_url:
            self.delivered.append(request)
            return Response(self.status, b"", False)
        self.asked.append(request)
        await self.gate.wait()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def close(self) -> None:
        pass


def token(text: str, **more: Any) -> Response:
    return Response(200, json.dumps({"access_token": text, "token_type": "Bearer", "expires_in": 600} | more).encode(), False)


def check(login: Login, story: Callable[[Tokens], Awaitable[None]]) -> None:
    async def run() -> None:
        await story(Tokens(login, lambda: login.now))

    asyncio.run(run())


async def ask(tokens: Tokens, endpoint: str = ENDPOINT, client: ClientCredentials = CLIENT) -> str | Failure:
    return await tokens.token(endpoint, client, 5.0)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_token_is_fetched_once_and_used_until_shortly_before_its_end() -> None:
    login = Login(token("one"), token("two"))

    async def story(tokens: Tokens) -> None:
        assert [await ask(tokens) for _ in range(3)] == ["one"] * 3
        login.now += 539
        assert await ask(tokens) == "one"
        login.now += 2  # less than a tenth of its life is left
        assert await ask(tokens) == "two"
        assert len(login.asked) == 2

    check(login, story)


def test_of_a_long_life_the_last_minute_is_not_used() -> None:
    login = Login(token("one", expires_in=7200), token("two"))

    async def story(tokens: Tokens) -> None:
        await ask(tokens)
        login.now += 7200 - 61
        assert await ask(tokens) == "one"
        login.now += 2
        assert await ask(tokens) == "two"

    check(login, story)


def test_a_token_that_has_no_life_is_used_once() -> None:
    login = Login(token("one", expires_in=0), token("two", expires_in=-5), token("three"))

    async def story(tokens: Tokens) -> None:
        assert [await ask(tokens) for _ in range(4)] == ["one", "two", "three", "three"]

    check(login, story)


def test_who_needs_a_token_that_is_being_fetched_waits_for_it() -> None:
    login = Login(token("one"))

    async def story(tokens: Tokens) -> None:
        login.gate.clear()
        waiting = [asyncio.create_task(ask(tokens)) for _ in range(50)]
        await turns()
        assert len(login.asked) == 1
        login.gate.set()
        assert await asyncio.gather(*waiting) == ["one"] * 50
        assert len(login.asked) == 1

    check(login, story)


def test_a_failure_is_everybodys_who_waited_and_the_next_one_asks_again() -> None:
    login = Login(Response(503, b"", False), token("one"))

    async def story(tokens: Tokens) -> None:
        login.gate.clear()
        waiting = [asyncio.create_task(ask(tokens)) for _ in range(5)]
        await turns()
        login.gate.set()
        results = await asyncio.gather(*waiting)
        assert all(isinstance(result, Failure) and "503" in result.detail for result in results)
        assert len(login.asked) == 1
        assert await ask(tokens) == "one"

    check(login, story)


def test_who_is_cancelled_while_fetching_leaves_it_to_the_next() -> None:
    login = Login(token("one"))

    async def story(tokens: Tokens) -> None:
        login.gate.clear()
        first, second = asyncio.create_task(ask(tokens)), asyncio.create_task(ask(tokens))
        await turns()
        first.cancel()
        await turns()
        assert len(login.asked) == 2
        login.gate.set()
        assert await second == "one"

    check(login, story)


def test_each_endpoint_has_a_token_of_its_own_and_waits_for_no_other() -> None:
    login = Login(token("one"), token("two"), token("three"))

    async def story(tokens: Tokens) -> None:
        login.gate.clear()
        waiting = [asyncio.create_task(ask(tokens, endpoint)) for endpoint in ("ep_1", "ep_2")]
        await turns()
        assert len(login.asked) == 2
        login.gate.set()
        assert await asyncio.gather(*waiting) == ["one", "two"]
        other = msgspec.structs.replace(CLIENT, client_secret="changed")
        assert await ask(tokens, "ep_1", other) == "three"

    check(login, story)


def test_if_no_new_one_is_to_be_had_the_old_one_is_used_to_its_end() -> None:
    login = Login(token("one"), Response(500, b"", False))

    async def story(tokens: Tokens) -> None:
        await ask(tokens)
        login.now += 599
        assert [await ask(tokens) for _ in range(3)] == ["one"] * 3
        assert len(login.asked) == 2
        login.now += 2
        assert isinstance(await ask(tokens), Failure)

    check(login, story)


def test_a_refused_token_is_dropped_once() -> None:
    login = Login(token("one"), token("two"), token("three"))

    async def story(tokens: Tokens) -> None:
        await ask(tokens)
        tokens.refused(ENDPOINT, CLIENT, "one")
        assert await ask(tokens) == "two"
        tokens.refused(ENDPOINT, CLIENT, "one")  # an attempt that was under way with the old one
        tokens.refused(ENDPOINT, CLIENT, "two")
        assert await ask(tokens) == "two"
        tokens.taken(ENDPOINT, CLIENT, "two")
        tokens.refused(ENDPOINT, CLIENT, "two")
        assert await ask(tokens) == "three"

    check(login, story)


def test_who_waits_for_anothers_request_waits_no_longer_than_it_has_time() -> None:
    login = Login(token("one"))

    async def story(tokens: Tokens) -> None:
        login.gate.clear()
        first = asyncio.create_task(ask(tokens))
        await turns()
        result = await tokens.token(ENDPOINT, CLIENT, 0.01)
        assert isinstance(result, Failure)
        assert (result.fault, result.detail.endswith("the token endpoint did not answer in time")) == ("timeout", True)
        assert not first.done()
        login.gate.set()
        assert await first == "one"
        assert len(login.asked) == 1

    check(login, story)


def test_while_another_is_fetched_the_old_one_serves() -> None:
    login = Login(token("one"), token("two"))

    async def story(tokens: Tokens) -> None:
        await ask(tokens)
        login.now += 541
        login.gate.clear()
        first = asyncio.create_task(ask(tokens))
        await turns()
        assert [await ask(tokens) for _ in range(3)] == ["one"] * 3
        login.gate.set()
        assert await first == "two"
        assert await ask(tokens) == "two"

    check(login, story)


def test_a_token_that_was_fetched_because_of_a_refusal_is_doubted_again_after_a_while() -> None:
    login = Login(token("one"), token("two", expires_in=86_400), token("three"))

    async def story(tokens: Tokens) -> None:
        await ask(tokens)
        tokens.refused(ENDPOINT, CLIENT, "one")
        assert await ask(tokens) == "two"
        login.now += DOUBT - 1
        tokens.refused(ENDPOINT, CLIENT, "two")
        assert await ask(tokens) == "two"
        login.now += 2
        tokens.refused(ENDPOINT, CLIENT, "two")
        assert await ask(tokens) == "three"
        assert len(login.asked) == 3

    check(login, story)


def deliver(login: Login, *statuses: int, entry: Entry | None = None, clock: Any = None) -> list[Response | Failure]:
    """Attempts through the whole of it, one after another."""

    async def run() -> list[Response | Failure]:
        admission, results = Admission(login, clock or SystemClock()), []
        for status in statuses:
            login.status = status
            request = Request("https://receiver.example/", (("authorization", "mine"), ("X-A", "1")), b"{}", 30.0)
            results.append(await admission.send(ENDPOINT, entry or Entry(CLIENT, None, None), request))
        return results

    return asyncio.run(run())


def test_a_message_carries_the_token_and_its_whole_deadline() -> None:
    login = Login(token("one"))
    assert deliver(login, 200, 204) == [Response(200, b"", False), Response(204, b"", False)]
    assert [request.headers for request in login.delivered] == [(("X-A", "1"), ("Authorization", "Bearer one"))] * 2
    assert [request.deadline for request in login.delivered] == [30.0, 30.0]


def test_who_is_no_node_any_more_when_there_is_a_token_sends_nothing() -> None:
    """Others have the delivery by then, and have gone on to the next one, perhaps."""
    login, leased = Login(token("one")), True

    async def run() -> Response | Failure:
        nonlocal leased
        login.gate.clear()
        request = Request("https://receiver.example/", (), b"{}", 30.0)
        sending = asyncio.ensure_future(Admission(login, SystemClock()).send(ENDPOINT, Entry(CLIENT, None, None), request, lambda: leased))
        while not login.asked:  # noqa: ASYNC110  # one step of the loop or two
            await asyncio.sleep(0)
        leased = False
        login.gate.set()
        return await sending

    assert asyncio.run(run()) is UNLEASED
    assert login.delivered == []


def test_a_receiver_that_refuses_everything_makes_us_ask_for_two_tokens_and_no_more() -> None:
    login = Login(token("one"), token("two"), token("three"))
    deliver(login, *[401] * 10)
    assert len(login.asked) == 2
    assert [dict(request.headers)["Authorization"] for request in login.delivered[:3]] == ["Bearer one", "Bearer two", "Bearer two"]


def test_without_a_token_nothing_is_sent_to_the_receiver() -> None:
    login = Login(Failure("refused", "the connection was refused"))
    (result,) = deliver(login, 200)
    assert isinstance(result, Failure)
    assert "there is no access token" in result.detail
    assert login.delivered == []


def test_an_expired_client_certificate_is_not_shown_to_anybody() -> None:
    class Later:
        def now(self) -> int:
            return 1_800_000_000_000

    login = Login(token("one"))
    (result,) = deliver(login, 200, entry=Entry(None, None, 1_790_000_000_000), clock=Later())
    assert isinstance(result, Failure)
    assert (result.fault, "expired on 2026-09-21" in result.detail) == ("tls", True)
    assert login.delivered == []


def test_a_client_certificate_that_expires_soon_is_in_the_log_once_and_still_used(caplog: pytest.LogCaptureFixture) -> None:
    class Before:
        def now(self) -> int:
            return 1_790_000_000_000 - 13 * 86_400_000

    login, entry = Login(token("one")), Entry(None, None, 1_790_000_000_000)
    assert len(deliver(login, 200, 200, 200, entry=entry, clock=Before())) == len(login.delivered) == 3
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "the client certificate of endpoint ep_1 expires on 2026-09-21: its owner has to set another"
    ]


def test_a_client_certificate_that_is_good_for_longer_is_not(caplog: pytest.LogCaptureFixture) -> None:
    class Before:
        def now(self) -> int:
            return 1_790_000_000_000 - 15 * 86_400_000

    deliver(Login(token("one")), 200, entry=Entry(None, None, 1_790_000_000_000), clock=Before())
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def fields_of(request: Request) -> dict[str, list[str]]:
    return parse_qs(request.body.decode(), strict_parsing=True)


def test_a_token_is_asked_for_as_the_rfc_has_it() -> None:
    client = msgspec.structs.replace(CLIENT, client_id="a:b c", client_secret="ü&=", scopes=("read", "write"), audience="https://api")
    request = token_request(client, 5.0)
    headers = dict(request.headers)
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"a%3Ab+c:%C3%BC%26%3D"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert fields_of(request) == {"grant_type": ["client_credentials"], "scope": ["read write"], "audience": ["https://api"]}
    assert (request.method, request.url, request.deadline, request.most) == ("POST", CLIENT.token_url, 5.0, MOST_BYTES)


def test_id_and_secret_may_be_in_the_body() -> None:
    request = token_request(msgspec.structs.replace(CLIENT, in_body=True), 5.0)
    assert fields_of(request) == {"grant_type": ["client_credentials"], "client_id": ["id"], "client_secret": ["s3cret"]}
    assert "Authorization" not in dict(request.headers)


@pytest.mark.parametrize(
    ("stated", "life"),
    [(60, 60), (60.5, 60.5), ("60", 60), (0, 0), (-1, 0), (None, LIFE), (True, LIFE), ("soon", LIFE), ([], LIFE), (10**30, 86_400)],
)
def test_how_long_it_lives_is_believed_within_bounds(stated: object, life: float) -> None:
    assert read_token(token("one", expires_in=stated)) == ("one", life)


def test_a_token_without_a_type_or_a_life_is_taken() -> None:
    assert read_token(Response(200, b'{"access_token":"one"}', False)) == ("one", LIFE)
    assert read_token(token("one", token_type="bearer", expires_in="NaN")) == ("one", LIFE)


LIES = [
    (Response(200, b"", False), "without an `access_token`"),
    (Response(200, b"<html>", False), "without an `access_token`"),
    (Response(200, b"[" * 20_000, False), "without an `access_token`"),
    (Response(200, b"\xff", False), "without an `access_token`"),
    (Response(200, b'["access_token"]', False), "without an `access_token`"),
    (Response(200, b'{"access_token":5}', False), "without an `access_token`"),
    (token(""), "without an `access_token`"),
    (token("a b"), "without an `access_token`"),
    (token("a\r\nX-Injected: yes"), "without an `access_token`"),
    (token("é"), "without an `access_token`"),
    (token("a" * 8193), "without an `access_token`"),
    (token("one", token_type="mac"), "another type than Bearer"),
    (token("one", token_type=5), "another type than Bearer"),
    (Response(200, b'{"access_token":"one"', True), f"more than {MOST_BYTES} bytes"),
    (Response(201, token("one").body, False), "answered 201"),
    (Response(302, b"", False), "answered 302, and redirects are not followed"),
    (Response(401, b'{"error":"invalid_client","error_description":"s3cret"}', False), "answered 401 (invalid_client)"),
    (Response(400, b'{"error":"<script>"}', False), "answered 400"),
    (Response(500, b'{"error":"' + b"a" * 50 + b'"}', False), "answered 500"),
    (Failure("timeout", "no answer within 5 s"), "did not answer in time"),
    (Failure("tls", "the server's certificate is not accepted: expired"), "certificate is not accepted"),
]


@pytest.mark.parametrize(("answer", "words"), LIES, ids=lambda value: repr(value)[:40])
def test_what_is_no_token_is_a_failure_in_words_that_quote_nothing(answer: Response | Failure, words: str) -> None:
    result = read_token(answer)
    assert isinstance(result, Failure)
    assert result.detail.endswith(words) or words in result.detail
    assert not any(text in result.detail for text in ("s3cret", "<", "Injected", "aaaa"))


@pytest.mark.parametrize("fault", ["blocked", "refused", "dns", "connection"])
def test_whether_a_token_url_is_blocked_or_closed_is_one_answer(fault: Any) -> None:
    result = read_token(Failure(fault, "the very reason"))
    assert isinstance(result, Failure)
    assert result.detail.endswith("the token endpoint could not be reached")


def test_our_own_fault_stays_ours() -> None:
    result = read_token(Failure("dns", "late", ours=True))
    assert isinstance(result, Failure)
    assert result.ours


def test_the_receiver_sees_the_identity_of_the_endpoint_and_the_token_endpoint_does_not() -> None:
    login, identity = Login(token("one")), TlsIdentity(ca="pem")
    deliver(login, 200, entry=Entry(CLIENT, identity, None))
    assert ([request.tls for request in login.asked], [request.tls for request in login.delivered]) == ([None], [identity])


@pytest.mark.parametrize(("seconds", "left"), [(7.0, 22.9), (29.8, 0.1), (29.95, None), (40.0, None)])
def test_what_a_token_took_is_taken_from_the_attempts_time(seconds: float, left: float | None) -> None:
    class Slow(Login):
        async def send(self, request: Request) -> Response | Failure:
            if request.url == CLIENT.token_url:
                loop = asyncio.get_running_loop()
                later = loop.time() + seconds
                loop.time = lambda: later  # type: ignore[method-assign]
            return await super().send(request)

    login = Slow(token("one"))
    (result,) = deliver(login, 200)
    assert [request.deadline for request in login.delivered] == ([] if left is None else [left])
    assert isinstance(result, Failure) == (left is None)
