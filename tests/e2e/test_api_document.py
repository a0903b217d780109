"""The examples in docs/api.md do what the document says."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from svix.api import Svix

from tests.e2e.journeys import Tenant
from tests.harness import Receiver
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"```sh\n(.*?)```\n```json\n(.*?)```\n", re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """Commands, and what they are said to print."""
    return EXAMPLE.findall((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))


def alike(said: object, printed: object) -> bool:
    """The same fields and values; three dots stand for any text."""
    if isinstance(said, str) and "..." in said:
        return isinstance(printed, str) and printed.startswith(said.partition("...")[0])
    if isinstance(said, dict):
        return isinstance(printed, dict) and said.keys() == printed.keys() and all(alike(said[name], printed[name]) for name in said)
    if isinstance(said, list):
        return isinstance(printed, list) and len(said) == len(printed) and all(map(alike, said, printed))
    return said == printed


def test_every_example_prints_what_the_document_shows(tenant: Tenant, client: Svix, receiver: Receiver) -> None:
    client.application.delete("app")
    if shutil.which("curl") is None:
        subprocess.run([ROOT / "scripts" / "system-packages", "curl"], check=True)
    environment = os.environ | {"API": f"{tenant.url}/api/v1", "TOKEN": tenant.token, "RECEIVER": receiver.url}
    pairs = examples()
    assert len(pairs) >= 8
    for command, shown in pairs:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert alike(json.loads(shown), json.loads(done.stdout)), f"{command}\n{done.stdout}\nnot like\n{shown}"
        if command.count("/msg"):  # what a reader does next is after the delivery
            eventually(lambda: client.endpoint.get_stats("acme", "main").success > 0)


def test_the_first_example_s_payload_arrives_byte_for_byte(tenant: Tenant, client: Svix, receiver: Receiver) -> None:
    client.application.delete("app")
    environment = os.environ | {"API": f"{tenant.url}/api/v1", "TOKEN": tenant.token, "RECEIVER": receiver.url}
    for command, _ in examples()[:3]:
        subprocess.run(["bash", "-euo", "pipefail", "-c", command], env=environment, check=True, capture_output=True)
    assert receiver.wait_for(1)[0].body == b'{"id": "in_1", "amount": 42.00}'
