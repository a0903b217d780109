"""What memory holds of deliveries: so many, and so many bytes of bodies (P6). Half of it is kept for fresh messages."""


class Room:
    """`most` deliveries, `most_bytes` of bodies; `held` and `held_bytes` are what is in it."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self.held = self.held_bytes = 0
        self._reserved = self._reserved_bytes = 0

    def reserve(self, size: int) -> bool:
        """Take a place for a delivery of `size` bytes that is being committed, if there is one.

        It is taken at once, until `unreserve`: between the question and the commit many others may ask.
        """
        if self.held + self._reserved >= self._most or self.held_bytes + self._reserved_bytes + size > self._most_bytes:
            return False
        self._reserved += 1
        self._reserved_bytes += size
        return True

    def unreserve(self, count: int, size: int) -> None:
        """What `count` reservations of `size` bytes each were for is in here by now, or was not kept."""
        self._reserved -= count
        self._reserved_bytes -= count * size

    def enter(self, size: int) -> None:
        self.held += 1
        self.held_bytes += size

    def leave(self, size: int) -> None:
        self.held -= 1
        self.held_bytes -= size

    @property
    def for_late(self) -> bool:
        """Whether more may be claimed: while half of it is free, and not all of it is promised to fresh messages."""
        return (
            self.held < max(1, self._most // 2)
            and self.held_bytes < self._most_bytes // 2
            and self.held + self._reserved < self._most
            and self.held_bytes + self._reserved_bytes < self._most_bytes
        )
