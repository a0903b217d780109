"""A claimed delivery in memory, on its way through lane, executor and settler."""

import msgspec

from hookwright.domain.deliveries import Delivery
from hookwright.domain.messages import Content, Message
from hookwright.store.deliveries import Claimed


class Job(msgspec.Struct, frozen=True):
    """`content` is shared by all deliveries of one message; None when it is gone."""

    delivery: Delivery
    event_type: str
    channels: tuple[str, ...] | None
    content: Content | None

    @property
    def size(self) -> int:
        """Bytes of body that this job keeps in memory."""
        return len(self.content.body) if self.content else 0


def from_message(delivery: Delivery, message: Message, content: Content) -> Job:
    return Job(delivery, message.event_type, message.channels, content)


def from_claim(claimed: Claimed) -> Job:
    return Job(claimed.delivery, claimed.message.event_type, claimed.message.channels, claimed.content)
