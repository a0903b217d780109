"""The reading of answers, byte by byte: what a receiver's bytes mean does not depend on the pieces in which they come."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookwright.sender import Failure, Response
from hookwright.senders.answers import MAX_HEADERS, MAX_LINE, Answers
from hookwright.senders.faults import INCOMPLETE, MALFORMED, UNANSWERED

Result = Response | Failure
START = b"HTTP/1.1 200 OK\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"


def read(pieces: Iterable[bytes], *, read_limit: int = 1000, stored_limit: int = 100) -> tuple[Result, bool]:
    """The result of these pieces and then the end of the connection; and whether another request could have followed."""
    answers = Answers(read_limit, stored_limit)
    for piece in pieces:
        result = answers.feed(piece)
        if result is not None:
            return result, answers.reusable
    return answers.end(), answers.reusable


def read_any_way(data: bytes, **limits: int) -> tuple[Result, bool]:
    """The same result, whether it comes whole, cut in two anywhere, or byte by byte."""
    whole = read([data], **limits)
    assert read((data[place : place + 1] for place in range(len(data))), **limits)[0] == whole[0]
    for place in range(1, len(data)):
        assert read([data[:place], data[place:]], **limits)[0] == whole[0], (data[:place], data[place:])
    return whole


WHOLE = [
    (START + b"Content-Length: 2\r\n\r\nok", Response(200, b"ok", False), True),
    (START + b"Content-Length: 0\r\n\r\n", Response(200, b"", False), True),
    (b"\r\n" + START + b"content-length:2\r\n\r\nok", Response(200, b"ok", False), True),
    (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", Response(200, b"ok", False), True),
    (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Response(200, b"", False), True),
    (START + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", Response(200, b"ok", False), False),
    (START + b"\r\nuntil the end", Response(200, b"until the end", False), False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Response(200, b"ok", False), False),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", Response(200, b"ok", False), True),
    (b"HTTP/1.1 204 No\r\n\r\n", Response(204, b"", False), True),
    (b"HTTP/1.1 304 No\r\nContent-Length: 30\r\n\r\n", Response(304, b"", False), True),
    (b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nretry-after: 8\r\nContent-Length: 0\r\n\r\n", Response(503, b"", False, "7"), True),
    (CHUNKED + b"1\r\na\r\n2 \r\nbc\r\n0\r\n\r\n", Response(200, b"abc", False), True),
    (CHUNKED + b"3;name=value\r\nabc\r\n0\r\n\r\n", Response(200, b"abc", False), True),
    (CHUNKED + b"3\r\nabc\r\n0\r\nRetry-After: 9\r\nx: y\r\n\r\n", Response(200, b"abc", False), True),
    (b"HTTP/1.1 100 Go\r\nRetry-After: 3\r\n\r\n" * 8 + START + b"Content-Length: 2\r\n\r\nok", Response(200, b"ok", False), True),
    (b"HTTP/1.1 101 Up\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\0\0", Response(101, b"", False), False),
    (b"HTTP/1.1 101 Up\r\n\r\n", Response(101, b"", False), False),
    (START + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nok", Response(200, b"ok", False), True),
    (START + b"Content-Length: 100\r\n\r\n" + b"a" * 100, Response(200, b"a" * 100, False), True),
    (START + b"Content-Length: 101\r\n\r\n" + b"a" * 101, Response(200, b"a" * 100, True), True),
    (START + b"Content-Length: 1000\r\n\r\n" + b"a" * 1000, Response(200, b"a" * 100, True), True),
    (START + b"Content-Length: 1001\r\n\r\n" + b"a" * 1001, Response(200, b"a" * 100, True), False),
    (START + b"\r\n" + b"a" * 1001, Response(200, b"a" * 100, True), False),
]  # fmt: skip


@pytest.mark.parametrize(("data", "response", "reusable"), WHOLE)
def test_an_answer_means_the_same_in_whatever_pieces_it_comes(data: bytes, response: Response, reusable: bool) -> None:
    assert read_any_way(data) == (response, reusable)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html>",
        b"\0",
        b"\x16\x03\x01\x02\0\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        b"HTTP/3.7 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 -20 OK\r\n\r\n",
        b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        START + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        START + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        START + b"Content-Length: 2, 2\r\n\r\nok",
        START + b"Content-Length: -1\r\n\r\n",
        START + b"Content-Length: +2\r\n\r\nok",
        START + b"Content-Length: 0x2\r\n\r\nok",
        START + b"Content-Length: 2 2\r\n\r\nok",
        START + b"Content-Length:\r\n\r\nok",
        START + b"Content-Length: 99999999999999999999999\r\n\r\nok",
        START + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        START + b"a: b\r\n folded\r\n\r\n",
        START + b" folded: first\r\n\r\n",
        START + b"a : b\r\n\r\n",
        START + b"a\0: b\r\n\r\n",
        START + b"a: b\0\r\n\r\n",
        START + b"a: b\rc: d\r\n\r\n",
        START + b": b\r\n\r\n",
        START + b"no colon\r\n\r\n",
        START + b"\xff: b\r\n\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
        CHUNKED + b"g\r\n",
        CHUNKED + b"fffffffffffffffff\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"2\r\nokk\r\n0\r\n\r\n",
        CHUNKED + b"2\r\nok0\r\n\r\n",
        CHUNKED + b"0\r\na: b\0\r\n\r\n",
        CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 100 Go\r\n\r\n" * 9,
        b"HTTP/1.1 100 Go\r\n\r\nnothing",
    ],
)
def test_what_leaves_doubt_is_no_answer(data: bytes) -> None:
    assert read_any_way(data) == (MALFORMED, False)


@pytest.mark.parametrize("whole", [data for data, _, reusable in WHOLE if reusable])
def test_an_answer_that_is_cut_short_is_never_taken_for_a_whole_one(whole: bytes) -> None:
    for place in range(len(whole)):
        result, reusable = read([whole[:place]])
        assert (result in (UNANSWERED, INCOMPLETE), reusable) == (True, False), whole[:place]


@pytest.mark.parametrize("extra", [b"x", b"\0", START, b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"])
def test_what_comes_behind_an_answer_changes_nothing_of_it_and_ends_its_connection(extra: bytes) -> None:
    assert read_any_way(START + b"Content-Length: 2\r\n\r\nok" + extra)[0] == Response(200, b"ok", False)
    assert read([START + b"Content-Length: 2\r\n\r\nok" + extra])[1] is False


def test_headers_are_bounded_in_number_and_length() -> None:
    def head(*lines: bytes) -> bytes:
        return START + b"".join(line + b"\r\n" for line in (*lines, b"Content-Length: 0", b""))

    fine = Response(200, b"", False)
    assert read([head(*[b"x: y"] * (MAX_HEADERS - 1))])[0] == fine
    assert read([head(*[b"x: y"] * MAX_HEADERS)])[0] == MALFORMED
    assert read([head(b"x: " + b"y" * (MAX_LINE - 1))])[0] == fine
    assert read([head(b"x: " + b"y" * MAX_LINE)])[0] == MALFORMED
    assert read([head(b"x" * MAX_LINE + b": y")])[0] == MALFORMED
    assert read([head(*[b"x: " + b"y" * 1023] * 31)])[0] == fine
    assert read([head(*[b"x: " + b"y" * 1023] * 33)])[0] == MALFORMED
    assert read([CHUNKED + b"0\r\n" + b"x: y\r\n" * MAX_HEADERS + b"\r\n"])[0] == MALFORMED


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"", b"\r\n"),
        (b"HTTP/1.1 200 ", b"O"),
        (START + b"x: ", b"y"),
        (START + b"x: ", b" "),
        (START, b"x"),
        (CHUNKED + b"1;", b"x"),
        (CHUNKED, b"0"),
        (CHUNKED + b"0\r\nx: ", b"y"),
        (CHUNKED + b"0\r\n", b"x: y\r\n"),
        (START, b"x: y\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ],
)
def test_nothing_can_be_sent_for_ever_without_an_answer_coming_of_it(start: bytes, endless: bytes) -> None:
    answers = Answers(1000, 100)
    assert answers.feed(start) is None if start else True
    assert any(answers.feed(endless * 100) == MALFORMED for _ in range(2000))


def test_a_body_takes_no_more_memory_than_is_kept_of_it() -> None:
    answers = Answers(1_000_000, 100)
    answers.feed(CHUNKED)
    for _ in range(100_000):
        assert answers.feed(b"1\r\na\r\n") is None
    assert len(answers._body) == 100


@given(st.binary(max_size=300), st.data())
def test_no_bytes_at_all_break_the_reading(garbage: bytes, data: st.DataObject) -> None:
    start = data.draw(st.sampled_from([b"", b"HTTP/1.1 ", START, START + b"Content-Length: ", CHUNKED, CHUNKED + b"0\r\n"]))
    result, _ = read_any_way(start + garbage)
    assert isinstance(result, Response) or result in (MALFORMED, UNANSWERED, INCOMPLETE)


NAME = st.text("abcXYZ-09", min_size=1, max_size=10).filter(lambda name: name.lower() not in ("connection", "upgrade"))
VALUE = st.text('abc XYZ,;=\t"09', max_size=20)


@given(
    status=st.sampled_from([200, 201, 299, 400, 410, 503, 999]),
    headers=st.lists(st.tuples(NAME, VALUE), max_size=10),
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    framing=st.sampled_from(["length", "chunks", "end"]),
    cuts=st.lists(st.integers(0, 600), max_size=8),
)
def test_every_answer_that_is_written_by_the_rules_is_read_as_it_was_meant(
    status: int, headers: list[tuple[str, str]], chunks: list[bytes], framing: str, cuts: list[int]
) -> None:
    body = b"".join(chunks)
    lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers)]
    if framing == "length":
        lines.append(f"Content-Length: {len(body)}")
    elif framing == "chunks":
        lines.append("Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    data = "\r\n".join([*lines, "", ""]).encode() + body
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:stop] for start, stop in itertools.pairwise(places)]
    assert read(pieces, stored_limit=1000)[0] == Response(status, b"".join(chunks), False)


def test_what_is_between_the_bytes_of_a_body_is_bounded() -> None:
    fed = 0

    def chunks() -> Iterable[bytes]:
        nonlocal fed
        yield CHUNKED
        for _ in range(1000):
            chunk = b"1;" + b"x" * 60_000 + b"\r\na\r\n"
            fed += len(chunk)
            yield chunk

    assert read(chunks(), read_limit=65_536) == (MALFORMED, False)
    assert fed < 2_000_000


def test_a_body_in_chunks_of_a_byte_each_is_read_to_the_limit() -> None:
    heads = [b"HTTP/1.1 103 Hints\r\n" + b"a: b\r\n" * MAX_HEADERS + b"\r\n"] * 8
    pieces = itertools.chain(heads, [CHUNKED], itertools.repeat(b"1\r\na\r\n", 65_536), [b"0\r\n\r\n"])
    assert read(pieces, read_limit=65_536) == (Response(200, b"a" * 100, True), True)


def test_what_a_handshake_asks_for_is_noted_as_often_as_it_came() -> None:
    head = b"WebHook-Allowed-Origin: *\r\nwebhook-allowed-rate: 120\r\nWEBHOOK-ALLOWED-ORIGIN: hooks.example\r\nWebHook-Other: 1\r\n"
    result, _ = read_any_way(START + head + b"Content-Length: 0\r\n\r\n")
    consent = (("webhook-allowed-origin", "*"), ("webhook-allowed-rate", "120"), ("webhook-allowed-origin", "hooks.example"))
    assert result == Response(200, b"", False, None, consent)


def test_it_is_noted_of_the_answer_and_not_of_what_comes_before_or_after_it() -> None:
    early = b"HTTP/1.1 103 Early\r\nWebHook-Allowed-Origin: *\r\n\r\n"
    result, _ = read_any_way(early + CHUNKED + b"0\r\nWebHook-Allowed-Origin: *\r\n\r\n")
    assert result == Response(200, b"", False)


def test_an_answer_may_have_limits_of_its_own_and_the_next_one_has_not() -> None:
    answers = Answers(10, 5)
    whole = START + b"Content-Length: 8\r\n\r\n12345678"
    for most, kept in ((20, Response(200, b"12345678", False)), (None, Response(200, b"12345", True)), (4, Response(200, b"1234", True))):
        answers.expect(most)
        assert answers.feed(whole) == kept
