"""Every attack of the corpus by every way out there is: nothing reaches the canary, and nobody learns what is there."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookwright.senders import lookups
from hookwright.senders.faults import BLOCKED, BLOCKED_NAME, LATE_ADDRESS, UNUSABLE_URL
from tests.dns import Dns
from tests.harness import SECRET, Server, org_token, running_server
from tests.integration.api import Api, problems
from tests.integration.deliveries import message, settled
from tests.security.attacks import Attack, header_attacks, schedules, url_attacks
from tests.security.canary import Canary, canary
from tests.security.paths import ENTRIES, EXITS

OPENED = "127.0.0.2"
ORGANIZATION = "org_" + "a" * 27
OPTIONS = {"allow_ports": "1-65535", "retry_schedule": ""}
"""No attack is refused for its port alone."""
SAID = {each.detail for each in (BLOCKED_NAME, UNUSABLE_URL, LATE_ADDRESS)} | {BLOCKED}
"""All that may be said of an attack, but for the times when its name means the opened network."""
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
        endpoints = entered(api_of(server), attacks)
    keep_all_the_same(server.database, dict(zip(endpoints, attacks, strict=True)))
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
    assert watched.reached == []


def entered(api: Api, attacks: list[Attack]) -> list[str]:
    """Each by every entry: what is refused says so, at its place. The ids of as many endpoints, which have nothing to do with them."""
    api.app(uid="a")
    made = []
    for attack in attacks:
        fields = {"url": "https://hooks.example/", "channels": ["all"]}
        made.append(str(api.ok("POST", "/app/a/endpoint", fields)["id"]))
        victim = api.ok("POST", "/app/a/endpoint", fields | {"channels": ["nothing"]})["id"]
        for entry in ENTRIES:
            answered = entry.ask(api, victim, attack.url)
            assert answered.status_code == 422 or (answered.is_success and may_be_kept(attack)), (entry.name, attack, answered.text)
            if answered.status_code == 422:
                assert problems(answered) == ["body" if "\0" in attack.url else "body.url"], (attack, answered.text)
    return made


def keep_all_the_same(database: Path, urls: dict[str, Attack]) -> None:
    """As if no entry had ever looked: what is sent to is judged when it is."""
    with sqlite3.connect(database) as connection:
        for endpoint, attack in urls.items():
            connection.execute("update endpoints set url = ? where id = ?", (attack.url, endpoint))
    connection.close()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running_server(tmp_path_factory.mktemp("headers"), **OPTIONS) as server:
        made = api_of(server)
        made.app(uid="a")
        made.ok("POST", "/app/a/endpoint", {"url": "https://hooks.example/", "uid": "e"})
        yield made


@pytest.mark.parametrize(("name", "value"), list(header_attacks()), ids=lambda text: repr(text)[:40])
def test_no_header_of_the_corpus_is_kept(api: Api, name: str, value: str) -> None:
    headers = {"headers": {name: value}}
    created = api("POST", "/app/a/endpoint", {"url": "https://hooks.example/"} | headers)
    for answered in (created, *(api(method, "/app/a/endpoint/e/headers", headers) for method in ("PUT", "PATCH"))):
        assert answered.status_code == 422, answered.text
        assert answered.json()["detail"][0]["loc"][:2] == (["body"] if "\0" in value else ["body", "headers"])  # NUL is refused anywhere
    assert api.ok("GET", "/app/a/endpoint/e/headers") == {"headers": {}, "sensitive": []}
