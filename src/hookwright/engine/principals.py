"""Who was verified, kept in memory, so that a request costs a digest in place of a signature.

A principal is kept under the digest of its token: a token's text is larger than what it proves, and would open something.
Bounded in number and by what is held, for a token may name hundreds of feature flags; the oldest goes first.
"""

import hashlib
from sys import getsizeof

from hookwright.domain.credentials import Principal

MOST = 10_000
MOST_BYTES = 16 * 1024 * 1024
"""Some 1.5 kB for each of them; few tokens need more."""
_FRAME_BYTES = 350
"""A principal without its parts, its digest, and their place in the dictionary."""


class Principals:
    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._items: dict[bytes, Principal] = {}
        self._bytes = 0

    def get(self, mark: bytes) -> Principal | None:
        """The principal of the token with this `mark_of`."""
        return self._items.get(mark)

    def put(self, mark: bytes, principal: Principal) -> None:
        self.drop(mark)
        self._items[mark] = principal
        self._bytes += _size(principal)
        while len(self._items) > self._most or self._bytes > self._most_bytes:
            self.drop(next(iter(self._items)))

    def drop(self, mark: bytes) -> None:
        principal = self._items.pop(mark, None)
        if principal is not None:
            self._bytes -= _size(principal)

    def drop_credential(self, credential: str) -> None:
        for mark in [mark for mark, principal in self._items.items() if principal.credential == credential]:
            self.drop(mark)


def mark_of(token: str) -> bytes:
    """Names a token without telling it."""
    return hashlib.sha256(token.encode()).digest()


def _size(principal: Principal) -> int:
    """About how many bytes it takes. Parts that it shares with others are counted as its own."""
    flags = principal.feature_flags or ()
    texts = (principal.organization, principal.application, principal.credential, principal.session_id, *flags)
    return _FRAME_BYTES + getsizeof(principal.scopes) + getsizeof(flags) + sum(map(getsizeof, texts))
