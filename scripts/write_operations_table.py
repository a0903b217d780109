"""Write the table of operations in docs/api.md from tests/operations.toml."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.operations import table  # noqa: E402  # found by the line before

DOCUMENT = ROOT / "docs" / "api.md"
BEGIN, END = "<!-- operations -->\n", "<!-- end of operations -->"

if __name__ == "__main__":
    head, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(head + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")
