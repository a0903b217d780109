"""Identifiers: a prefix and 27 base-62 characters that sort by creation.

The 160 bits are a KSUID with milliseconds: 32 bits of seconds since 2014-05-13T16:53:20Z, 8 bits of 4 ms steps,
120 bits of entropy. Within one minter ids only grow, also inside one step and when the clock steps back: rows are
then appended to their B-tree, and a page that was read stays read. They run ahead of the clock by `FURTHEST_AHEAD`
at most: after a clock that was wrong by more was put right, ids are wrong no longer than it was. Pure: time and
entropy are handed in.
"""

from collections.abc import Callable

KSUID_EPOCH = 1_400_000_000
LENGTH = 27
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [a + b for a in _DIGITS for b in _DIGITS]
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_ENTROPY_BITS = 120
_LARGEST = 2**160 - 1
_STEP_MS = 4
FURTHEST_AHEAD = 10
"""Seconds: more than what clocks are stepped by in use, far less than a wrong date."""
_TOO_FAR = ((FURTHEST_AHEAD << 8) + 1) << _ENTROPY_BITS  # one step more: whole steps count, whatever their entropy


def encode(value: int) -> str:
    """The 27 base-62 digits of a 160-bit number, most significant first."""
    digits = []
    for _ in range(13):
        value, pair = divmod(value, 3844)
        digits.append(_PAIRS[pair])
    digits.append(_DIGITS[value])
    digits.reverse()
    return "".join(digits)


def decode(text: str) -> int:
    """The number behind 27 base-62 digits. Raises ValueError for anything else."""
    if len(text) != LENGTH:
        raise ValueError("an id has 27 characters after its prefix")
    value = 0
    for digit in text:
        if digit not in _VALUES:
            raise ValueError(f"{digit!r} is not a base-62 digit")
        value = value * 62 + _VALUES[digit]
    if value > _LARGEST:
        raise ValueError("larger than 160 bits")
    return value


def _time_bits(at: int) -> int:
    seconds, milliseconds = divmod(at, 1000)
    return max(0, min(seconds - KSUID_EPOCH, 2**32 - 1)) << 8 | milliseconds // 4


def floor(at: int) -> str:
    """The smallest id (without prefix) that can be minted at `at` (Unix ms): turns a time into a range bound."""
    return encode(_time_bits(at) << _ENTROPY_BITS)


def lowest(prefix: str, at: int) -> str:
    """The smallest id that can be minted at `at` (Unix ms) or later."""
    return f"{prefix}_{floor(-(-at // _STEP_MS) * _STEP_MS)}"


def created_at(ident: str) -> int:
    """Unix ms, to 4 ms, at which a prefixed id was minted. Raises ValueError for what is no id."""
    bits = decode(ident.rpartition("_")[2]) >> _ENTROPY_BITS
    return ((bits >> 8) + KSUID_EPOCH) * 1000 + (bits & 255) * 4


def is_id(ident: str, prefix: str) -> bool:
    """Whether `ident` is a well-formed id of this kind (`prefix` without its underscore)."""
    head, _, tail = ident.partition("_")
    if head != prefix:
        return False
    try:
        decode(tail)
    except ValueError:
        return False
    return True


class Minter:
    """Mints ids that only grow, unless the clock steps back by more than `FURTHEST_AHEAD`.

    `entropy(n)` returns n random bytes; in a simulation, seeded ones.
    """

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._last = 0

    def mint(self, prefix: str, now: int) -> str:
        """A fresh `<prefix>_<27 characters>` for `now` (Unix ms)."""
        return self.mint_timed(prefix, now)[0]

    def mint_timed(self, prefix: str, now: int) -> tuple[str, int]:
        """A fresh id and the Unix ms that it carries: what `created_at` will read from it, so both always agree."""
        base = _time_bits(now) << _ENTROPY_BITS
        if not base <= self._last < base + _TOO_FAR:
            self._last = base | int.from_bytes(self._entropy(14), "big")  # 112 bits: room to count up within the step
        else:
            self._last += 1 + int.from_bytes(self._entropy(8), "big")
        bits = self._last >> _ENTROPY_BITS
        return f"{prefix}_{encode(self._last)}", ((bits >> 8) + KSUID_EPOCH) * 1000 + (bits & 255) * 4
