"""A real SOCKS5 proxy on loopback: it knows names that no resolver knows, wants a login if told to, and can misbehave."""

import asyncio
from collections.abc import Sequence

from tests.integration.connect_proxy import ConnectProxy


class SocksProxy(ConnectProxy):
    """Leads every name to `port` of this machine. `login`: USER:PASSWORD, which it wants; `replies`: what it says instead, each
    after something has come, before it closes. `asked`: each HOST:PORT that it was asked for."""

    def __init__(self, port: int, *, login: str = "", replies: Sequence[bytes] | None = None) -> None:
        super().__init__(port, login=login)
        self._replies = replies

    @property
    def url(self) -> str:
        return f"socks5://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._replies is not None:
            for reply in self._replies:
                await reader.read(600)
                writer.write(reply)
                await writer.drain()
            return
        version, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        wanted = 2 if self._login else 0
        assert version == 5
        if wanted not in offered:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes((5, wanted)))
        if wanted:
            assert await reader.readexactly(1) == b"\x01"
            user = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            right = f"{user.decode()}:{password.decode()}" == self._login
            writer.write(bytes((1, not right)))
            if not right:
                return
        assert await reader.readexactly(3) == b"\x05\x01\x00"
        kind = (await reader.readexactly(1))[0]
        length = (await reader.readexactly(1))[0] if kind == 3 else {1: 4, 4: 16}[kind]
        host = (await reader.readexactly(length)).decode() if kind == 3 else f"address of kind {kind}"
        self.asked.append(f"{host}:{int.from_bytes(await reader.readexactly(2), 'big')}")
        await self._lead(reader, writer, b"\x05\x00\x00\x03\x04name\x00\x50")
