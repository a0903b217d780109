"""What a breaker should do, told as plainly as possible: no versions, no copies, no store. Times are Unix ms."""

from hookwright.domain.health import Sign

SECOND, MINUTE, DAY = 1_000, 60_000, 86_400_000
PAUSES = tuple(seconds * SECOND for seconds in (30, 60, 120, 240, 480, 900))
"""Of the first opening, the second, ...; the last is that of all that follow."""
DISABLE_AFTER = 5 * DAY


class Model:
    """`state` is closed, open or half open. `seen`: of each node what its attempts came to since it last saw the state change."""

    def __init__(self, nodes: tuple[int, ...]) -> None:
        self.seen: dict[int, list[tuple[int, Sign]]] = {node: [] for node in nodes}
        self._forget()
        self.patience = 0

    def _forget(self) -> None:
        self.state = "closed"
        self.closed_at = self.ends = self.openings = self.passed = 0
        self.prober: int | None = None
        self.prober_until = 0
        self.recovering = 0
        self.failing_since: int | None = None
        self.failures = 0

    # What may be sent

    def may(self, now: int) -> str | None:
        """What whoever asks may send: anything ("send"), the one attempt ("probe"), nothing (None)."""
        if now < self.patience:
            return None
        if self.state == "closed":
            return "send"
        if self.state == "open":
            return "probe" if now >= self.ends else None
        return "probe" if self.prober is None or now >= self.prober_until else None

    def began(self, node: int, until: int) -> None:
        """The one attempt is made."""
        self.state, self.prober, self.prober_until = "half open", node, until

    # What became of it

    def saw(self, node: int, sign: Sign, now: int) -> None:
        self.seen[node].append((now, sign))

    def ended(self, node: int, sign: Sign, now: int, *, probe: bool) -> None:
        """An attempt, of which `saw` was told before."""
        if sign is Sign.WELL:
            if not probe and self.state == "closed" and not self.recovering and now - self.closed_at > 10 * MINUTE:
                self._forget()
            self.failing_since, self.failures = None, 0
        else:
            self.failing_since = now if self.failing_since is None else self.failing_since
            self.failures += 1
        if not probe:
            if sign is not Sign.WELL and self.state == "closed" and self._is_sick(node, now):
                self._open(now)
        elif self.state == "half open" and self.prober == node:
            self.prober = None
            if sign is Sign.SICK:
                self._open(now)
            else:
                self._pass(now)

    def asked(self, until: int) -> None:
        """It wants to be left alone until then."""
        self.patience = max(self.patience, until)

    def not_made(self, node: int) -> None:
        if self.state == "half open" and self.prober == node:
            self.prober = None

    def enabled(self, now: int, *, was_sick: bool) -> None:
        self._forget()
        self.patience = 0
        if was_sick:
            self.state, self.ends, self.openings = "open", now, 1
        else:
            self.closed_at = self.recovering = now

    def drained(self) -> None:
        self.recovering = 0

    def percent(self, now: int) -> int:
        """Of the time until it is disabled, as far as that is told of."""
        if self.failing_since is None:
            return 0
        passed = (now - self.failing_since) / DISABLE_AFTER
        if passed >= 1 and self.failures >= 10:
            return 100
        return 75 if passed >= 0.75 else 50 if passed >= 0.5 else 0

    @property
    def pause(self) -> int:
        """About how long it is open this time."""
        return PAUSES[min(self.openings, len(PAUSES)) - 1]

    def _open(self, now: int) -> None:
        was_well = self.state == "closed" and now - self.closed_at > 10 * MINUTE
        self.openings = 1 if was_well else self.openings + 1
        self.state, self.passed, self.prober, self.recovering = "open", 0, None, 0
        self.ends = 0  # whoever looks says when, within a tenth of `pause`

    def _pass(self, now: int) -> None:
        self.passed += 1
        if self.passed == 3:
            self.state, self.passed, self.closed_at, self.recovering = "closed", 0, now, now

    def _is_sick(self, node: int, now: int) -> bool:
        """Five failures in a row, of fewer than twenty attempts lately; or twenty, or half of all. Five minutes are ten half ones."""
        lately = [sign for at, sign in self.seen[node] if at // (30 * SECOND) > now // (30 * SECOND) - 10]
        signs = [sign for _, sign in self.seen[node]]
        since_success = signs[len(signs) - signs[::-1].index(Sign.WELL) :] if Sign.WELL in signs else signs
        in_a_row = since_success.count(Sign.SICK)
        if len(lately) < 20:
            return in_a_row >= 5
        return in_a_row >= 20 or 2 * lately.count(Sign.SICK) >= len(lately)
