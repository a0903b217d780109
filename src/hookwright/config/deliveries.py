"""Attempts and what becomes of them: when, how many at once, how much of them is held and kept."""

from typing import Literal

from pydantic import BaseModel

from hookwright.config.options import option
from hookwright.config.values import Age, Origin, Schedule
from hookwright.domain.messages import MAX_RETENTION_DAYS
from hookwright.domain.retries import DEFAULT_SCHEDULE


class Deliveries(BaseModel):
    retry_schedule: Schedule = option(
        DEFAULT_SCHEDULE, "seconds", "Waits between the attempts of a delivery, comma-separated; fractions are allowed.",
        "Ten attempts over three days, the example of the Standard Webhooks specification.",
    )  # fmt: skip
    retry_jitter: float = option(
        0.2,
        "share",
        "How far a wait may stray to either side.",
        "Receivers that failed together are not all tried again at the same instant.",
        ge=0,
        lt=1,
    )
    attempt_timeout: float = option(
        30.0,
        "seconds",
        "The whole time of one attempt, from name lookup to the answer's end.",
        "Slow receivers finish, stuck ones do not hold a place.",
        ge=1,
        le=60,
    )
    signature_headers: Literal["standard", "svix", "both"] = option(
        "standard",
        "word",
        "Names of the signature headers: `webhook-*`, `svix-*`, or both.",
        "The Standard Webhooks specification's names.",
    )
    max_endpoints: int = option(
        5000,
        "endpoints",
        "The most endpoints of one application.",
        "One transaction has to hold a message's whole fan-out.",
        ge=1,
        le=100_000,
    )
    message_retention: Age = option(
        MAX_RETENTION_DAYS,
        "days",
        "How long messages are kept, with their attempts and numbers; 0 for ever. At least 90, as long as a payload may be kept.",
        "No payload is kept longer, so nothing older can be shown whole or sent again; and no disk is endless.",
        ge=0,
        le=36_500,
    )
    concurrency: int = option(
        512, "attempts", "Attempts under way at once.", "Well below the usual limit of 1,024 open files.", ge=1, le=65_536
    )
    endpoint_concurrency: int = option(
        64, "attempts", "Attempts under way at once to one endpoint.", "One slow receiver leaves room for the others.", ge=1, le=65_536
    )
    breaker_pause: float = option(
        30.0,
        "seconds",
        "How long nothing is sent to an endpoint that is found to be sick, the first time; up to 30 times as long when it goes on.",
        "Long enough to come back in, short enough that nobody waits for us.",
        ge=0.01,
        le=3600,
    )
    recovery_rate: int = option(
        50,
        "messages a second",
        "At most so many go to an endpoint with a backlog after it was disabled or gave no answers, until that is gone; to who has one "
        "for over an hour twice as many, and again every ten minutes. A task that sends again (recover, replay) adds no more.",
        "Whoever has just come back is not struck down again.",
        ge=1,
        le=100_000,
    )
    disable_after: int = option(
        5,
        "days",
        "An endpoint that succeeded in nothing for so long is disabled; 0: never.",
        "Its messages are held from then on.",
        ge=0,
        le=365,
    )
    queue_size: int = option(
        5000,
        "deliveries",
        "Deliveries held in memory; the rest waits in the database.",
        "Memory stays bounded whatever the backlog.",
        ge=1,
        le=1_000_000,
    )
    queue_bytes: int = option(
        32 * 1024 * 1024, "bytes", "Payload bytes held in memory for them.", "The same, for large payloads.", ge=65_536
    )
    response_store_bytes: int = option(
        16_384, "bytes", "How much of a receiver's answer is kept.", "Enough for an error page's useful part.", ge=0, le=1_048_576
    )
    response_read_bytes: int = option(
        65_536,
        "bytes",
        "How much of an answer is read before the connection is dropped.",
        "A connection can be used again after a small answer only.",
        ge=0,
        le=16_777_216,
    )
    webhook_origin: Origin | None = option(
        None,
        "host name",
        "The name of this installation, by which receivers are asked whether they allow messages from it (the CloudEvents handshake).",
        "None: nobody but you knows it, and an endpoint cannot ask for that handshake before it is set.",
    )
