"""What was noted outside a client is read as what its ticks led to; packets and the relay's own notes alike."""

import socket
import struct

import pytest

from proofs.bench.packets import packets_in
from proofs.bench.tick_to_trade import led_to
from proofs.bench.wire_relay import Noted, WireRelay, note

GATE, OKX = "/api/v4/spot/orders", "/api/v5/trade/order"
MS = 1_000_000


@pytest.mark.parametrize(
    ("ticks", "orders", "found"),
    [
        ([10], [(12, GATE), (15, OKX)], (2, 3)),
        ([10], [(12, OKX), (15, GATE)], (2, 3)),
        ([10, 14], [(12, GATE), (15, OKX)], (2, 3)),  # the orders move the book, which is no tick of theirs
        ([10], [(12, GATE), (13, GATE), (15, OKX)], (2, 3)),
        ([10], [(12, GATE), (12, OKX)], (2, 1)),
        ([10], [(5, GATE), (6, OKX)], None),
        ([10], [(12, GATE)], None),
        ([], [(12, GATE), (15, OKX)], None),
        ([10], [(12, GATE), (12 + 300 * MS, OKX)], (2, 300 * MS)),  # a slow answer is an answer
    ],
)
def test_a_tick_leads_to_the_first_order_and_the_next_at_the_other_venue(
    ticks: list[int], orders: list[tuple[int, str]], found: tuple[int, int] | None
) -> None:
    assert led_to(Noted(ticks, orders)) == found


def test_only_ticks_and_order_requests_are_noted() -> None:
    noted = Noted([], [])
    note(noted, 1, b"HTTP/1.1 200 OK\r\n\r\n60400", b"60400", down=True)
    note(noted, 2, b"\x81\x05hello", b"60400", down=True)
    note(noted, 3, b"\x81\x0560400", b"60400", down=True)
    note(noted, 4, b"GET /api/v4/spot/orders HTTP/1.1\r\n", b"60400", down=False)
    note(noted, 5, f"POST {GATE} HTTP/1.1\r\n".encode(), b"60400", down=False)
    assert noted == Noted([3], [(5, GATE)])


@pytest.mark.parametrize(("magic", "fraction_ns"), [(0xA1B23C4D, 1), (0xA1B2C3D4, 1000)])
def test_a_capture_is_read_packet_by_packet_without_its_torn_end(magic: int, fraction_ns: int) -> None:
    def packet(seconds: int, fraction: int, data: bytes) -> bytes:
        tcp = struct.pack(">HHIIBBHHH", 1234, 80, 0, 0, 8 << 4, 0, 0, 0, 0) + bytes(12) + data
        ip = bytes((0x45,)) + bytes(19) + tcp
        raw = bytes(14) + ip
        return struct.pack("<IIII", seconds, fraction, len(raw), len(raw)) + raw

    head = struct.pack("<IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    whole = head + packet(1, 5, b"") + packet(2, 7, b"order") + packet(3, 9, b"torn")
    found = list(packets_in(whole[:-70]))
    assert [(p.at_ns, p.source, p.target, p.data) for p in found] == [
        (2_000_000_000 + 7 * fraction_ns, 1234, 80, b"order")
    ]


def test_the_relay_passes_on_what_it_notes_with_its_own_port_for_the_venues() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        relay = WireRelay(port, b"60400")
        assert len(str(relay.port)) == len(str(port))
        with socket.create_connection(("127.0.0.1", relay.port)) as client:
            venue, _ = listener.accept()
            with venue:
                client.sendall(f"POST {GATE} HTTP/1.1\r\n\r\n".encode())
                assert venue.recv(4096).startswith(b"POST ")
                venue.sendall(f"60400 at 127.0.0.1:{port}".encode())
                assert client.recv(4096) == f"60400 at 127.0.0.1:{relay.port}".encode()
        ticks, orders = relay.take()
    assert len(ticks) == 1 and [path for _, path in orders] == [GATE]
    assert relay.take() == Noted([], [])
