"""Venues for the bench: send the frames that lie in a folder, as fast as they are read, over websockets.

Runs as a process of its own (`python -m proofs.bench.frame_server FOLDER [CERTIFICATE]`), so that it competes for no lock with
who is measured. The first line on stdout is the port; whoever asks for `/NAME` is sent what the file NAME holds by then, which
are frames as they go over the wire. It ends with its stdin.
"""

import base64
import hashlib
import re
import socket
import ssl
import sys
import threading
from pathlib import Path

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ASKED = re.compile(rb"GET /(\w+) ")
_KEY = re.compile(rb"(?i)\r\nsec-websocket-key: *([^\r\n]+)")


def on_wire(message: bytes) -> bytes:
    """Return a text message as a server sends it (RFC 6455 5.2), of at most 65,535 bytes."""
    size = len(message)
    return (bytes([0x81, size]) if size < 126 else bytes([0x81, 126]) + size.to_bytes(2, "big")) + message


def _serve(listener: socket.socket, folder: Path, tls: ssl.SSLContext | None) -> None:
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=_send, args=(plain, folder, tls), daemon=True).start()


def _send(plain: socket.socket, folder: Path, tls: ssl.SSLContext | None) -> None:
    with plain if tls is None else tls.wrap_socket(plain, server_side=True) as connection:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(4096)
        asked, key = _ASKED.match(head), _KEY.search(head)
        assert asked and key, head
        accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
        lines = b"HTTP/1.1 101 S", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + accept
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + (folder / asked[1].decode()).read_bytes())
        connection.recv(1)


def main() -> None:
    """Serve until stdin ends."""
    folder, *certificate = sys.argv[1:]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    if tls is not None:
        tls.load_cert_chain(certificate[0])
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threading.Thread(target=_serve, args=(listener, Path(folder), tls), daemon=True).start()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")  # the line that the bench waits for
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
