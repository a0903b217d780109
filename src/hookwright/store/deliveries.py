"""Commands and queries about live deliveries: claiming, settling, releasing, and rounds added by hand."""

import msgspec

from hookwright.domain.attempts import Attempt
from hookwright.domain.deliveries import Delivery, Fence, Key, State, Trigger
from hookwright.domain.endpoints import DisabledReason
from hookwright.domain.messages import Content, Message
from hookwright.domain.notices import AttemptKind
from hookwright.store import Command, Query


class Claimed(msgspec.Struct, frozen=True):
    """A live row that is ours, with what is needed to send it. `content` is None if it is gone."""

    delivery: Delivery
    message: Message
    content: Content | None


class SetAside(msgspec.Struct, frozen=True):
    """A live row that cannot be read, or whose message cannot, and what is wrong; no payload is in that."""

    key: Key
    problem: str


SET_ASIDE_MS = 3_600_000
"""Long enough that a damaged row costs nothing, short enough that a mended one is not forgotten."""


class ClaimedRows(msgspec.Struct, frozen=True):
    """`next_due_at`: when the earliest of the endpoint's rows that were not claimed is due (Unix ms), if there is one; at an ordered
    endpoint the first of them. `held`: nothing could be claimed, because rows of an ordered endpoint are owned, or were not asked for
    in order: who has not heard that it is ordered is given none that has a place.
    """

    claimed: tuple[Claimed, ...]
    next_due_at: int | None
    set_aside: tuple[SetAside, ...] = ()
    held: bool = False


class ClaimDue(Command[ClaimedRows], frozen=True, kw_only=True):
    """Own up to `limit` unowned rows of one endpoint that are due at `now`, earliest first.

    It stops before the bodies it would return exceed `most_bytes` together (but returns at least one row). A row that
    cannot be read keeps no other from being claimed: it stays live and unowned (P2), is due again `SET_ASIDE_MS` later,
    and the answer names it.

    `ordered`: of an endpoint that is, the first in its order and those that follow, up to one that is not due; nothing while anybody
    owns any of them. One that cannot be read holds up the others.
    """

    endpoint: str
    owner: int
    now: int
    limit: int
    most_bytes: int
    ordered: bool = False


class DueEndpoint(msgspec.Struct, frozen=True):
    endpoint: str
    due_at: int


class DuePage(msgspec.Struct, frozen=True):
    """`after`: where the next page begins (an endpoint id), None at the end."""

    due: tuple[DueEndpoint, ...]
    after: str | None


class DueEndpoints(Query[DuePage], frozen=True, kw_only=True):
    """The enabled endpoints that have unowned live rows, each with the earliest due time among them.

    Read by skipping from endpoint to endpoint in the index, so that its cost follows the endpoints, not the rows. A page is the
    `limit` endpoints with such rows that come next, whether they are enabled or not: it may name fewer, or none, and not be the last.
    """

    urgent = True
    after: str = ""
    limit: int = 1000


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one attempt: its record and what becomes of the delivery.

    `state` is SUCCESS or FAIL (final), or PENDING with `due_at`; CANCELED without an attempt when the content is gone.
    `disable`: it also disables the endpoint, for this reason, if it still has the URL that it had for this attempt: `own_url`, where the
    attempt was made at another. `created_at` is the message's: counters go by it. `notice`: what is to be told of the attempt, if the
    organization has operational endpoints.
    """

    key: Key
    fence: Fence
    attempt: Attempt | None
    state: State
    due_at: int | None = None
    disable: DisabledReason | None = None
    own_url: str | None = None
    notice: AttemptKind | None = None
    created_at: int
    now: int


class Settle(Command[list[bool]], frozen=True, kw_only=True):
    """Apply each settlement whose fence still matches its live row (P4); the answer says which did.

    One that does not match changes nothing and leaves no attempt: whoever holds the row now makes its own.
    """

    settlements: tuple[Settlement, ...]

    @property
    def weight(self) -> int:
        return len(self.settlements)


class Release(Command[None], frozen=True, kw_only=True):
    """Make rows that we own claimable again without an attempt (fenced as `Settle` is).

    Each with the Unix ms before which it is not due; 0 leaves its due time as it was. It may be carried out after the answer,
    but before any `ClaimDue` that comes later: who repeated it could free what was claimed anew.
    """

    rows: tuple[tuple[Key, Fence, int], ...]

    @property
    def weight(self) -> int:
        return len(self.rows)


class CancelDeliveries(Command[int], frozen=True, kw_only=True):
    """End up to `limit` live rows of deleted endpoints as canceled; how many it was. Called until it is 0."""

    now: int
    limit: int

    @property
    def weight(self) -> int:
        return self.limit


class Resend(Command[Delivery], frozen=True, kw_only=True):
    """Add a round with a live, unowned row of its own, due now. Raises NotFound, BadRequest `missing_payload`."""

    application: str
    endpoint: str
    message: str
    trigger: Trigger = Trigger.RESEND
    now: int


class Stats(msgspec.Struct, frozen=True):
    success: int = 0
    pending: int = 0
    sending: int = 0
    fail: int = 0
    canceled: int = 0


class EndpointStats(Query[Stats], frozen=True, kw_only=True):
    """Messages created in [since, until) by their headline status at this endpoint (Unix ms).

    Reads one row for each whole hour, all that ended of the hour's parts at either end, and what is live.
    """

    application: str
    endpoint: str
    since: int
    until: int


class Forget(Command[int], frozen=True, kw_only=True):
    """Remove what has expired: contents past their retention with the responses to their messages, which may quote them, and
    with the deliveries that wait for them, which end as canceled: up to `limit` of all these together; up to `limit` idempotency
    keys, and as many revocations. A message that is being sent is left for later.

    The answer is how many went; called in slices by the janitor. `now`, as in `store.retention`, is the caller's clock; what
    expired `grace` (ms) before it goes.
    """

    now: int
    grace: int = 0
    limit: int

    @property
    def weight(self) -> int:
        return self.limit
