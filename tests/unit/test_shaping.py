"""What is sent to an endpoint with a transformation or a format, whatever its script answers."""

import asyncio
import json
from typing import Any

import pytest

from hookwright.domain.endpoints import Endpoint, Format, Options
from hookwright.domain.formats import FORM, STRUCTURED, Event
from hookwright.domain.messages import JSON, Content
from hookwright.domain.transformations import Transformation
from hookwright.engine.shaping import CANCELED, TEXT, Outgoing, Shaper, Unsent
from hookwright.engine.strikes import FIRST_PAUSE, LIMIT
from hookwright.sandbox import Draft, NoSandbox, Returned, Script, Stopped, Tenant, Trouble

EVENT = Event(id="msg_1", application="app_1", event_type="a.b", channels=("c",), created_at=0)
CONTENT = Content(b'{"n": 1.0}')
OWN = (("X-Own", "1"), ("X-Two", "2"))
SCRIPT = Transformation("code", {"key": "value"})


class Clock:
    def __init__(self) -> None:
        self.at = 1_000_000

    def now(self) -> int:
        return self.at


class Scripted:
    """A sandbox that answers as it is told to, and keeps what it was asked."""

    def __init__(self, ran: Returned | Stopped) -> None:
        self.ran = ran
        self.asked: list[Script] = []
        self.drafts: list[Draft] = []

    async def run(self, script: Script) -> Returned | Stopped:
        self.asked.append(script)
        return self.ran

    async def check(self, draft: Draft) -> Stopped | None:
        self.drafts.append(draft)
        return self.ran if isinstance(self.ran, Stopped) else None

    async def close(self) -> None:
        pass


def endpoint(form: Format = "json") -> Endpoint:
    return Endpoint(
        id="ep_1", application="app_1", organization="org_1", url="https://example.com/", options=Options(format=form),
        created_at=0, updated_at=0,
    )  # fmt: skip


def shaped(form: Format = "json", content: Content = CONTENT, https_only: bool = False, **answer: Any) -> Outgoing | Unsent:
    sandbox = Scripted(Returned(json.dumps(answer)))
    return asyncio.run(Shaper(Clock(), sandbox, https_only=https_only).shape(endpoint(form), SCRIPT, OWN, EVENT, content))


def sent(form: Format = "json", content: Content = CONTENT, **answer: Any) -> Outgoing:
    outgoing = shaped(form, content, **answer)
    assert isinstance(outgoing, Outgoing), outgoing
    return outgoing


def test_a_script_is_given_the_message_and_its_variables() -> None:
    sandbox = Scripted(Returned("{}"))
    asyncio.run(Shaper(Clock(), sandbox).shape(endpoint(), SCRIPT, OWN, EVENT, CONTENT))
    (asked,) = sandbox.asked
    assert (asked.tenant, asked.code, asked.payload, asked.is_json) == (Tenant("org_1", "app_1"), "code", '{"n": 1.0}', True)
    assert json.loads(asked.webhook) == {
        "method": "POST", "url": "https://example.com/", "headers": {}, "payload": None, "id": "msg_1", "eventType": "a.b",
        "channels": ["c"], "timestamp": "1970-01-01T00:00:00.000Z", "variables": {"key": "value"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "is_json"),
    [(CONTENT, True), (Content(b"up\n"), False), (Content(b"{}", "text/plain"), False), (Content(b"[]", "application/x+json"), True)],
)
def test_a_payload_is_a_value_where_it_is_json_and_says_so(content: Content, is_json: bool) -> None:
    sandbox = Scripted(Returned("{}"))
    asyncio.run(Shaper(Clock(), sandbox).shape(endpoint(), SCRIPT, OWN, EVENT, content))
    assert sandbox.asked[0].is_json is is_json


def test_what_a_script_leaves_alone_is_sent_as_it_was() -> None:
    assert sent() == Outgoing("POST", "https://example.com/", CONTENT, OWN)


def test_what_a_script_sets_is_sent() -> None:
    outgoing = sent(method="PATCH", url="https://Example.com/b", headers={"x-own": "3"}, kind="json", body='{"n":2}')
    assert outgoing == Outgoing("PATCH", "https://example.com/b", Content(b'{"n":2}'), (("X-Two", "2"), ("x-own", "3")))


@pytest.mark.parametrize(
    "url", ["https://b.example/", "http://example.com/", "https://example.com:8443/", "https://example.com.b.example/"]
)
def test_what_was_entered_for_one_host_goes_to_no_other(url: str) -> None:
    outgoing = sent(url=url, headers={"X-New": "3"})
    assert (outgoing.url, outgoing.headers, outgoing.elsewhere) == (url, (("X-New", "3"),), True)


@pytest.mark.parametrize(
    ("content", "answer", "content_type"),
    [
        (CONTENT, {"kind": "text", "body": "a"}, TEXT),
        (CONTENT, {"kind": "text", "body": "a", "headers": {"Content-Type": "text/csv"}}, "text/csv"),
        (CONTENT, {"headers": {"content-type": "application/x+json"}}, "application/x+json"),
        (Content(b"{}", "application/x+json"), {"kind": "json", "body": "1"}, "application/x+json"),
        (Content(b"a", "text/csv"), {"kind": "text", "body": "b"}, "text/csv"),
        (Content(b"a", "text/csv"), {"kind": "json", "body": "{}"}, JSON),
    ],
)
def test_a_body_is_what_it_was_until_it_becomes_something_else(content: Content, answer: dict[str, Any], content_type: str) -> None:
    outgoing = sent(content=content, **answer)
    assert outgoing.content.content_type == content_type
    assert all(name.lower() != "content-type" for name, _ in outgoing.headers)


