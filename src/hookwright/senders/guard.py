"""The address guard: what is judged where, before a connection is used.

Duty: no byte is ever sent to an address that `domain.egress` refuses. A check of the URL alone would not do, for a
name may resolve to another address when it is connected to. So:

1. A name is judged before it is looked up, and then every address it resolves to; one bad address refuses the name,
   because a public and a private address side by side is how rebinding begins. Literals never reach a resolver.
2. The very address is judged once more that is connected to, and it is given to the loop as that literal.
3. And so is the peer of the connected socket, before TLS begins, in case 1 or 2 is ever bypassed by a change.
4. What is this machine's own, on the public internet or not, is no target unless the operator opened it; where this server listens,
   never: an endpoint could send to itself without end.

A name that leads to a blocked address and one that leads nowhere are told of in the same words: the difference would tell which
names there are in the network behind us. Why something is blocked is for the operator alone.
"""

import ipaddress
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence

from hookwright.domain.addresses import is_address, read_address
from hookwright.domain.egress import Egress
from hookwright.senders.faults import BLOCKED_NAME, LATE_ADDRESS, NO_ADDRESS, REFUSED_BY_US, Unreached
from hookwright.senders.lookups import Lookups, LookupTimedOut

log = logging.getLogger(__name__)
MOST_SAID = 1_000
"""Hosts of which it is remembered that the log has them; customers can make up any number."""


def is_own(address: str) -> bool:
    """Whether what is sent there stays on this machine. Nothing is sent: a datagram socket only learns its route."""
    read = read_address(address)
    if read.is_loopback or read.is_unspecified:
        return True
    family = socket.AF_INET if isinstance(read, ipaddress.IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(read), 9))
            return str(probe.getsockname()[0]) == str(read)
    except OSError:  # no way there at all
        return False


class Guard:
    """All methods raise Unreached."""

    def __init__(self, lookups: Lookups, egress: Egress, *, is_own: Callable[[str], bool] = is_own) -> None:
        self._lookups, self._egress, self._is_own = lookups, egress, is_own
        self._said: OrderedDict[str, None] = OrderedDict()

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """At least one; all of them may be connected to at this port."""
        self.check_host(host, port)
        if is_address(host):
            return (host,)
        try:
            found = await self._lookups.find(host)
        except LookupTimedOut:
            raise Unreached(LATE_ADDRESS) from None
        if not found:
            raise Unreached(NO_ADDRESS)
        for address in found:
            if (reason := self._judge(address, port)) is not None:
                self._say(host, reason)
                raise Unreached(BLOCKED_NAME)
        return found

    def check_host(self, host: str, port: int) -> None:
        """What can be known without a lookup."""
        reason = self._judge(host, port) if is_address(host) else self._egress.judge_name(host, port)
        if reason is not None:
            self._say(host, reason)
            raise Unreached(REFUSED_BY_US)

    def check(self, address: str, port: int) -> None:
        """Rules 2 and 3."""
        if self._judge(address, port) is not None:
            raise Unreached(REFUSED_BY_US)

    def _judge(self, address: str, port: int) -> str | None:
        reason = self._egress.judge(address, port)
        if reason is not None:
            return reason
        if self._egress.is_opened(address, port) and port != self._egress.own_port:
            return None
        return "this machine" if self._is_own(address) else None

    def _say(self, host: str, reason: str) -> None:
        if host in self._said:
            return
        self._said[host] = None
        if len(self._said) > MOST_SAID:
            self._said.popitem(last=False)
        log.info("requests to %s are blocked: %s", host, reason)
