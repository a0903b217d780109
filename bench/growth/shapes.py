"""How large a database is made, and which of its rows are asked for afterwards."""

import msgspec

BIG, SMALL, WIDE, LIVE = 0, 1, 2, 10
"""Places of applications: the one with a tenth of all messages, one of the usual size, one with many endpoints, and the first
of those that receive messages while a server runs."""
BIG_SHARE = 10
WIDE_SHARE = 20
"""The wide application has one in so many of all endpoints."""
FEWEST_WIDE = 60
EVENT_TYPES = 100
RARE = "growth.rare"
"""One message in `RARE_EVERY` has it."""
RARE_EVERY = 1_000
NEVER = "growth.never"
OTHERS = "growth.others"
"""What all but the first endpoint of each application want."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """`days`: over how many, up to now, the messages are spread."""

    messages: int
    applications: int
    endpoints: int
    days: int

    def endpoints_of(self, application: int) -> int:
        """How many endpoints the application at this place has."""
        wide = max(FEWEST_WIDE, self.endpoints // WIDE_SHARE)
        return wide if application == WIDE else max(1, (self.endpoints - wide) // (self.applications - 1))


def shape(messages: int) -> Shape:
    """2,000,000 messages are those of 5,000 applications with 20,000 endpoints over two weeks; fewer have less of everything."""
    applications = max(200, messages // 400)
    return Shape(messages=messages, applications=applications, endpoints=4 * applications, days=min(14, max(1, messages // 20_000)))
