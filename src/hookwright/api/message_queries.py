"""What lists of messages and attempts can be narrowed by, read from the query string."""

import re
from enum import IntEnum
from typing import Annotated

from fastapi import Depends, Query
from starlette.requests import Request

from hookwright.api.timestamps import Time
from hookwright.domain.credentials import Principal
from hookwright.domain.names import MAX_CHANNEL, UID_PATTERN, is_name
from hookwright.errors import Forbidden, Invalid
from hookwright.store.messages import MessageFilter

_EVENT_TYPES = re.compile(r"event_types(?:\[\d*\])?", re.ASCII)
_DOCUMENTED = Query(description="Only these event types: `event_types=a,b`, `event_types[]=a` or `event_types[0]=a`")

WithContent = Annotated[
    bool | None,
    Query(description="Whether payloads and responses are shown (default true); without the scope `payload:read` they never are"),
]


def wants_content(principal: Principal, with_content: bool | None) -> bool:
    """Whether to show content. Who may not see it is refused when asking for it, and shown none when not asking."""
    allowed = "payload:read" in principal.scopes
    if with_content and not allowed:
        raise Forbidden("This credential lacks the scope payload:read; ask with with_content=false")
    return allowed if with_content is None else with_content


def event_types_of(request: Request) -> frozenset[str] | None:
    """The event types asked for, in any of the three spellings; None for all. Raises Invalid."""
    texts = [value for key, value in request.query_params.multi_items() if _EVENT_TYPES.fullmatch(key)]
    names = [name for text in texts for name in text.split(",") if name]
    for name in names:
        if not is_name(name):
            raise Invalid.at("query", "event_types", msg=f"{name[:300]!r} cannot be the name of an event type")
    return frozenset(names) or None


def _filter(
    request: Request,
    channel: Annotated[
        str | None, Query(min_length=1, max_length=MAX_CHANNEL, pattern=UID_PATTERN, description="Only messages of this channel")
    ] = None,
    before: Annotated[Time | None, Query(description="Only what was created before this time")] = None,
    after: Annotated[Time | None, Query(description="Only what was created at this time or later")] = None,
    event_types: Annotated[list[str] | None, _DOCUMENTED] = None,
) -> MessageFilter:
    return MessageFilter(event_types=event_types_of(request), channel=channel, before=before, after=after)


Filter = Annotated[MessageFilter, Depends(_filter)]
"""A route's parameter: channel, before, after and event_types together."""

StatusFilter = Annotated[int | None, Query(ge=0, le=4, description="0 success, 1 pending, 2 fail, 3 sending, 4 canceled")]


class StatusClass(IntEnum):
    """The hundreds of a response's status; 0 for no response."""

    NONE = 0
    INFORMATIONAL = 100
    SUCCESSFUL = 200
    REDIRECTION = 300
    CLIENT_ERROR = 400
    SERVER_ERROR = 500


StatusClassFilter = Annotated[StatusClass | None, Query(description="The hundreds of the response's status; 0 for no response")]
