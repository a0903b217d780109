"""`hookwright verify`: why a webhook that arrived does or does not verify."""

import math
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from hookwright.cli import arguments
from hookwright.cli.console import Failed, Json, note, say, say_json

_BREAK = re.compile(rb"\r?\n")
_MOST_DIGITS = 18
"""Of a Content-Length that can be meant; Python refuses to read more than some thousand."""
_REQUEST_LINE = re.compile(r"[A-Z]+ \S+ HTTP/\d(?:\.\d)?|HTTP/\d(?:\.\d)? \d{3}.*")


def verify(
    secret: Annotated[
        list[str], typer.Option(metavar="SECRET|@FILE", help="The endpoint's secret (whsec_..., or a public key whpk_...), repeatable.")
    ],
    headers: Annotated[
        str,
        typer.Option(
            metavar="FILE|-", help="The headers, one `name: value` a line; then, unless --body is given, an empty line and the body."
        ),
    ] = "-",
    body: Annotated[Path | None, typer.Option(metavar="FILE", help="The body, byte for byte as it arrived.")] = None,
    now: Annotated[float | None, typer.Option(metavar="UNIX_SECONDS", help="Judge the timestamp as of then; now if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Say whether a request verifies, and if not, why. Paste it: headers, an empty line, the body.

    The exit status is 0 only if it verifies. Nothing is sent anywhere.
    """
    from hookwright.signing.diagnosis import diagnose

    at = arguments.now_ms() if now is None else _read_now(now)
    typed = headers == "-" and sys.stdin.isatty()
    if typed:
        note("Paste the headers, an empty line and the body; end with Ctrl-D on a line of its own.")
    text = sys.stdin.buffer.read() if headers == "-" else _read(Path(headers), "--headers")
    if typed:
        text = re.sub(rb"\r?\n\Z", b"", text)  # the Enter before Ctrl-D is the terminal's, not the request's
    pairs, pasted = split_request(text)
    content = pasted if body is None else _read(body, "--body")
    secrets = [_read(Path(each[1:]), "--secret").decode("utf-8", "replace").strip() if each.startswith("@") else each for each in secret]
    findings = diagnose(pairs, content, secrets, at)
    verified = all(finding.ok for finding in findings)
    if as_json:
        shown = [{"code": finding.code, "ok": finding.ok, "text": finding.text} for finding in findings]
        say_json({"verified": verified, "bodyBytes": len(content), "findings": shown})
    else:
        say("It verifies." if verified else "It does not verify.")
        for finding in findings:
            say(f"  {'+' if finding.ok else '-'} {finding.text}")
        if not verified:
            say(f"  (looked at {len(pairs)} headers and a body of {len(content)} bytes)")
    raise typer.Exit(0 if verified else 1)


def _read_now(seconds: float) -> int:
    """Unix ms. Raises BadParameter."""
    if not math.isfinite(seconds) or not 0 <= seconds <= arguments.LATEST / 1000:
        raise typer.BadParameter(f"--now {seconds:g}: right would be Unix seconds, like 1767225600")
    return round(seconds * 1000)


def split_request(text: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of a pasted request; the body's bytes are kept exactly.

    A request or status line at the top is skipped, and so are the marks that curl puts before each header. Where a
    Content-Length says that the body ends before the paste does, it ends there (RFC 9112, 6.2), if only line breaks
    follow.
    """
    pairs: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        found = _BREAK.search(text, place)
        raw, place = (text[place:], len(text)) if found is None else (text[place : found.start()], found.end())
        line = re.sub(r"^[<>*] ?", "", raw.decode("latin-1"))
        if not line.strip():
            if pairs:
                break
            continue
        name, colon, value = line.partition(":")
        if not pairs and _REQUEST_LINE.fullmatch(line.strip()):
            continue
        if not colon:
            raise Failed(f"this line is not a header (name: value): {line[:60]!r}; the body comes after an empty line")
        pairs.append((name.strip(), value.strip()))
    return pairs, _cut(pairs, text[place:])


def _cut(pairs: list[tuple[str, str]], body: bytes) -> bytes:
    lengths = {value for name, value in pairs if name.lower() == "content-length" and value.isascii() and value.isdigit()}
    if len(lengths) != 1 or len(said := lengths.pop()) > _MOST_DIGITS:
        return body
    length = int(said)
    return body[:length] if body[length:].strip(b"\r\n") == b"" else body


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failed(f"{option} {path}: {error.strerror}") from error
