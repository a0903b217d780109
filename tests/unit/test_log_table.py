"""docs/operating.md explains every line that we log, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


def shown(text: str) -> str:
    """As the table writes a line: `...` for what differs, without the cause at its end."""
    return re.sub(r"%[sd]", "...", text.removesuffix(": %s"))


def logged(module: ast.AST) -> Iterator[tuple[str, str]]:
    """Every call of a log: the line and its level. A text that is put together beforehand could not be looked up."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            if node.func.value.id not in ("log", "_log") or node.func.attr not in LEVELS:
                continue
            text = node.args[0]
            assert isinstance(text, ast.Constant) and isinstance(text.value, str), ast.unparse(node)
            yield shown(text.value), LEVELS[node.func.attr]


def documented() -> set[tuple[str, str]]:
    section = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8").partition("\n## Logs\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \| (\w+) \|", section, re.MULTILINE)
    return {(line, level) for lines, level in rows for line in re.findall(r"`(.*?)`", lines)}


def test_every_line_of_ours_is_in_the_table_with_its_level() -> None:
    found = {each for path in (ROOT / "src").rglob("*.py") for each in logged(ast.parse(path.read_text(encoding="utf-8")))}
    assert found == documented()
