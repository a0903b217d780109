"""What the documents say is what the code does, wherever that can be compared."""

import re
from pathlib import Path

import pytest
import typer

from hookwright.api.endpoint_models import DEFAULT_GRACE_S, MAX_GRACE_S
from hookwright.cli.app import app
from hookwright.cli.document import cli_document, commands, parameters
from hookwright.config import Settings
from hookwright.domain.credentials import SCOPES
from hookwright.domain.endpoints import MAX_LIVE_SECRETS
from hookwright.domain.retries import DEFAULT_SCHEDULE

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
COMMANDS = dict(commands(typer.main.get_command(app)))
CLI_VARIABLES = {"HOOKWRIGHT_URL", "HOOKWRIGHT_TOKEN", "HOOKWRIGHT_DEBUG"}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min"), (left, "s")) if count)


def test_the_command_lines_document_is_what_the_code_says() -> None:
    assert text_of("docs/cli.md") == cli_document(), "run scripts/write_cli_document.py"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_parameter_of_a_command_is_explained(name: str) -> None:
    for written, _, meaning in parameters(COMMANDS[name]):
        assert written and "None" not in written
        assert meaning.endswith((".", "]")), f"{name} {written}: {meaning}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), f"{document.name} links to {target}"
        assert not anchor or anchor in anchors(path), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_settings_that_are_named_exist(document: Path) -> None:
    named = set(re.findall(r"HOOKWRIGHT_[A-Z0-9_]*[A-Z0-9]", document.read_text(encoding="utf-8")))
    assert named <= {f"HOOKWRIGHT_{name.upper()}" for name in Settings.model_fields} | CLI_VARIABLES


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_named_exist(document: Path) -> None:
    named = set(re.findall(r"(?:`|/|^|\s|\()hookwright ((?:token )?[a-z]+)[` ]", document.read_text(encoding="utf-8"), re.MULTILINE))
    assert named - {"token"} <= set(COMMANDS)


def test_the_schedules_table_is_the_default_schedule() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*?) ?\| (.*?) ?\|$", text_of("docs/retries.md"), re.MULTILINE)
    expected = [("1", "", "")]
    expected += [(str(n + 2), duration(wait), duration(sum(DEFAULT_SCHEDULE[: n + 1]))) for n, wait in enumerate(DEFAULT_SCHEDULE)]
    assert rows == expected


def test_the_table_of_scopes_has_every_scope_and_no_other() -> None:
    table = text_of("docs/security.md").partition("| scope |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_.]+:[a-z]+)`", table)) == SCOPES


def test_the_figures_of_rotation_are_those_of_the_code() -> None:
    assert DEFAULT_GRACE_S == 24 * 3600
    assert f"0 to {MAX_GRACE_S}" in text_of("docs/security.md")
    assert MAX_LIVE_SECRETS == 10
    assert "At most ten old ones" in text_of("docs/security.md")


def test_every_unsafe_switch_is_documented() -> None:
    opened = Settings.load(host="0.0.0.0", jwt_secret="short", allow_networks="10.0.0.0/8")
    for switch in opened.unsafe_switches():
        name = re.match(r"HOOKWRIGHT_[A-Z_]+", switch)
        assert name is not None
        assert name[0] in text_of("docs/security.md").partition("## Unsafe switches")[2]
