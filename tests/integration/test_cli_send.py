"""`hookwright send`, beside a running server and without one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from svix.api import ApplicationIn, EndpointIn, Svix, SvixOptions

from tests.harness import SECRET, Receiver, Server, ServerProcess, running_server
from tests.integration.cli import beside, hookwright


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def register(server: Server | ServerProcess, url: str, **endpoint: object) -> Svix:
    svix = Svix(server.token, SvixOptions(server_url=server.url))
    svix.application.create(ApplicationIn(name="Acme", uid="acme"))
    svix.endpoint.create("acme", EndpointIn.model_validate({"url": url, "uid": "main", **endpoint}))
    return svix


def test_the_payloads_bytes_arrive_as_they_were_given(tmp_path: Path, receiver: Receiver) -> None:
    payload = '{"b":1.10,  "a":[1e3],"ü":"\\u00e9"}'
    with running_server(tmp_path) as server:
        register(server, receiver.url)
        assert beside(server, "send", "acme", "invoice.paid", "--payload", payload).status == 0
        (request,) = receiver.wait_for(1)
    assert request.body == payload.encode()


def test_a_payload_comes_from_a_file_or_from_standard_input(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "event.json").write_text('{"from": "a file"}\n')
    with running_server(tmp_path) as server:
        register(server, receiver.url)
        beside(server, "send", "acme", "x", "--payload", "@event.json")
        beside(server, "send", "acme", "x", "--payload", "-", stdin=b'{"from": "input"}\n')
        bodies = {request.body for request in receiver.wait_for(2)}
    assert bodies == {b'{"from": "a file"}', b'{"from": "input"}'}


def test_waiting_tells_what_became_of_each_delivery(tmp_path: Path, receiver: Receiver) -> None:
    with running_server(tmp_path) as server:
        register(server, receiver.url)
        run = beside(server, "send", "acme", "x", "--wait", "--json")
    assert run.status == 0
    (delivery,) = run.value["deliveries"]
    assert (delivery["endpoint"], delivery["status"], delivery["responseStatusCode"]) == ("main", "success", 200)


def test_waiting_for_a_failed_delivery_ends_with_status_1_and_names_the_next_attempt(tmp_path: Path) -> None:
    with Receiver(lambda _: web.Response(status=503)) as receiver, running_server(tmp_path) as server:
        register(server, receiver.url)
        run = beside(server, "send", "acme", "x", "--wait", "--json")
    assert run.status == 1
    (delivery,) = run.value["deliveries"]
    assert (delivery["status"], delivery["responseStatusCode"]) == ("pending", 503)
    assert delivery["nextAttempt"]


def test_a_held_delivery_is_not_waited_for(tmp_path: Path, receiver: Receiver) -> None:
    with running_server(tmp_path) as server:
        register(server, receiver.url, disabled=True)
        run = beside(server, "send", "acme", "x", "--wait", "--json")
    assert run.status == 1
    assert run.value["deliveries"][0]["held"] is True


def test_without_a_server_it_is_delivered_from_here(tmp_path: Path, receiver: Receiver) -> None:
    with running_server(tmp_path) as server:
        register(server, receiver.url)
    run = hookwright(tmp_path, "send", "acme", "x", "--payload", '{"a":1}', "--json", jwt_secret=SECRET, allow_networks="127.0.0.0/8")
    assert run.status == 0, run.err
    assert run.value["deliveries"][0]["status"] == "success"
    assert receiver.wait_for(1)[0].body == b'{"a":1}'


def test_an_event_id_that_was_used_is_refused(tmp_path: Path, receiver: Receiver) -> None:
    with running_server(tmp_path) as server:
        register(server, receiver.url)
        assert beside(server, "send", "acme", "x", "--event-id", "once").status == 0
        run = beside(server, "send", "acme", "x", "--event-id", "once")
    assert run.status == 1
    assert "409" in run.err


def test_an_application_that_is_not_there_is_named(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        run = beside(server, "send", "nobody", "x")
    assert run.status == 1
    assert "there is no application 'nobody'" in run.err


@pytest.mark.parametrize("payload", ["[1]", "{", "@nothing.json", "7"])
def test_a_payload_that_is_no_object_is_refused_before_anything_is_asked(tmp_path: Path, payload: str) -> None:
    run = hookwright(tmp_path, "send", "acme", "x", "--payload", payload)
    assert run.status in (1, 2)
    assert "payload" in run.err
    assert not list(tmp_path.iterdir())


def test_a_payload_that_is_no_text_is_a_wrong_call(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "send", "acme", "x", "--payload", os.fsdecode(b'{"a":"\xff"}'))
    assert run.status == 2
    assert "not JSON" in run.err


@pytest.mark.parametrize("app", ["", "a b", "a/b"])
def test_what_cannot_name_an_application_is_not_asked_for(tmp_path: Path, app: str) -> None:
    run = hookwright(tmp_path, "send", app, "x")
    assert run.status == 2
    assert "uid" in run.err
