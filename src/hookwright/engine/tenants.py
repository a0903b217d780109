"""Attempts under way by organization, and which of them are noisy: those are served from spare slots only.

An organization is noisy while it has more than a tenth of what is under way, and no fewer than thirty attempts; so there are at
most nine. A fifth of the slots is kept from them, where there is anybody else: whoever is quiet finds a slot at once, however many
endpoints of a noisy one hang.
"""

LEAST = 30
SHARE = 0.1
SPARE = 0.2
REMEMBERED = 1_000
"""Organizations with nothing under way: whoever was here before is somebody else, also while it is quiet."""


class Tenants:
    """`most`: attempts under way in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: dict[str, int] = {}
        self._all = 0

    def begin(self, organization: str) -> None:
        self._all += 1
        self._under_way[organization] = self._under_way.get(organization, 0) + 1

    def end(self, organization: str) -> None:
        self._all -= 1
        left = self._under_way[organization] = self._under_way[organization] - 1
        if not left and len(self._under_way) > REMEMBERED:
            del self._under_way[organization]

    def may_begin(self, organization: str) -> bool:
        """Whether a slot that is free is for this one, too."""
        if self._all < (1 - SPARE) * self._most or len(self._under_way) < 2:
            return True
        busy = self._under_way.get(organization, 0)
        return busy < LEAST or busy <= SHARE * self._all
