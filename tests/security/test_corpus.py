"""Every attack of the corpus by every way out there is: nothing reaches the canary, and nobody learns what is there."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookwright.domain.egress import Egress
from hookwright.senders import lookups
from hookwright.senders.faults import BLOCKED, BLOCKED_NAME, LATE_ADDRESS, UNUSABLE_URL
from hookwright.senders.guard import Guard
from tests.dns import Dns
from tests.harness import SECRET, Server, org_token, running_server
from tests.integration.api import Api, problems
from tests.integration.deliveries import message, settled
from tests.integration.receivers import request, sending
from tests.security.attacks import Attack, header_attacks, schedules, url_attacks
from tests.security.canary import Canary, canary
from tests.security.paths import ENTRIES, EXITS, OAUTH2
from tests.zoo.nets import faked_net

pytestmark = pytest.mark.long
OPENED = "127.0.0.2"
ORGANIZATION = "org_" + "a" * 27
OPTIONS = {"allow_ports": "1-65535", "retry_schedule": ""}
"""No attack is refused for its port alone."""
SAID = {each.detail for each in (BLOCKED_NAME, UNUSABLE_URL, LATE_ADDRESS)} | {BLOCKED}
"""All that may be said of an attack, but for the times when its name means the opened network."""
NOT_REACHED = "no answer came from the endpoint"
LEADS_TO_OPENED = ("rebinding", "rebinding-and-back", "rebinding-v6", "alias-later")


@pytest.fixture(scope="module")
def watched() -> Iterator[Canary]:
    with canary(OPENED) as watching, Dns({**schedules(), "localhost": [["127.0.0.1"]]}).installed():
        yield watching


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch, watched: Canary) -> None:
    """Every attempt asks anew what a name means; and what the environment calls a proxy is the canary."""
    monkeypatch.setattr(lookups, "FRESH_SECONDS", 0.0)
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{watched.port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # this test's own calls


def api_of(server: Server) -> Api:
    return Api(server, org_token(ORGANIZATION, SECRET), ORGANIZATION)


def may_be_kept(attack: Attack) -> bool:
    """Names are judged when they are looked up: it is then that they mean something."""
    return attack.family == "dns" or attack.url.startswith(("http://example.com?", "http://example.com/", "http://127.0.0.1e0:"))


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(set(url_attacks(1))) + len(set(header_attacks())) >= 160
    assert {attack.family for attack in url_attacks(1)} == {
        "direct", "metadata", "ipv4", "ipv6", "unicode", "parsers", "schemes", "dns",
    }  # fmt: skip


@pytest.mark.timeout(600)
def test_no_attack_gets_out_by_any_way(tmp_path: Path, watched: Canary) -> None:
    attacks = url_attacks(watched.port)
    with running_server(tmp_path, allow_networks="", **OPTIONS) as server:
        endpoints, asked_first = entered(api_of(server), attacks)
    keep_all_the_same(server.database, [*zip(endpoints, attacks, strict=True), *zip(asked_first, attacks, strict=True)])
    with running_server(tmp_path, allow_networks=f"{OPENED}/32", **OPTIONS) as server:
        api = api_of(server)
        sent = message(api, channels=["all"])["id"]
        for count, exit in enumerate((None, *EXITS), 1):
            if exit is not None:
                for endpoint in endpoints:
                    exit.begin(api, endpoint, sent)
            for endpoint, attack in zip(endpoints, attacks, strict=True):
                for attempt in settled(api, endpoint, count):
                    assert attempt["responseStatusCode"] == 0, attack
                    named = attack.url.removeprefix("http://").partition(".")[0]
                    assert attempt["response"] in SAID or named in LEADS_TO_OPENED, (attack, attempt["response"])
        for endpoint, attack in zip(asked_first, attacks, strict=True):
            answered = api.ok("POST", f"/app/a/endpoint/{endpoint}/verify")
            assert (answered["verified"], answered["status"]) == (False, None), attack
            assert answered["detail"] in (NOT_REACHED, UNUSABLE_URL.detail), (attack, answered)
    assert watched.reached == []


def test_the_corpus_would_find_a_guard_that_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests above could pass for nothing."""

    async def scenario(port: int) -> None:
        with faked_net():
            async with sending(allowed=(), lookup=Dns({**schedules(), "localhost": [["127.0.0.1"]]})) as sender:
                for attack in url_attacks(port):
                    await sender.send(request(attack.url))

    monkeypatch.setattr(Guard, "_judge", lambda *_: None)
    monkeypatch.setattr(Egress, "judge_name", lambda *_: None)
    with canary() as watching:
        asyncio.run(scenario(watching.port))
    assert len(watching.reached) > 20


