"""What a process may hold and do at once."""

import msgspec


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """`attempts`: under way in all; `per_endpoint`: of those, at one endpoint; `queue` and `queue_bytes`: held in memory.

    `claim` rows at once, by `claims_at_once` commands, are what one group commit may have to carry before a fresh message.
    """

    attempts: int = 512
    per_endpoint: int = 64
    queue: int = 5_000
    queue_bytes: int = 32 * 2**20
    queue_per_endpoint: int = 512
    claim: int = 16
    claims_at_once: int = 4
