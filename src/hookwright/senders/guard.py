"""The address guard: what is judged where, before a connection is used.

Duty: no byte is ever sent to an address that `domain.addresses` refuses. A check of the URL alone would not do, for a
name may resolve to another address when it is connected to. So:

1. A name is judged before it is looked up, and then every address it resolves to; one bad address refuses the name,
   because a public and a private address side by side is how rebinding begins. Literals never reach a resolver.
2. The very address is judged once more that is connected to, and it is given to the loop as that literal.
3. And so is the peer of the connected socket, before TLS begins, in case 1 or 2 is ever bypassed by a change.
"""

import ipaddress
from collections.abc import Sequence

from hookwright.domain.addresses import Network, judge, judge_name
from hookwright.senders.faults import LATE_ADDRESS, NO_ADDRESS, REFUSED_BY_US, Unreached
from hookwright.senders.lookups import Lookups, LookupTimedOut


class Guard:
    """`allowed`: opened by the operator, besides the public internet. Both methods raise Unreached."""

    def __init__(self, lookups: Lookups, allowed: Sequence[Network]) -> None:
        self._lookups = lookups
        self._allowed = allowed

    async def addresses(self, host: str) -> Sequence[str]:
        """At least one; all of them may be connected to."""
        found = (host,) if _is_literal(host) else await self._look_up(host)
        for address in found:
            self.check(address)
        return found

    async def _look_up(self, name: str) -> Sequence[str]:
        if judge_name(name, self._allowed) is not None:
            raise Unreached(REFUSED_BY_US)
        try:
            found = await self._lookups.find(name)
        except LookupTimedOut:
            raise Unreached(LATE_ADDRESS) from None
        if not found:
            raise Unreached(NO_ADDRESS)
        return found

    def check(self, address: str) -> None:
        """Rules 2 and 3."""
        if judge(address, self._allowed) is not None:
            raise Unreached(REFUSED_BY_US)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
