"""A claimed delivery in memory, on its way through lane, executor and settler."""

import msgspec

from hookwright.domain.deliveries import Delivery
from hookwright.domain.messages import Content, Message
from hookwright.store.deliveries import Claimed


class Job(msgspec.Struct, frozen=True):
    """`content` is shared by all deliveries of one message; None when it is gone. It may be kept until `content_expires_at`
    (Unix ms), and so may what receivers answer to it. `late`: it waited in the store; a fresh one never did.
    `probe`: the one attempt that shows how its endpoint is.
    """

    delivery: Delivery
    event_type: str
    channels: tuple[str, ...] | None
    content: Content | None
    content_expires_at: int
    late: bool = False
    probe: bool = False

    @property
    def size(self) -> int:
        """Bytes of body that this job keeps in memory."""
        return len(self.content.body) if self.content else 0


def from_message(delivery: Delivery, message: Message, content: Content) -> Job:
    return Job(delivery, message.event_type, message.channels, content, message.content_expires_at)


def from_claim(claimed: Claimed, *, probe: bool = False) -> Job:
    message = claimed.message
    return Job(claimed.delivery, message.event_type, message.channels, claimed.content, message.content_expires_at, True, probe)
