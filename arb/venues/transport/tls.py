"""TLS with a venue: the trusted certificates, for orders, reads and websockets alike, and the unread bytes of a
connection.

A certificate proves the names of its subjectAltName; the common name proves nothing (RFC 9110, 4.3.4).
"""

import os
import ssl
from functools import cache
from typing import Any

_HEAD_BYTES = 5
"""The head of a TLS record; its last two bytes are the length of the rest (RFC 8446, 5.1)."""


def client_context(*, whole_records: bool = False) -> ssl.SSLContext:
    """Return a context that trusts the system's certificates, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.

    Reading them takes tens of milliseconds, so that all connections of a kind share one.
    """
    return _made(whole_records, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _made(whole_records: bool, file: str | None, folder: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.hostname_checks_common_name = False
    if whole_records:
        context.sslobject_class = WholeRecords
    return context


class WholeRecords(ssl.SSLObject):
    """TLS that is given whole records only, so that it knows whether a part of one has arrived (`torn`).

    Python cannot ask OpenSSL that: it takes a part of a record into its own buffer, and `pending` counts only decrypted
    bytes. Set as `sslobject_class` of a context.
    """

    _arriving: ssl.MemoryBIO
    _whole: ssl.MemoryBIO
    _part: bytes

    @classmethod
    def _create(cls, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **given: Any) -> "WholeRecords":
        whole = ssl.MemoryBIO()
        made: WholeRecords = super()._create(whole, outgoing, **given)  # type: ignore[misc]
        made._arriving, made._whole, made._part = incoming, whole, b""
        return made

    @property
    def torn(self) -> bool:
        """Return whether a part of a record has arrived, and not the rest."""
        return bool(self._part) or bool(self._arriving.pending)

    def do_handshake(self) -> None:
        self._pass_on()
        super().do_handshake()

    def read(self, *given: Any) -> Any:
        self._pass_on()
        return super().read(*given)

    def unwrap(self) -> None:
        self._pass_on()
        super().unwrap()

    def _pass_on(self) -> None:
        if self._arriving.pending:
            data, place = self._part + self._arriving.read(), 0
            while len(data) - place >= _HEAD_BYTES:
                stop = place + _HEAD_BYTES + int.from_bytes(data[place + 3 : place + _HEAD_BYTES], "big")
                if stop > len(data):
                    break
                place = stop
            self._whole.write(data[:place])
            self._part = data[place:]
        if self._arriving.eof and not self._whole.eof:
            self._whole.write_eof()
