"""Why a request does or does not verify, in words a person can act on.

For a command that a developer runs at a desk, with a secret at hand: it takes its time, names what it sees, and tries
the mistakes that are made most often. It never decides whether a request is accepted; `verification` does that.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from hookwright.signing.secrets import Secret, parse
from hookwright.signing.verification import (
    PARTS,
    PREFIXES,
    TOLERANCE_S,
    Claim,
    Headers,
    VerificationError,
    Verifier,
    collect,
    is_timestamp,
    read_claim,
)

Code = Literal[
    "verified", "missing_header", "duplicate_header", "malformed", "bad_secret", "too_old", "too_new", "milliseconds", "no_match",
    "wrong_kind", "body_changed", "raw_secret", "swapped", "other_timestamp", "other_id",
]  # fmt: skip


class Finding(NamedTuple):
    """One thing to know. `ok` is True only for what speaks for the request; `code` is stable, `text` is for people."""

    code: Code
    ok: bool
    text: str


def diagnose(headers: Headers, body: bytes, secrets: Iterable[str], now: int, tolerance_s: float = TOLERANCE_S) -> list[Finding]:
    """Everything that can be said; the request verifies exactly when every finding is `ok`. `now` is Unix ms. Never raises."""
    written = [secrets] if isinstance(secrets, str) else list(secrets)
    usable, findings = _read_secrets(written)
    try:
        sent = collect(headers)
    except VerificationError as error:
        return [*findings, Finding("malformed", False, f"{error}.")]
    shape = list(_check_shape(sent, now))
    if shape:
        return [*findings, *shape]
    try:
        claim = read_claim([(name, value) for name, values in sent.items() for value in values])
    except VerificationError as error:
        return [*findings, Finding("malformed", False, f"{error}.")]
    findings += _check_time(claim, now, tolerance_s)
    if usable and Verifier(usable).matches(claim, body):
        return [*findings, Finding("verified", True, "A signature matches.")]
    return [*findings, *_explain(claim, body, written, usable)]


def _read_secrets(written: list[str]) -> tuple[list[Secret], list[Finding]]:
    usable, findings = [], []
    for place, text in enumerate(written, 1):
        try:
            usable.append(parse(text))
        except ValueError as error:
            hint = " It has white space around it." if text != text.strip() else ""
            findings.append(Finding("bad_secret", False, f"Secret {place} cannot be used: {error}.{hint}"))
    if not written:
        findings.append(Finding("bad_secret", False, "No secret was given."))
    return usable, findings


def _check_shape(sent: dict[str, list[str]], now: int) -> Iterator[Finding]:
    prefix = next((prefix for prefix in PREFIXES if any(prefix + part in sent for part in PARTS)), PREFIXES[0])
    for part in PARTS:
        values = sent.get(prefix + part, [])
        if not values:
            yield Finding("missing_header", False, f"The header {prefix}{part} is missing.")
        elif len(values) > 1:
            yield Finding("duplicate_header", False, f"The header {prefix}{part} is there {len(values)} times; a proxy may have added one.")
    ids, times = sent.get(prefix + "id", [""]), sent.get(prefix + "timestamp", [""])
    if is_timestamp(ids[0]) and times[0] and not is_timestamp(times[0]):
        yield Finding("swapped", False, f"{prefix}id and {prefix}timestamp hold each other's value.")
    if len(times[0]) == len(str(now)) and times[0].isascii() and times[0].isdigit():
        yield Finding("milliseconds", False, f"{prefix}timestamp is in milliseconds; it must be in seconds.")


def _check_time(claim: Claim, now: int, tolerance_s: float) -> Iterator[Finding]:
    seconds = int(claim.timestamp)
    off = now / 1000 - seconds
    if abs(off) <= tolerance_s:
        return
    if off > 0:
        yield Finding(
            "too_old", False, f"The timestamp is {off:.0f} s old; {tolerance_s:.0f} s are tolerated. Is this a replay, or a slow clock?"
        )
    else:
        yield Finding(
            "too_new", False, f"The timestamp is {-off:.0f} s in the future; {tolerance_s:.0f} s are tolerated. Check both clocks."
        )


def _explain(claim: Claim, body: bytes, written: list[str], usable: list[Secret]) -> Iterator[Finding]:
    versions = {version for version, _ in claim.signatures}
    kinds = {"v1" if secret.kind == "hmac" else "v1a" for secret in usable}
    if not versions:
        yield Finding("wrong_kind", False, "No signature is of a version known here (v1, v1a).")
        return
    if kinds and not versions & kinds:
        need = "a whsec_ secret" if versions == {"v1"} else "a whpk_ key"
        yield Finding("wrong_kind", False, f"The signatures are {', '.join(sorted(versions))}; to check them takes {need}.")
        return
    causes = [*_try_bodies(claim, body, usable), *_try_raw_secrets(claim, body, written), *_try_headers(claim, body, usable)]
    yield from causes
    if not causes:
        yield Finding(
            "no_match",
            False,
            "No signature matches: it was made with another secret, or the body that was signed is not the one given here.",
        )


def _try_bodies(claim: Claim, body: bytes, usable: list[Secret]) -> Iterator[Finding]:
    if not usable:
        return
    verifier = Verifier(usable)
    for words, variant in _variants(body):
        if variant != body and verifier.matches(claim, variant):
            yield Finding("body_changed", False, f"The body was changed on its way: it verifies {words}. Verify the bytes as they arrived.")
            return


def _variants(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "without the line break at its end", body.rstrip(b"\r\n")
    yield "with a line break (LF) at its end", body + b"\n"
    yield "with a line break (CRLF) at its end", body + b"\r\n"
    yield "with LF instead of CRLF line breaks", body.replace(b"\r\n", b"\n")
    yield "with CRLF instead of LF line breaks", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield "without the byte order mark", body.removeprefix(b"\xef\xbb\xbf")
    yield "without the white space around it", body.strip()
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    for order, sort in (("", False), (" with sorted keys", True)):
        for ascii_only, alphabet in ((False, ""), (True, ", other characters escaped")):
            for words, indent, separators in (
                ("compact JSON", None, (",", ":")),
                ("JSON with spaces after commas and colons", None, (", ", ": ")),
                ("JSON indented by 2", 2, (",", ": ")),
                ("JSON indented by 4", 4, (",", ": ")),
            ):
                try:
                    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators, sort_keys=sort)
                    yield f"as {words}{order}{alphabet}", text.encode()
                except (ValueError, RecursionError):
                    return
    if isinstance(value, str):
        yield "as the text inside the JSON string (it was encoded twice)", value.encode("utf-8", "replace")


def _try_raw_secrets(claim: Claim, body: bytes, written: list[str]) -> Iterator[Finding]:
    content = f"{claim.message_id}.{claim.timestamp}.".encode() + body
    macs = [signature for version, signature in claim.signatures if version == "v1"]
    for text in written:
        bare = text.strip().removeprefix("whsec_")
        for words, key in (
            ("the whole text of the secret, prefix included,", text.encode()),
            ("the text of the secret instead of its base64-decoded bytes", bare.encode()),
            ("the bytes of the secret that cannot be used here (see above)", _lenient_decode(bare)),
        ):
            if key and any(hmac.compare_digest(hmac.digest(key, content, hashlib.sha256), mac) for mac in macs):
                yield Finding("raw_secret", False, f"The signer used {words} as the key.")
                return


def _lenient_decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""


def _try_headers(claim: Claim, body: bytes, usable: list[Secret]) -> Iterator[Finding]:
    if not usable:
        return
    verifier = Verifier(usable)
    if verifier.matches(claim._replace(message_id=claim.timestamp, timestamp=claim.message_id), body):
        yield Finding("swapped", False, "The signer put the timestamp before the id; the content is <id>.<timestamp>.<body>.")
    for factor, unit in ((1000, "milliseconds"), (1_000_000, "microseconds")):
        if verifier.matches(claim._replace(timestamp=str(int(claim.timestamp) * factor)), body):
            yield Finding("other_timestamp", False, f"The signer signed the timestamp in {unit}; the header has seconds.")
    if verifier.matches(claim._replace(message_id=claim.message_id.strip()), body) or verifier.matches(
        claim._replace(message_id=claim.message_id.partition("_")[2]), body
    ):
        yield Finding("other_id", False, "The signer signed another id than the one in the header.")
