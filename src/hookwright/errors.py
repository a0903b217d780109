"""Everything that can go wrong on our side or the caller's, as one tree.

    HookwrightError
    +-- CallerError               the caller can mend it; the API answers 4xx with `code` and `detail`
    |   +-- BadRequest            400
    |   +-- Unauthenticated       401
    |   +-- Forbidden             403
    |   +-- NotFound              404
    |   +-- Conflict              409
    |   +-- PayloadTooLarge       413
    |   +-- Invalid               422: a list of problems, each with its place
    +-- StoreError                the database; the API answers 503 with Retry-After, unless said otherwise
    |   +-- StoreUnavailable      full disk, I/O error: nothing was acknowledged, try again
    |   |   +-- Late              a message waited too long for its place among the others: the engine makes it again
    |   +-- StoreRefused          at start: not our database, corrupt, locked by another process, unwritable
    |   +-- Unreadable            one stored row is damaged: 500, until somebody mends it; all others can be read
    +-- EgressUnavailable         there is no way out, nothing was sent: our proxy. Try again later
    +-- ConfigurationError        at start: an option's name, the value it had and what would be right
    +-- VaultError                a sealed value cannot be opened: unknown key, tampered bytes
    +-- Busy                      too many wait for something of ours already; nothing was done, try again

What a receiver answers is data, never an exception (see `domain.decisions`).
"""

from typing import NamedTuple


class HookwrightError(Exception):
    """The root; catch it at a process's edge only."""


class CallerError(HookwrightError):
    """The caller's mistake. `code` is stable and for machines; `detail` is for people."""

    status = 400
    code = "generic_error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class BadRequest(CallerError):
    pass


class Unauthenticated(CallerError):
    status = 401
    code = "authentication_failed"


class Forbidden(CallerError):
    status = 403
    code = "insufficient_access"


class NotFound(CallerError):
    status = 404
    code = "not_found"

    def __init__(self, detail: str = "Entity not found", *, code: str | None = None) -> None:
        super().__init__(detail, code=code)


class Conflict(CallerError):
    status = 409
    code = "conflict"


class PayloadTooLarge(CallerError):
    status = 413
    code = "payload_too_large"


class Problem(NamedTuple):
    """One thing that is wrong with a request: where (`("body", "url")`), what, and its kind."""

    loc: tuple[str, ...]
    msg: str
    type: str = "value_error"


class Invalid(CallerError):
    """A well-formed request whose values are not acceptable; carries every problem that was found."""

    status = 422
    code = "invalid"

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{'.'.join(p.loc)}: {p.msg}" for p in problems))
        self.problems = problems

    @classmethod
    def at(cls, *loc: str, msg: str, type: str = "value_error") -> "Invalid":
        return cls(Problem(loc, msg, type))


class StoreError(HookwrightError):
    """The database's trouble, in one line that a person can act on."""


class StoreUnavailable(StoreError):
    """Nothing was committed. `retry_after` is in seconds."""

    retry_after = 5


class Late(StoreUnavailable):
    """A message, or one of some, would be committed later than it says it may be. `at`: the time by the store's clock (Unix ms)."""

    def __init__(self, at: int) -> None:
        super().__init__("the database was too slow to take the message, or the clock of this machine is behind its own")
        self.at = at


class StoreRefused(StoreError):
    """The database cannot be used at all; the process does not start."""


class Unreadable(StoreError):
    """One stored row cannot be read; the text says what is wrong with it. It would be no better at another try."""


class EgressUnavailable(HookwrightError):
    """The proxy that all requests leave by cannot be reached, or refuses us: nothing was sent, and no endpoint is to blame."""


class ConfigurationError(HookwrightError):
    """A setting is wrong; the message names it, its value and what would be right."""


class VaultError(HookwrightError):
    """A sealed value does not open: its key is not in the ring, or its bytes were changed."""


class Busy(HookwrightError):
    """Too many wait for it already. `retry_after` is in seconds."""

    retry_after = 1
