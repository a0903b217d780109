"""What is sent, so that both ends of a torture agree on every byte without telling each other."""

import hashlib
import random

import msgspec

KINDS = ("invoice.paid", "invoice.sent")
ENDPOINTS = (None, None, (KINDS[0],))
"""Event types that each endpoint wants; None for all."""


def kind(number: int) -> str:
    return KINDS[number % len(KINDS)]


def expected(number: int) -> tuple[int, ...]:
    """The endpoints that message `number` goes to."""
    return tuple(place for place, wanted in enumerate(ENDPOINTS) if wanted is None or kind(number) in wanted)


def payload(seed: int, number: int) -> bytes:
    """Odd spacing and characters beyond ASCII, because these bytes must arrive as they are."""
    chance = random.Random(f"{seed}-{number}")
    filler = hashlib.sha256(b"%d-%d" % (seed, number)).hexdigest() * chance.randrange(1, 12)
    return f'{{"n": {number} ,"amount":1.50, "name" :"Größe \\u00e9 ☂","filler":"{filler}"}}'.encode()


def request_body(seed: int, number: int) -> bytes:
    return b'{"eventType": "%s", "payload": %s}' % (kind(number).encode(), payload(seed, number))


class _Numbered(msgspec.Struct):
    n: int


_numbered = msgspec.json.Decoder(_Numbered)


def number_of(body: bytes) -> int | None:
    """Which message a body claims to be."""
    try:
        return _numbered.decode(body).n
    except msgspec.MsgspecError:
        return None
