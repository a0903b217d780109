"""What a JSON payload must be before its bytes are kept: UTF-8, and not nested without end.

The decoder that cuts a payload out of its request checks the grammar and keeps the bytes; it checks neither of these.
"""

import re

_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def nesting(body: bytes) -> int:
    """How deep the arrays and objects of a valid JSON text go."""
    deepest = depth = 0
    for found in _BRACKET.finditer(body):
        match found[0]:
            case b"[" | b"{":
                depth += 1
                deepest = max(deepest, depth)
            case b"]" | b"}":
                depth -= 1
    return deepest


def problem(body: bytes, most_nesting: int) -> str | None:
    """What is wrong with a payload (valid JSON grammar is assumed), or None."""
    if not body.startswith(b"{"):
        return "must be a JSON object; send anything else as transformationsParams.rawPayload"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is not UTF-8 at byte {error.start}"
    if body.count(b"{") + body.count(b"[") > most_nesting and (depth := nesting(body)) > most_nesting:
        return f"is nested {depth} levels deep; at most {most_nesting} are accepted"
    return None
