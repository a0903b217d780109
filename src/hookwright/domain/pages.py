"""Pages of a list: how many, from where, in which direction."""

from typing import Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")
DEFAULT_LIMIT = 50
MAX_LIMIT = 250
Order = Literal["ascending", "descending"]


class PageRequest(msgspec.Struct, frozen=True):
    """`cursor` is the id (or name) that the page starts after, exclusively, in the list's order.

    With `backwards`, the page is the one that ends just before `cursor`; it is still shown in the list's order.
    """

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    backwards: bool = False
    order: Order = "descending"


class Page(msgspec.Struct, Generic[T], frozen=True):
    """`first` and `last` are the cursors of the page's ends; `done` says that nothing follows in its direction.

    A filtered list may stop early, with fewer rows than asked and `done` false, so that no request reads without
    bound: `last` is then where it stopped looking.
    """

    data: list[T]
    done: bool
    first: str | None = None
    last: str | None = None
