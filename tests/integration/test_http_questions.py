"""What we ask on our own behalf, tokens and verifications, goes out behind the same guard as deliveries."""

import asyncio
from typing import Any

from hookwright.clock import SystemClock
from hookwright.domain.access import ClientCredentials
from hookwright.domain.endpoints import Endpoint, EndpointRecord, Options
from hookwright.engine.access import Admission, Entry
from hookwright.engine.directory import Target
from hookwright.engine.handshakes import Handshakes
from hookwright.engine.secrets import Secrets
from hookwright.sender import Failure
from hookwright.vault import Vault
from tests.integration.receivers import OK, answering, receiving, request, sending


def test_neither_a_token_nor_a_verification_is_asked_for_where_a_name_leads_inside() -> None:
    """The name is public, and its address is not: known only when it is sent to."""

    async def scenario() -> tuple[list[str], int]:
        async with receiving(answering(OK)) as canary, sending(allowed=(), lookup=lambda _: ["127.0.0.1"]) as sender:
            url, clock = f"http://public.example:{canary.port}/", SystemClock()
            admission = Admission(sender, clock)
            entry = Entry(ClientCredentials(url, "id", "secret"), None, None)
            refused = await admission.send("ep_1", entry, request("http://198.51.100.1/"))
            assert isinstance(refused, Failure)
            handshakes = Handshakes(admission=admission, clock=clock, origin="hooks.example", style="standard")
            asked = [await handshakes.ask(endpoint_at(url, wanted)) for wanted in ("options", "challenge")]
            return [refused.detail, *(outcome.detail for outcome in asked)], canary.connections

    told, connections = asyncio.run(scenario())
    assert told[0].endswith("the token endpoint could not be reached")
    assert told[1:] == ["no answer came from the endpoint"] * 2
    assert connections == 0


def endpoint_at(url: str, wanted: Any) -> Target:
    made = Endpoint(
        id="ep_1", application="app_1", organization="org_1", url=url, options=Options(verification=wanted), created_at=1, updated_at=1
    )  # fmt: skip
    return Target(EndpointRecord(made, ()), Secrets(Vault({"k1": bytes(32)}, "k1", bytes)))
