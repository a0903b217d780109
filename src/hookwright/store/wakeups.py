"""Word between processes that share a store: there is something to deliver, or to read. It may be lost; rows may not."""

import msgspec

from hookwright.store import Command


class Wake(Command[None], frozen=True, kw_only=True):
    """Tell the other processes that these endpoints (ids) may have unowned rows that are due; none: that any may.

    Sent after the commit of what it tells. On SQLite there is nobody to tell.
    """

    endpoints: tuple[str, ...] = ()


class Heard(msgspec.Struct, frozen=True):
    """What others said since the last time. `anywhere`: any endpoint may have due rows; `news`: there is some to read."""

    endpoints: frozenset[str] = frozenset()
    anywhere: bool = False
    news: bool = False
