"""An outage of the database in two lines of the log, however many commits it refuses meanwhile."""

import logging

log = logging.getLogger(__name__)


class Outage:
    """What the one who commits tells of each attempt at it."""

    def __init__(self) -> None:
        self._refused = 0

    def refused(self, commands: int, error: BaseException) -> None:
        if not self._refused:
            log.error("the database refused a commit of %d commands: %s", commands, error)
        self._refused += commands

    def committed(self) -> None:
        if self._refused:
            log.warning("the database takes commits again; %d commands were refused meanwhile", self._refused)
            self._refused = 0
