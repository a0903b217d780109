"""The list of operations in `operations.toml`, read, and shown as the table in docs/api.md."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import svix

_CALL = re.compile(r'method="(\w+)",\s*path="([^"]+)"')
FILE = Path(__file__).with_name("operations.toml")
ORIGINS = {"svix": "Svix's server", "unlisted": "Svix's server, undocumented", "cloud": "Svix's service", "own": "Hookwright"}


class Operation(msgspec.Struct, frozen=True, rename={"origin": "from"}):
    """`query`: parameters beside the path's, separated by blanks. `shown`: in our OpenAPI document."""

    method: str
    path: str
    id: str
    origin: str
    query: str
    test: str
    shown: bool = True


def read() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def operations() -> tuple[Operation, ...]:
    return msgspec.convert(read()["operation"], tuple[Operation, ...])


def table() -> str:
    """Markdown; the test's name is the last column."""
    rows = ["| | path after `/api/v1` | operation | known from | shown by the test |", "|---|---|---|---|---|"]
    for one in operations():
        file, _, name = one.test.partition("::")
        rows.append(f"| {one.method} | `{one.path}` | `{one.id}` | {ORIGINS[one.origin]} | [`{name}`](../{file}) |")
    rows += [f"| {what.partition(' ')[0]} | `{what.partition(' ')[2]}` | not served | Svix | {why} |" for what, why in absent().items()]
    return "\n".join(rows) + "\n"


def absent() -> dict[str, str]:
    """Why an operation ("GET /path") that clients know is not served."""
    return {what: group["why"] for group in read()["absent"] for what in group["operations"]}


def known_to_the_sdk() -> frozenset[str]:
    """Every operation that the installed SDK can call, as "GET /path"."""
    folder = Path(svix.__file__).parent / "api"
    calls = [found for file in folder.glob("*.py") for found in _CALL.findall(file.read_text(encoding="utf-8"))]
    return frozenset(f"{method.upper()} {path.removeprefix('/api/v1')}" for method, path in calls)
