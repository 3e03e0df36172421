"""A venue in a process of its own that floods whoever connects; prints its port. The flood's name is the argument."""

import asyncio
import base64
import hashlib
import sys

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def _text(payload: bytes) -> bytes:
    return bytes((0x81, len(payload))) + payload


FRAMES = {
    "empty pings": b"\x89\x00",
    "full pings": b"\x89\x7d" + b"p" * 125,
    "pongs": b"\x8a\x00",
    "{} texts": _text(b"{}"),
    "empty texts": _text(b""),
    "unreadable texts": _text(b"x" * 60),
    "texts of another channel": _text(b'{"time":1,"channel":"spot.other","event":"update","result":{}}'),
    "refusals": _text(b'{"time":1,"channel":"spot.obu","event":"subscribe","error":{"code":2}}'),
    "fragments of one byte": b"\x01\x01x" + b"\x00\x01x" * 9 + b"\x80\x01x",
    "close frames": b"\x88\x02\x03\xe8",
}
ANSWERS = {
    "tiny chunks": (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "small chunks": (b"Transfer-Encoding: chunked\r\n\r\n", b"8\r\nxxxxxxxx\r\n"),
    "repeated headers": (b"", b"a:\r\n"),
    "trailers": (b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a:\r\n"),
    "1xx answers": (b"Content-Length: 0\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
FLOOD_BYTES = 4 << 20


async def _served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    name = sys.argv[1]
    if name in FRAMES:
        (key,) = [line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")]
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        begin = (
            b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept
            + b"\r\n\r\n"
        )
        unit = FRAMES[name]
    else:
        rest, unit = ANSWERS[name]
        begin = (unit * 3 if name == "1xx answers" else b"") + b"HTTP/1.1 200 OK\r\n" + rest
    try:
        writer.write(begin + unit * (FLOOD_BYTES // len(unit)))
        await writer.drain()
        while await reader.read(1 << 16):
            pass
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_served, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