def test_a_format_is_put_on_what_the_script_made() -> None:
    assert sent("form", kind="json", body='{"a":"b c"}').content == Content(b"a=b+c", FORM)
    structured = sent("cloudevents", kind="json", body='{"a":1}').content
    assert (structured.content_type, json.loads(structured.body)["data"]) == (STRUCTURED, {"a": 1})


def test_a_formats_headers_take_the_place_of_others() -> None:
    outgoing = sent("cloudevents-binary", headers={"CE-ID": "theirs"})
    assert [value for name, value in outgoing.headers if name.lower() == "ce-id"] == ["msg_1"]


def test_a_format_alone_runs_nothing() -> None:
    sandbox = Scripted(Stopped("error", "it ran"))
    outgoing = asyncio.run(Shaper(Clock(), sandbox).shape(endpoint("form"), None, OWN, EVENT, CONTENT))
    assert outgoing == Outgoing("POST", "https://example.com/", Content(b"n=1.0", FORM), OWN)
    assert not sandbox.asked


def test_what_is_canceled_is_not_sent() -> None:
    assert shaped(cancel=True) == CANCELED


def test_what_cannot_be_followed_says_why() -> None:
    outcome = shaped(https_only=True, url="http://example.com/")
    assert isinstance(outcome, Unsent)
    assert not outcome.canceled
    assert "https" in outcome.detail


def test_a_failure_is_one_line_with_its_place_and_of_bounded_length() -> None:
    shaper = Shaper(Clock(), Scripted(Stopped("error", "TypeError: a\n\x1b[31mb" + "c" * 9999, 3)))
    outcome = asyncio.run(shaper.shape(endpoint(), SCRIPT, OWN, EVENT, CONTENT))
    assert isinstance(outcome, Unsent)
    assert outcome.detail.startswith("the transformation failed: TypeError: a [31mbccc")
    assert outcome.detail.endswith("c (line 3)")
    assert outcome.line == 3
    assert len(outcome.detail) < 2100


def test_a_payload_that_is_no_text_cannot_be_transformed() -> None:
    outcome = shaped(content=Content(b"\xff"))
    assert isinstance(outcome, Unsent) and "UTF-8" in outcome.detail


def test_where_transformations_are_turned_off_that_is_the_reason() -> None:
    outcome = asyncio.run(Shaper(Clock(), NoSandbox()).shape(endpoint(), SCRIPT, OWN, EVENT, CONTENT))
    assert isinstance(outcome, Unsent) and "turned off" in outcome.detail


@pytest.mark.parametrize("trouble", ["time", "memory", "output", "crash"])
def test_a_script_that_is_stopped_three_times_in_a_row_is_left_alone_for_a_while(trouble: Trouble) -> None:
    async def story() -> None:
        clock, sandbox = Clock(), Scripted(Stopped(trouble, "it took too much"))
        shaper = Shaper(clock, sandbox)

        async def once(script: Transformation = SCRIPT) -> str:
            outcome = await shaper.shape(endpoint(), script, OWN, EVENT, CONTENT)
            assert isinstance(outcome, Unsent)
            return outcome.detail

        for _ in range(LIMIT + 2):
            last = await once()
        assert len(sandbox.asked) == LIMIT
        assert "in 30 s" in last
        await once(Transformation("other code"))
        assert len(sandbox.asked) == LIMIT + 1
        clock.at += FIRST_PAUSE
        await once()
        assert len(sandbox.asked) == LIMIT + 2

    asyncio.run(story())


def test_mistakes_and_trials_are_no_strikes() -> None:
    async def story() -> None:
        sandbox = Scripted(Stopped("error", "a mistake"))
        shaper = Shaper(Clock(), sandbox)
        for _ in range(LIMIT + 2):
            await shaper.shape(endpoint(), SCRIPT, OWN, EVENT, CONTENT)
        sandbox.ran = Stopped("time", "it took too much")
        for _ in range(LIMIT + 2):
            await shaper.try_out(endpoint(), SCRIPT, OWN, EVENT, CONTENT)
        await shaper.shape(endpoint(), SCRIPT, OWN, EVENT, CONTENT)
        assert len(sandbox.asked) == 2 * (LIMIT + 2) + 1

    asyncio.run(story())


def test_a_trial_shows_what_was_logged() -> None:
    trial = asyncio.run(Shaper(Clock(), Scripted(Returned("{}", ("a", "b")))).try_out(endpoint(), SCRIPT, OWN, EVENT, CONTENT))
    assert trial.log == ("a", "b")


def test_a_text_that_no_encoding_can_carry_is_a_failure_and_not_a_fault_of_ours() -> None:
    sandbox = Scripted(Returned('{"kind": "text", "body": "\\ud800"}'))
    outcome = asyncio.run(Shaper(Clock(), sandbox).shape(endpoint(), SCRIPT, OWN, EVENT, CONTENT))
    assert isinstance(outcome, Unsent), outcome


def test_what_is_wrong_with_a_draft_is_one_line_with_its_place() -> None:
    shaper = Shaper(Clock(), Scripted(Stopped("error", "SyntaxError: a\nb", 3)))
    assert asyncio.run(shaper.check(endpoint(), "code")) == "SyntaxError: a b (line 3)"
    assert asyncio.run(Shaper(Clock(), Scripted(Returned("{}"))).check(endpoint(), "code")) is None


def test_a_draft_takes_no_turn_of_the_scripts_that_it_may_be_to_mend() -> None:
    sandbox = Scripted(Returned("{}"))
    asyncio.run(Shaper(Clock(), sandbox).check(endpoint(), "code"))
    (draft,) = sandbox.drafts
    assert draft.tenant.organization == "org_1"
    assert draft.tenant != Tenant("org_1", "app_1")
