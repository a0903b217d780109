"""What changed in the store, for processes that keep some of it in memory."""

from typing import Literal

import msgspec

from hookwright.store import Query

Kind = Literal["application", "cancel", "endpoint", "health", "message", "key", "revocation"]


class News(msgspec.Struct, frozen=True):
    """`item` is the id of what `kind` says, of `cancel` a message's; '' for a revocation. `application` is '' where there is none."""

    id: int
    kind: Kind
    application: str
    item: str


class RecentNews(Query[list[News]], frozen=True, kw_only=True):
    """What was committed by any process within about the last `within_ms`; the newest first, at most `most`.

    On SQLite there is one process, which knows what it did: there never is any.
    """

    urgent = True
    within_ms: int
    most: int
