"""What happens in the demo: events of several kinds, no two alike, the same in every run."""

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec

_NAMES = ("Ada Lovelace", "Grace Hopper", "Björk Guðmundsdóttir", "李小龙", "Noël Çelik", "Zoë O'Brien")
_CITIES = ("Reykjavík", "São Paulo", "Kraków", "Osaka", "Nairobi", "Cleveland")
_CURRENCIES = ("EUR", "USD", "JPY", "BRL")


class Event(msgspec.Struct, frozen=True):
    """`body` is the payload as it must arrive, byte for byte."""

    id: str
    type: str
    body: bytes


def _invoice_paid(dice: random.Random) -> dict[str, Any]:
    lines = [{"sku": f"sku_{dice.randrange(1000)}", "quantity": dice.randint(1, 9)} for _ in range(dice.randint(1, 6))]
    return {
        "invoice": f"in_{dice.randrange(10**9)}",
        "amount": dice.randrange(100, 500_000),
        "currency": dice.choice(_CURRENCIES),
        "lines": lines,
    }


def _payment_failed(dice: random.Random) -> dict[str, Any]:
    reason = dice.choice(("card_declined", "insufficient_funds", "expired_card"))
    return {"invoice": f"in_{dice.randrange(10**9)}", "reason": reason, "attempt": dice.randint(1, 4), "nextAttemptAt": None}


def _user_created(dice: random.Random) -> dict[str, Any]:
    return {
        "user": f"usr_{dice.randrange(10**9)}",
        "name": dice.choice(_NAMES),
        "plan": dice.choice(("free", "team")),
        "trial": dice.random() < 0.5,
    }


def _order_shipped(dice: random.Random) -> dict[str, Any]:
    address = {"city": dice.choice(_CITIES), "lines": [f"{dice.randint(1, 200)} Main Street"]}
    return {"order": f"ord_{dice.randrange(10**9)}", "carrier": "DHL", "weightKg": round(dice.uniform(0.1, 30), 2), "address": address}


def _report_ready(dice: random.Random) -> dict[str, Any]:
    return {
        "report": f"rep_{dice.randrange(10**9)}",
        "rows": [[dice.randrange(10_000) for _ in range(8)] for _ in range(dice.randint(5, 60))],
    }


_KINDS: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "invoice.paid": _invoice_paid,
    "invoice.payment_failed": _payment_failed,
    "user.created": _user_created,
    "order.shipped": _order_shipped,
    "report.ready": _report_ready,
}


def make_events(count: int) -> list[Event]:
    """`count` events, kinds in turn. Their spacing differs too: what arrives must be these bytes, not merely this JSON."""
    dice = random.Random(20_240_229)  # noqa: S311  # the same events in every run
    events = []
    for number in range(1, count + 1):
        kind = list(_KINDS)[number % len(_KINDS)]
        ident = f"evt_{number:05d}"
        text = json.dumps({"id": ident, "type": kind, "data": _KINDS[kind](dice)}, ensure_ascii=number % 2 == 0, indent=number % 3 or None)
        events.append(Event(ident, kind, text.encode()))
    return events
