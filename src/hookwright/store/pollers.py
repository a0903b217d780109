"""Commands and queries about reading an application's messages in their order, and how far each consumer has read."""

from hookwright.store import Command, Query


class FindHorizon(Query[int | None], frozen=True, kw_only=True):
    """The time (Unix ms) up to which every message that will ever be there is there, by the time in its id.

    None: that is so of all that can be read, as messages are committed in the order of their ids. Else it lies `settling_ms`
    before the oldest transaction that is under way, and before now, by the clock that says which messages are too late
    (`CreateMessage.latest`): none is committed whose id is older than that when it is written.
    """

    settling_ms: int


class FindConsumer(Query[str | None], frozen=True, kw_only=True):
    """Its mark: the position up to which it has acknowledged; None for one that never did."""

    endpoint: str
    consumer: str


class MarkConsumer(Command[str], frozen=True, kw_only=True):
    """Set a consumer's mark, and answer it. Raises NotFound when the endpoint is gone.

    Unless `back`, it only moves forward: Conflict `consumer_ahead` when it is further already. BadRequest `limit_reached`
    for a consumer more than `most` at one endpoint.
    """

    application: str
    endpoint: str
    consumer: str
    mark: str
    now: int
    most: int
    back: bool = False
