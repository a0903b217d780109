"""Every attack of the corpus by a transformation: a script that chooses URL and headers gets no further than who writes them down."""

import json
from pathlib import Path

import pytest

from hookwright.domain.transformations import read_answer
from tests.dns import Dns
from tests.harness import running_server
from tests.integration.deliveries import message, settled
from tests.security.attacks import Attack, header_attacks, schedules, url_attacks
from tests.security.canary import canary
from tests.security.test_corpus import OPENED, OPTIONS, api_of

CODE = "function handler(webhook) { webhook.url = webhook.variables.url; return webhook; }"


@pytest.mark.timeout(600)
def test_no_attack_gets_out_by_a_script(tmp_path: Path) -> None:
    with (
        canary(OPENED) as watched,
        Dns({**schedules(), "localhost": [["127.0.0.1"]]}).installed(),
        running_server(tmp_path, allow_networks=f"{OPENED}/32", **OPTIONS) as server,
    ):
        api = api_of(server)
        api.app(uid="a")
        scripted: list[tuple[str, Attack]] = []
        for attack in url_attacks(watched.port):
            endpoint = str(api.ok("POST", "/app/a/endpoint", {"url": f"http://{OPENED}:{watched.port}/"})["id"])
            body = {"code": CODE, "enabled": True, "variables": {"url": attack.url}}
            if api("PATCH", f"/app/a/endpoint/{endpoint}/transformation", body).is_success:
                scripted.append((endpoint, attack))
            else:
                assert "\0" in attack.url
                api.ok("DELETE", f"/app/a/endpoint/{endpoint}")
        message(api)
        for endpoint, attack in scripted:
            (attempt,) = settled(api, endpoint, 1)
            assert attempt["responseStatusCode"] == 0, (attack, attempt["response"])
        assert watched.reached == []
        assert len(scripted) > 100


@pytest.mark.parametrize(("name", "value"), list(header_attacks()), ids=lambda text: repr(text)[:40])
def test_no_header_of_the_corpus_is_set_by_a_script(name: str, value: str) -> None:
    """But for the content type of what it made, which is a script's to say."""
    if name.lower() == "content-type" and value.isprintable():
        assert read_answer(json.dumps({"headers": {name: value}}), https_only=False).own_headers == ()
        return
    with pytest.raises(ValueError, match="header"):
        read_answer(json.dumps({"headers": {name: value}}), https_only=False)
