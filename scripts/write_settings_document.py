"""Write docs/settings.md from the options in the code."""

from pathlib import Path

from hookwright.cli.settings_document import settings_document

if __name__ == "__main__":
    Path(__file__).parent.parent.joinpath("docs", "settings.md").write_text(settings_document(), encoding="utf-8")
