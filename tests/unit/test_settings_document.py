"""The document and the code say the same."""

import re
from pathlib import Path

import pytest

from hookwright.cli.settings_document import settings_document
from hookwright.config import Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_document_is_what_the_code_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == settings_document(), "run scripts/write_settings_document.py"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_option_states_meaning_unit_and_reason(name: str) -> None:
    (row,) = re.findall(rf"^\| `HOOKWRIGHT_{name.upper()}` \|.*$", settings_document(), re.MULTILINE)
    _, _, _, unit, meaning, why, _ = (cell.strip() for cell in row.split("|"))
    assert unit
    assert meaning
    assert why


def test_the_document_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings_document()
    monkeypatch.setenv("HOOKWRIGHT_PORT", "1")
    assert settings_document() == before
