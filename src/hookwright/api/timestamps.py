"""Times on the wire: RFC 3339 text outside, Unix milliseconds inside.

Two spellings are read: RFC 3339 (section 5.6), and the one that clients in Rust print, `2026-01-01 00:00:00.5 UTC`.
What is finer than a millisecond is cut off. A time without a zone is refused: it would mean another moment elsewhere.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from hookwright.domain.times import EPOCH
from hookwright.domain.times import rfc3339 as rfc3339

_TEXT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,18}))?"
    r" ?(?P<zone>[Zz]|UTC|(?P<sign>[+\- ])(?P<hours>\d\d):(?P<minutes>\d\d))",
    re.ASCII,
)
_MILLISECOND = timedelta(milliseconds=1)
EXAMPLE = "2026-01-31T12:00:00Z"


def parse_time(text: str) -> int:
    """Unix ms. Raises ValueError, which says what would be right.

    A space is taken for the plus of a zone: that is what an unescaped plus in a query string arrives as.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"is no time with a date and a zone; for example {EXAMPLE}")
    try:
        moment = datetime.fromisoformat(f"{found['date']}T{found['time']}+00:00")
        if found["sign"]:
            offset = timedelta(hours=_part(found["hours"], 24), minutes=_part(found["minutes"], 60))
            moment += offset if found["sign"] == "-" else -offset
    except (ValueError, OverflowError):
        raise ValueError(f"names a day or an hour that does not exist; for example {EXAMPLE}") from None
    return (moment - EPOCH) // _MILLISECOND + int((found["fraction"] or "").ljust(3, "0")[:3])


def _part(digits: str, below: int) -> int:
    if int(digits) >= below:
        raise ValueError(digits)
    return int(digits)


def _read(value: object) -> int:
    if not isinstance(value, str):
        raise PydanticCustomError("value_error", "is a text with a date, a time and a zone; for example {example}", {"example": EXAMPLE})
    try:
        return parse_time(value)
    except ValueError as error:
        raise PydanticCustomError("value_error", "{reason}", {"reason": str(error)}) from error


Time = Annotated[int, BeforeValidator(_read), WithJsonSchema({"type": "string", "format": "date-time"})]
"""A field or parameter that is read from text into Unix ms."""

TimeText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A field that shows a time."""