@pytest.mark.timeout(600)
def test_no_attack_gets_out_by_a_token_endpoint(tmp_path: Path, watched: Canary) -> None:
    """Kept while everything was open."""
    with running_server(tmp_path, allow_networks="0.0.0.0/0,::/0", **OPTIONS) as server:
        api = api_of(server)
        api.app(uid="a")
        kept = []
        for attack in url_attacks(watched.port):
            endpoint = api.ok("POST", "/app/a/endpoint", {"url": f"http://{OPENED}:{watched.port}/"})["id"]
            if api("PUT", f"/app/a/endpoint/{endpoint}/auth", OAUTH2 | {"tokenUrl": attack.url}).is_success:
                kept.append((endpoint, attack))
    with running_server(tmp_path, allow_networks=f"{OPENED}/32", **OPTIONS) as server:
        api = api_of(server)
        message(api)
        for endpoint, attack in kept:
            (attempt,) = settled(api, endpoint, 1)
            assert attempt["responseStatusCode"] == 0, attack
            assert "there is no access token: the token endpoint could not be reached" in attempt["response"], (attack, attempt["response"])
    assert watched.reached == []
    assert len(kept) > 100


def entered(api: Api, attacks: list[Attack]) -> tuple[list[str], list[str]]:
    """Each by every entry: what is refused says so, at its place. The ids of twice as many endpoints, which have nothing to do with them:
    some that get messages, and some that want to be asked before.
    """
    api.app(uid="a")
    made, asked_first = [], []
    for attack in attacks:
        fields = {"url": "https://hooks.example/", "channels": ["all"]}
        made.append(str(api.ok("POST", "/app/a/endpoint", fields)["id"]))
        asked_first.append(str(api.ok("POST", "/app/a/endpoint", fields | {"verification": "challenge"})["id"]))
        victim = str(api.ok("POST", "/app/a/endpoint", fields | {"channels": ["nothing"]})["id"])
        for entry in ENTRIES:
            answered = entry.ask(api, victim, attack.url)
            assert answered.status_code == 422 or (answered.is_success and may_be_kept(attack)), (entry.name, attack, answered.text)
            if answered.status_code == 422:
                assert problems(answered) == ["body" if "\0" in attack.url else entry.place], (attack, answered.text)
    return made, asked_first


def keep_all_the_same(database: Path, urls: list[tuple[str, Attack]]) -> None:
    """As if no entry had ever looked: what is sent to is judged when it is."""
    with sqlite3.connect(database) as connection:
        for endpoint, attack in urls:
            connection.execute("update endpoints set url = ? where id = ?", (attack.url, endpoint))
    connection.close()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running_server(tmp_path_factory.mktemp("headers"), **OPTIONS) as server:
        made = api_of(server)
        made.app(uid="a")
        made.ok("POST", "/app/a/endpoint", {"url": "https://hooks.example/", "uid": "e"})
        yield made


@pytest.fixture(scope="module")
def operational(api: Api) -> str:
    return str(api.ok("POST", "/operational-webhook/endpoint", {"url": "https://hooks.example/"})["id"])


@pytest.mark.parametrize(("name", "value"), list(header_attacks()), ids=lambda text: repr(text)[:40])
def test_no_header_of_the_corpus_is_kept(api: Api, name: str, value: str) -> None:
    headers = {"headers": {name: value}}
    created = api("POST", "/app/a/endpoint", {"url": "https://hooks.example/"} | headers)
    for answered in (created, *(api(method, "/app/a/endpoint/e/headers", headers) for method in ("PUT", "PATCH"))):
        assert answered.status_code == 422, answered.text
        assert answered.json()["detail"][0]["loc"][:2] == (["body"] if "\0" in value else ["body", "headers"])  # NUL is refused anywhere
    assert api.ok("GET", "/app/a/endpoint/e/headers") == {"headers": {}, "sensitive": []}


@pytest.mark.parametrize(("name", "value"), list(header_attacks()), ids=lambda text: repr(text)[:40])
def test_no_header_of_the_corpus_is_one_for_an_api_key(api: Api, name: str, value: str) -> None:
    answered = api("PUT", "/app/a/endpoint/e/auth", {"kind": "apiKey", "header": name, "value": value})
    assert answered.status_code == 422, answered.text
    assert api.ok("GET", "/app/a/endpoint/e/auth")["kind"] == "none"


@pytest.mark.parametrize(("name", "value"), list(header_attacks()), ids=lambda text: repr(text)[:40])
def test_no_header_of_the_corpus_is_kept_for_an_operational_endpoint(api: Api, operational: str, name: str, value: str) -> None:
    answered = api("PUT", f"/operational-webhook/endpoint/{operational}/headers", {"headers": {name: value}})
    assert answered.status_code == 422, answered.text
    assert api.ok("GET", f"/operational-webhook/endpoint/{operational}/headers") == {"headers": {}, "sensitive": []}
