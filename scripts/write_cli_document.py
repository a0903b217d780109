"""Write docs/cli.md from the commands in the code."""

from pathlib import Path

from hookwright.cli.document import cli_document

if __name__ == "__main__":
    Path(__file__).parent.parent.joinpath("docs", "cli.md").write_text(cli_document(), encoding="utf-8")
