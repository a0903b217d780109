"""Which transformations are not run for a while, because they had to be stopped several times in a row.

A script that never ends takes all its time again and again, and that is everybody's. It is known by its endpoint and its code: a
changed one begins anew, and a mistake that a script makes in time is no strike.
"""

from collections import OrderedDict

import msgspec

LIMIT = 3
FIRST_PAUSE = 30_000
LONGEST_PAUSE = 600_000
MOST = 10_000
"""Endpoints that are remembered; the least recently run goes first."""


class _Record(msgspec.Struct):
    code: str
    strikes: int = 0
    until: int = 0


class Strikes:
    """Times are Unix ms."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def paused_until(self, endpoint: str, code: str, now: int) -> int | None:
        """None if it may run."""
        record = self._records.get(endpoint)
        return record.until if record is not None and record.code == code and record.until > now else None

    def saw(self, endpoint: str, code: str, now: int, *, stopped: bool) -> None:
        """It ran, and had to be `stopped` or not. After the pause it is run once, to see."""
        if not stopped:
            self._records.pop(endpoint, None)
            return
        record = self._records.get(endpoint)
        if record is None or record.code != code:
            record = self._records[endpoint] = _Record(code)
        self._records.move_to_end(endpoint)
        record.strikes += 1
        if record.strikes >= LIMIT:
            record.until = now + min(FIRST_PAUSE << min(record.strikes - LIMIT, 10), LONGEST_PAUSE)
        if len(self._records) > MOST:
            self._records.popitem(last=False)
