"""What the names that callers choose may look like."""

import re

UID_PATTERN = r"^[a-zA-Z0-9\-_.]+$"
MAX_NAME = 256
_NAME = re.compile(r"[a-zA-Z0-9\-_.]+", re.ASCII)


def is_name(text: str) -> bool:
    """Whether `text` can be a uid or the name of an event type: 1 to 256 letters, digits, minus, underscore, dot."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def uid_problem(uid: str, prefix: str) -> str | None:
    """What is wrong with a uid, or None. It may not look like an id of its own kind (`prefix` without underscore)."""
    if not is_name(uid):
        return "a uid has 1 to 256 characters out of a-z, A-Z, 0-9, minus, underscore and dot"
    if uid.startswith(f"{prefix}_"):
        return f"a uid may not begin with {prefix}_: that is how ids begin"
    return None
