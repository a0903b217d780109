"""Pages of a list: what `limit`, `iterator` and `order` mean, and how a page is shown.

An iterator is the id (for event types: the name) of a page's last item; the next page starts after it. With a minus
before it, it is the id of a page's first item, and the page before that one is meant; its items are still shown in
the list's order. Only the shape of an iterator is checked: an item that has been deleted since is as good as any.
"""

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from hookwright import ids
from hookwright.domain.names import is_name
from hookwright.domain.pages import DEFAULT_LIMIT, MAX_LIMIT, Order, Page, PageRequest
from hookwright.errors import Invalid

T = TypeVar("T")
R = TypeVar("R")

Limit = Annotated[int, Query(ge=0, le=MAX_LIMIT, description="How many items to return at most")]
ITERATOR = "The `iterator` or `prevIterator` of the page that was read before"


class ListResponse(BaseModel, Generic[T]):
    """`prevIterator` is left out of a page without items."""

    data: list[T]
    iterator: str | None
    prevIterator: str | None = Field(default=None, exclude_if=lambda cursor: cursor is None)
    done: bool


def parse_iterator(iterator: str | None, prefix: str | None) -> tuple[str | None, bool]:
    """The cursor behind an iterator, and whether it reads backwards. `prefix` is the ids' one; None for names.

    Raises Invalid, naming the iterator. A name may itself begin with a minus: `show_iterator` puts a tilde before it.
    """
    if iterator is None:
        return None, False
    backwards = iterator.startswith("-")
    cursor = iterator.removeprefix("-").removeprefix("~")
    if not (is_name(cursor) if prefix is None else ids.is_id(cursor, prefix)):
        wanted = "the name of an event type" if prefix is None else f"an id that begins with {prefix}_"
        raise Invalid.at(
            "query", "iterator", msg=f"{iterator[:300]!r} is no iterator of this list, which is {wanted}, or the same after a -"
        )
    return cursor, backwards


def show_iterator(cursor: str) -> str:
    return f"~{cursor}" if cursor.startswith(("-", "~")) else cursor


def paged(prefix: str | None, order: Order = "descending", *, ordered: bool = False) -> Any:
    """A route's dependency that reads a PageRequest from the query: `page: Annotated[PageRequest, paged("app")]`.

    `prefix` is that of the listed ids (None for names), `order` the default; with `ordered` the caller may choose.
    """

    # What is documented is a little less than what is taken: ids that are minted before 2136, names without a tilde.
    pattern = "^[a-zA-Z0-9_.][a-zA-Z0-9\\-_.]{0,254}$" if prefix is None else f"^-?{prefix}_[0-9A-Z][0-9A-Za-z]{{26}}$"
    iterator_parameter = Query(description=ITERATOR, json_schema_extra={"pattern": pattern})

    def fixed(limit: Limit = DEFAULT_LIMIT, iterator: Annotated[str | None, iterator_parameter] = None) -> PageRequest:
        cursor, backwards = parse_iterator(iterator, prefix)
        return PageRequest(limit=limit, cursor=cursor, backwards=backwards, order=order)

    def chosen(
        limit: Limit = DEFAULT_LIMIT,
        iterator: Annotated[str | None, iterator_parameter] = None,
        order: Annotated[Order, Query(description="The order of the items")] = order,
    ) -> PageRequest:
        cursor, backwards = parse_iterator(iterator, prefix)
        return PageRequest(limit=limit, cursor=cursor, backwards=backwards, order=order)

    return Depends(chosen if ordered else fixed)


def show_page(page: Page[T], show: Callable[[T], R]) -> dict[str, Any]:
    """A page as the content of a ListResponse."""
    return {
        "data": [show(item) for item in page.data],
        "iterator": None if page.last is None else show_iterator(page.last),
        "prevIterator": None if page.first is None else f"-{show_iterator(page.first)}",
        "done": page.done,
    }
