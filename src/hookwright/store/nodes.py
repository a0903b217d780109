"""Commands about nodes: the processes that deliver, each with an epoch that was never used before."""

from hookwright.store import Command


class OpenNode(Command[int], frozen=True, kw_only=True):
    """A process begins: the answer is its epoch, larger than every one before."""

    now: int


class RenewLease(Command[bool], frozen=True, kw_only=True):
    """The process is alive. False: it was ended, owns nothing any more, and must open another node.

    It waits for nothing else, and for its answer no longer than `within` seconds.
    """

    owner: int
    within: float


class TakeOver(Command[int], frozen=True, kw_only=True):
    """End the other nodes that were silent for `lease_ms`, and make what they own claimable again (P3); how many rows.

    The same goes for what this node claimed by a command that failed because its commit's answer was lost.
    On SQLite the file has one owner, so every other node is dead, and no lease is needed to know it.
    """

    owner: int
    lease_ms: int = 0


class CloseNode(Command[int], frozen=True, kw_only=True):
    """A process ends: what it owns still is made claimable; how many rows."""

    owner: int
