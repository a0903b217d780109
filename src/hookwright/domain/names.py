"""What the names that callers choose may look like."""

import re

UID_PATTERN = r"^[a-zA-Z0-9\-_.]+$"
MAX_NAME = 256
MAX_CHANNEL = 128
TEXT_PATTERN = r"^[^\x00-\x1f\x7f]+$"
"""One line for people: no control characters (C0 and DEL)."""
MAX_TEXT = 1024
_NAME = re.compile(r"[a-zA-Z0-9\-_.]+", re.ASCII)
_TEXT = re.compile(TEXT_PATTERN)


def is_name(text: str) -> bool:
    """Whether `text` can be a uid or the name of an event type: 1 to 256 letters, digits, minus, underscore, dot."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def text_problem(text: str) -> str | None:
    """What is wrong with a text for people, such as a thing's name, or None: 1 to 1024 characters in one line."""
    if not 1 <= len(text) <= MAX_TEXT:
        return f"a name has 1 to {MAX_TEXT} characters"
    if not _TEXT.fullmatch(text):
        return "a name is one line: without line breaks, tabs and other control characters"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "a name is text: these bytes are not UTF-8"
    return None


def uid_problem(uid: str, prefix: str) -> str | None:
    """What is wrong with a uid, or None. It may not look like an id of its own kind (`prefix` without underscore)."""
    if not is_name(uid):
        return "a uid has 1 to 256 characters out of a-z, A-Z, 0-9, minus, underscore and dot"
    if uid.startswith(f"{prefix}_"):
        return f"a uid may not begin with {prefix}_: that is how ids begin"
    return None
