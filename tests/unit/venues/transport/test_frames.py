"""Frames of a websocket, cut anywhere: what is whole is handed over, what is forbidden refused, and all is bounded."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.venues.transport.frames import (
    BUFFER_BYTES,
    FRAME_BYTES_MAX,
    FRAMES_AT_ONCE,
    HOLLOW_BYTES,
    BadFrame,
    FrameReader,
    Opcode,
    masked_frame,
)


def frame(opcode: int, payload: bytes, *, final: bool = True, flags: int = 0) -> bytes:
    """Return a server's frame, written from RFC 6455, 5.2."""
    size = len(payload)
    first = (0x80 if final else 0) | flags | opcode
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


class Listener:
    """A reader, and all that it handed over."""

    def __init__(self) -> None:
        self.got: list[tuple[int, bytes]] = []
        self.reader = FrameReader(lambda raw: self.got.append((1, raw)), lambda code, raw: self.got.append((code, raw)))

    def receive(self, data: bytes) -> None:
        """Receive as a loop does: into the space that is offered, however small it is."""
        while data:
            space = self.reader.space()
            count = min(len(space), len(data))
            assert count
            space[:count] = data[:count]
            more = self.reader.take(count)
            while more:
                more = self.reader.take(0)
            data = data[count:]


def read(*parts: bytes) -> list[tuple[int, bytes]]:
    listener = Listener()
    for part in parts:
        listener.receive(part)
    return listener.got


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bytes((0x81, 0x80 | 1)) + b"maskx", "masked"),
        (frame(1, b"a", flags=0x40), "extension"),
        (frame(3, b"a"), "unknown kind 3"),
        (frame(9, b"a", final=False), "control frame"),
        (frame(9, b"a" * 126), "control frame"),
        (bytes((0x89, 126, 1, 0)), "control frame"),
        (bytes((0x89, 126)), "control frame"),
        (bytes((0x83, 127)), "unknown kind 3"),
        (bytes((0x81, 126, 0, 125)), "longer than need be"),
        (bytes((0x82, 127)) + (65535).to_bytes(8, "big"), "longer than need be"),
        (frame(1, b"\xff\xfe"), "no UTF-8"),
        (frame(1, b"\xe2\x82", final=False) + frame(0, b"x"), "no UTF-8"),
        (frame(8, b"\x03"), "close frame"),
        *(
            (frame(8, code.to_bytes(2, "big")), f"the code {code}")
            for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)
        ),
        (frame(8, (1000).to_bytes(2, "big") + b"\xff"), "no UTF-8"),
        (frame(0, b"a"), "without having begun"),
        (frame(1, b"a", final=False) + frame(1, b"b"), "within another"),
        (bytes((0x82, 127)) + (FRAME_BYTES_MAX + 1).to_bytes(8, "big"), "exceeds the limit"),
        (frame(1, b"a" * 600_000, final=False) + frame(0, b"a" * 600_000), "exceeds the limit"),
        (frame(1, b"", final=False) + frame(0, b"", final=False) * 20_000, "exceeds the limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_server_may_not_send_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(BadFrame, match=said):
        read(data)


def test_of_a_frame_that_is_too_long_only_the_head_is_read() -> None:
    listener = Listener()
    head = bytes((0x81, 127)) + (FRAME_BYTES_MAX + 1).to_bytes(8, "big")
    with pytest.raises(BadFrame) as caught:
        listener.receive(head)
    assert caught.value.code == 1009
    with pytest.raises(BadFrame) as caught:
        read(frame(1, b"\xff"))
    assert caught.value.code == 1007
    assert len(listener.reader.space()) <= BUFFER_BYTES


def test_the_longest_frame_is_handed_over() -> None:
    payload = bytes(FRAME_BYTES_MAX)
    assert read(frame(2, payload), frame(1, b"after")) == [(1, payload), (1, b"after")]


def test_after_a_close_frame_nothing_is_handed_over() -> None:
    closed = frame(8, (1000).to_bytes(2, "big") + "bis später".encode())
    assert read(frame(1, b"before"), closed + frame(1, b"after") + frame(9, b""), frame(1, b"later"))[1:] == [
        (Opcode.CLOSE, closed[2:])
    ]


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1011, 1012, 1014, 3000, 4999])
def test_a_close_frame_may_carry_each_code_that_is_registered(code: int) -> None:
    assert read(frame(8, code.to_bytes(2, "big"))) == [(Opcode.CLOSE, code.to_bytes(2, "big"))]


def test_one_call_reads_a_bounded_number_of_frames() -> None:
    listener = Listener()
    data = frame(1, b"x" * HOLLOW_BYTES) * (3 * FRAMES_AT_ONCE)
    listener.reader.space()[: len(data)] = data
    handed = [0]
    while listener.reader.take(len(data) if len(handed) == 1 else 0):
        handed.append(len(listener.got))
    assert handed == [0, FRAMES_AT_ONCE, 2 * FRAMES_AT_ONCE] and len(listener.got) == 3 * FRAMES_AT_ONCE
    assert not listener.reader.hollow


def test_frames_that_carry_nothing_are_counted() -> None:
    listener = Listener()
    listener.receive(frame(9, b"") + frame(10, b"") + frame(1, b"{}") + frame(1, b"x", final=False) + frame(0, b"y"))
    assert listener.reader.hollow == 4


def test_pings_between_the_parts_of_a_message_are_handed_over_at_once() -> None:
    parts = frame(1, b"one ", final=False) + frame(9, b"there?") + frame(0, b"two ", final=False) + frame(0, b"three")
    assert read(parts) == [(Opcode.PING, b"there?"), (1, b"one two three")]


messages = st.lists(
    st.tuples(st.sampled_from([2, 9, 10]), st.binary(max_size=125) | st.binary(min_size=126, max_size=70_000)),
    max_size=12,
).map(lambda found: [(code, raw if code < 8 else raw[:125]) for code, raw in found])


@given(messages, st.lists(st.integers(1, 70_000), max_size=30))
def test_however_the_bytes_are_cut_the_same_is_handed_over(
    sent: Sequence[tuple[int, bytes]], cuts: Sequence[int]
) -> None:
    data = b"".join(frame(code, raw) for code, raw in sent)
    listener, place = Listener(), 0
    for cut in cuts:
        listener.receive(data[place : place + cut])
        place += cut
    listener.receive(data[place:])
    assert listener.got == [(1 if code < 8 else code, raw) for code, raw in sent]
    assert not listener.reader.held


@given(st.binary(max_size=3000), st.integers(1, 50))
def test_whatever_comes_it_is_read_or_refused(data: bytes, step: int) -> None:
    listener = Listener()
    try:
        for place in range(0, len(data), step):
            listener.receive(data[place : place + step])
    except BadFrame:
        return
    assert sum(len(raw) for _, raw in listener.got) <= len(data)


@given(st.binary(max_size=70_000), st.binary(min_size=4, max_size=4))
def test_what_we_send_reads_as_it_was_once_the_mask_is_off(payload: bytes, key: bytes) -> None:
    sent = masked_frame(Opcode.TEXT, payload, key)
    body = sent[len(sent) - len(payload) :]
    unmasked = bytes(byte ^ key[place % 4] for place, byte in enumerate(body))
    assert unmasked == payload
    head = sent[: len(sent) - len(payload) - 4]
    assert head[0] == 0x81 and head[1] & 0x80
    assert frame(1, payload) == bytes((head[0], head[1] & 0x7F)) + head[2:] + payload
