"""`hookwright verify`: the paste of a person at a desk."""

from pathlib import Path

import pytest

from hookwright.cli.verify import split_request
from hookwright.signing import signatures
from tests.integration.cli import Run, hookwright

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"test": 2432232314, "city": "Kraków"}'.encode()
SENT = 1_614_265_330


def headers(body: bytes = BODY, at: int = SENT) -> list[tuple[str, str]]:
    signature = signatures.sign([signatures.signer(SECRET)], "msg_1", at, body)
    return list(signatures.headers("msg_1", at, signature, "standard"))


def pasted(body: bytes = BODY, line_break: bytes = b"\n", **changes: str) -> bytes:
    lines = [f"{name}: {changes.get(name.replace('-', '_'), value)}".encode() for name, value in headers()]
    return line_break.join([*lines, b"", body])


def verify(folder: Path, stdin: bytes, *more: str) -> Run:
    return hookwright(folder, "verify", "--secret", SECRET, "--now", str(SENT + 10), *more, stdin=stdin)


def test_a_request_that_verifies_ends_with_status_0(tmp_path: Path) -> None:
    run = verify(tmp_path, pasted())
    assert run.status == 0
    assert "It verifies." in run.out


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n"])
def test_the_line_breaks_of_the_headers_do_not_matter(tmp_path: Path, line_break: bytes) -> None:
    assert verify(tmp_path, pasted(line_break=line_break)).status == 0


def test_a_changed_body_says_how_it_was_changed(tmp_path: Path) -> None:
    run = verify(tmp_path, pasted(BODY + b"\n"))
    assert run.status == 1
    assert "It does not verify." in run.out
    assert "without the line break at its end" in run.out


def test_a_missing_header_is_named(tmp_path: Path) -> None:
    run = verify(tmp_path, pasted().replace(b"webhook-id", b"x-id"))
    assert run.status == 1
    assert "webhook-id is missing" in run.out


def test_an_old_request_is_old_now_and_was_not_then(tmp_path: Path) -> None:
    assert "s old" in hookwright(tmp_path, "verify", "--secret", SECRET, stdin=pasted()).out


def test_findings_have_codes_for_machines(tmp_path: Path) -> None:
    run = verify(tmp_path, pasted(BODY + b"\n"), "--json")
    assert run.value["verified"] is False
    assert run.value["bodyBytes"] == len(BODY) + 1
    assert "body_changed" in [finding["code"] for finding in run.value["findings"]]


def test_headers_and_body_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "headers.txt").write_text("\n".join(f"{name}: {value}" for name, value in headers()))
    (tmp_path / "body.json").write_bytes(BODY)
    (tmp_path / "secret.txt").write_text(SECRET + "\n")
    arguments = ("--secret", "@secret.txt", "--headers", "headers.txt", "--body", "body.json", "--now", str(SENT))
    assert hookwright(tmp_path, "verify", *arguments).status == 0


def test_a_file_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    run = verify(tmp_path, b"", "--headers", "nothing.txt")
    assert run.status == 1
    assert run.err == "hookwright: --headers nothing.txt: No such file or directory\n"


def test_a_line_that_is_no_header_is_shown(tmp_path: Path) -> None:
    run = verify(tmp_path, b'{"id": 1}\n')
    assert run.status == 1
    assert "empty line" in run.err or "missing" in run.out


def test_the_secret_is_not_repeated(tmp_path: Path) -> None:
    run = verify(tmp_path, pasted(BODY + b"x"))
    assert SECRET not in run.out + run.err


def test_a_request_line_and_curls_marks_are_skipped() -> None:
    text = b"> POST /hook HTTP/1.1\r\n> Host: x\r\n> Webhook-Id: msg_1\r\n>\r\n{}"
    assert split_request(text) == ([("Host", "x"), ("Webhook-Id", "msg_1")], b"{}")


def test_a_content_length_ends_the_body_before_the_pastes_last_line_break() -> None:
    assert split_request(b"Content-Length: 2\n\n{}\n")[1] == b"{}"
    assert split_request(b"Content-Length: 2\n\n{} x")[1] == b"{} x"


def test_the_bodys_own_line_breaks_and_empty_lines_are_kept() -> None:
    assert split_request(b"a: b\n\n\n{\r\n\n}\n")[1] == b"\n{\r\n\n}\n"


@pytest.mark.parametrize("now", ["nan", "inf", "-1", "1e300"])
def test_a_moment_that_cannot_be_is_a_wrong_call(tmp_path: Path, now: str) -> None:
    run = hookwright(tmp_path, "verify", "--secret", SECRET, "--now", now, stdin=pasted())
    assert run.status == 2
    assert "Unix seconds" in run.err


def test_a_length_of_five_thousand_digits_cuts_nothing() -> None:
    assert split_request(b"content-length: " + b"9" * 5000 + b"\n\nbody\n")[1] == b"body\n"
