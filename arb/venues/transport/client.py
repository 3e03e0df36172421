"""Requests over aiohttp: for questions, which may take their time; orders have connections of their own (`direct.py`)."""

import asyncio

import aiohttp
import yarl

from arb.clock import Clock
from arb.venues.transport.http import (
    BODY_BYTES_MAX,
    CONNECTIONS_MAX,
    KEEPALIVE_S,
    AnswerLost,
    HttpAnswer,
    HttpRequest,
    NeverSent,
)


class SocketTransport:
    """Carry requests over real sockets, keeping connections warm; repeats nothing, follows no redirect."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        """Return the answer; raise `NeverSent` or `AnswerLost`."""
        session = self._open()
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=timeout_s)
        sent_ns = self._clock.wall_ns()
        try:
            async with session.request(
                request.method,
                yarl.URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body.encode() if request.body else None,
                timeout=timeout,
                allow_redirects=False,  # a redirect would carry key and signature to a stranger
            ) as response:
                body = await response.content.read(BODY_BYTES_MAX + 1)
                while len(body) <= BODY_BYTES_MAX and not response.content.at_eof():
                    body += await response.content.read(BODY_BYTES_MAX + 1 - len(body))
                received_ns = self._clock.wall_ns()
                if len(body) > BODY_BYTES_MAX:
                    raise AnswerLost(f"an answer of more than {BODY_BYTES_MAX} bytes")
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpAnswer(response.status, headers, body, sent_ns, received_ns)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # Raised only while the connection was being made: not a byte of the request can have left.
            raise NeverSent(_text(error)) from error
        except TimeoutError as error:
            raise AnswerLost(f"no answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AnswerLost(_text(error)) from error

    async def close(self) -> None:
        """Release sockets."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
            # aiohttp closes transports in callbacks of the loop's next turn.
            await asyncio.sleep(0)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=KEEPALIVE_S)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        return self._session


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
