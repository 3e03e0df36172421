"""Requests as bytes, and answers from bytes: however they are cut, and whatever is wrong with them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.venues.transport.address import Origin, origin_of
from arb.venues.transport.http import HEAD_BYTES_MAX, AnswerReader, BadAnswer
from arb.venues.transport.request import HttpRequest, render

SIZED = b"HTTP/1.1 201 Created\r\nX-Trace: 5\r\nContent-Length: 11\r\n\r\n" + b'{"ok":true}'
CHUNKED = (
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n4\r\n{"ok\r\n7;note=x\r\n":true}\r\n0\r\nX-Sum: 1\r\n\r\n'
)
CLOSED = b'HTTP/1.0 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n{"ok":true}'
HINTED = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + SIZED


def read(data: bytes, *cuts: int, body_bytes_max: int = 1000, ends: bool = False) -> AnswerReader:
    """Feed `data`, cut at `cuts`; the answer must be whole by then, and not before."""
    reader = AnswerReader(body_bytes_max)
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    whole = [reader.feed(piece) for piece in pieces]
    if ends:
        reader.end()
    else:
        assert whole[-1], "the answer is not whole"
    return reader


# What is refused.


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"not http at all\r\n\r\n", "no HTTP answer"),
        (b"<html>", "no HTTP answer"),
        (b"HTTP/2 200\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "no status line"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "no status line"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no status line"),
        (b"HTTP/1.1 200OK\r\n\r\n", "no status line"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "no status line"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "status 101"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "status 100"),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}", "no header"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n folded\r\n\r\n{}", "no header"),
        (b"HTTP/1.1 200 OK\r\nA: 1\nB: 2\r\n\r\n", "no header"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "no header"),
        (b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", "no header"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", "content length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n{}", "content length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n{}", "content length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "stated twice"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", "unclear where"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "unclear where"),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "unclear where"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "not asked for"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "chunk size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}}}", "longer than stated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000, "a line of more"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", "more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, "more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: 1234\r\n" * 10_000, "trailers"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n", "no header"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * HEAD_BYTES_MAX, "a head of more"),
    ],
)
def test_what_is_not_exactly_an_answer_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(BadAnswer, match=why):
        AnswerReader(1000).feed(data)


@pytest.mark.parametrize("data", [SIZED, CHUNKED, HINTED])
def test_an_answer_that_ends_early_anywhere_is_no_answer(data: bytes) -> None:
    for end in range(len(data)):
        reader = AnswerReader()
        assert not reader.feed(data[:end])
        with pytest.raises(BadAnswer, match="no answer arrived" if end == 0 else "in the middle"):
            reader.end()


@pytest.mark.thorough
@given(st.binary(max_size=300), st.integers(0, 300))
def test_garbage_is_refused_or_waited_for_and_nothing_else_ever_happens(junk: bytes, keep: int) -> None:
    reader = AnswerReader(1000)
    try:
        reader.feed(CHUNKED[:keep] + junk)
    except BadAnswer:
        return
    assert len(reader.body) <= 1000


# What is understood.


@pytest.mark.parametrize(("data", "ends"), [(SIZED, False), (CHUNKED, False), (CLOSED, True), (HINTED, False)])
def test_an_answer_is_the_same_however_its_bytes_are_cut(data: bytes, ends: bool) -> None:
    at_once = read(data, ends=ends)
    assert at_once.body == b'{"ok":true}'
    for cut in range(len(data) + 1):
        reader = read(data, cut, ends=ends)
        assert (reader.status, reader.headers, reader.body) == (at_once.status, at_once.headers, at_once.body)
    reader = read(data, *range(len(data)), ends=ends)
    assert reader.body == at_once.body


def test_headers_come_in_lower_case_and_repeated_ones_are_joined() -> None:
    reader = read(b"HTTP/1.1 200 OK\r\nContent-Length:0\r\nX-A: 1\r\nx-a:\t2 \r\n\r\n")

    assert reader.headers == {"content-length": "0", "x-a": "1, 2"}


def test_a_status_without_a_body_needs_no_length() -> None:
    assert read(b"HTTP/1.1 204 No Content\r\n\r\n").reusable


@pytest.mark.parametrize(
    ("data", "ends", "reusable"),
    [
        (SIZED, False, True),
        (CHUNKED, False, True),
        (CLOSED, True, False),
        (SIZED + b"HTTP/1.1 200 OK\r\n", False, False),
        (SIZED.replace(b"X-Trace: 5", b"Connection: keep-alive, Close"), False, False),
        (SIZED.replace(b"HTTP/1.1", b"HTTP/1.0"), False, False),
    ],
)
def test_a_connection_is_used_again_only_after_a_whole_answer_with_nothing_behind_it(
    data: bytes, ends: bool, reusable: bool
) -> None:
    assert read(data, ends=ends).reusable is reusable


# Requests.


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest("POST", "http://venue/x", {"A": "1\r\nB: 2"}),
        HttpRequest("POST", "http://venue/x", {"A\n": "1"}),
        HttpRequest("POST", "http://venue/x\r\nX: 1", {}),
        HttpRequest("POST", "http://venue/x y", {}),
        HttpRequest("POST", "http://venue/x#y", {}),
        HttpRequest("POST", "http://venue/\u00e4", {}),
        HttpRequest("POST", "http://user@venue/x", {}),
        HttpRequest("POST", "http://venue?x", {}),
        HttpRequest("POST", "http://venue:99999/x", {}),
        HttpRequest("POST", "ftp://venue/x", {}),
        HttpRequest("post", "http://venue/x", {}),
    ],
)
def test_what_cannot_be_sent_as_it_stands_is_not_sent(request_: HttpRequest) -> None:
    with pytest.raises(ValueError):
        render(request_)


def test_url_headers_and_body_leave_exactly_as_they_were_signed() -> None:
    outgoing = render(HttpRequest("POST", "https://venue:8443/a%2Cb?x=1%2C2", {"KEY": "k"}, '{"a":"\u20ac"}'))

    assert outgoing.origin == Origin("venue", 8443, True, "venue:8443")
    head, _, body = outgoing.data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /a%2Cb?x=1%2C2 HTTP/1.1"
    assert {b"Host: venue:8443", b"KEY: k", b"Accept-Encoding: identity", b"Content-Length: 11"} <= set(lines)
    assert body == '{"a":"\u20ac"}'.encode()


def test_a_write_without_a_body_says_so() -> None:
    assert b"\r\nContent-Length: 0\r\n" in render(HttpRequest("DELETE", "http://venue/x", {})).data


def test_an_address_may_be_ipv6_and_has_its_schemes_port() -> None:
    assert origin_of("https", "[::1]") == Origin("::1", 443, True, "[::1]")
    assert origin_of("http", "venue").port == 80
