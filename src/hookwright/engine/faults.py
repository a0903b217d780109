"""Faults of ours: what cannot be tried because of one goes back untried, and is left alone for a while."""

import logging
from collections.abc import Callable

from hookwright.clock import Clock
from hookwright.domain.deliveries import Key
from hookwright.engine.ongoing import Ongoing
from hookwright.errors import Busy, EgressUnavailable, HookwrightError, StoreUnavailable

log = logging.getLogger(__name__)
STORE_PAUSE_MS = 5_000
EGRESS_PAUSE_MS = 15_000
FAULT_PAUSE_MS = 60_000


def pause_ms(error: Exception) -> int:
    """How long to leave an endpoint alone after a fault of ours, which never counts as an attempt of the customer's."""
    if isinstance(error, EgressUnavailable):
        return EGRESS_PAUSE_MS
    if isinstance(error, Busy):
        return error.retry_after * 1000
    return STORE_PAUSE_MS if isinstance(error, StoreUnavailable) else FAULT_PAUSE_MS


class Faults:
    """What attempts met. `store_failed`, `rest`: nobody asks for more of them for a moment. `no_way_out`: the proxy did not let the last
    of them through.
    """

    def __init__(self, clock: Clock, store_failed: Callable[[StoreUnavailable], None], rest: Callable[[], None]) -> None:
        self._clock, self._store_failed, self._rest = clock, store_failed, rest
        self._leaving = Ongoing("sending by the proxy")
        self.no_way_out = False

    def again_at(self, key: Key, error: Exception) -> int:
        """When the delivery that met it is to be tried again (Unix ms)."""
        match error:
            case StoreUnavailable():
                self._store_failed(error)
            case EgressUnavailable():
                self._leaving.failed(error)
                self.no_way_out = True
                self._rest()
            case Busy():
                pass
            case HookwrightError():
                log.error("delivery %s goes back untried: %s", key, error)
            case _:
                log.error("delivery %s goes back untried", key, exc_info=error)
        return self._clock.now() + pause_ms(error)

    def way_found(self) -> None:
        """An attempt was made."""
        self.no_way_out = False
        self._leaving.succeeded()
