"""A private stream: a connection that is kept up around a `PrivateDialect`, and emits `PrivateUp` and `PrivateDown`.

The stream counts as up from the moment the venue has confirmed the last subscription. A frame that cannot be read ends
the connection: something may have been missed, and `PrivateDown` makes the engine query. One about a symbol that we do not know
does not: it is reported once.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

from arb.clock import Clock
from arb.core.messages.events import PrivateDown, PrivateUp, TroubleReported
from arb.core.messages.incidents import IncidentKind
from arb.venues.kit.base import EventListener
from arb.venues.kit.fields import ThrottledWarning, UnknownSymbol
from arb.venues.kit.private_dialect import PrivateDialect
from arb.venues.transport.address import Address, ConnectionTiming
from arb.venues.transport.connection import StreamConnection
from arb.venues.transport.frames import PerSecond
from arb.venues.transport.network import Network

_LOG = logging.getLogger(__name__)
FOREIGN_MAX = 100
USELESS_PER_S = 1000
"""How many frames that report nothing a venue may send in a second: those of others who trade on the account, too."""


class PrivateStream:
    """One account's private stream. `offset_ns` returns venue time minus ours, for the signatures."""

    def __init__(
        self,
        address: Address,
        dialect: PrivateDialect,
        *,
        clock: Clock,
        rng: random.Random,
        offset_ns: Callable[[], int],
        timing: ConnectionTiming | None = None,
        network: Network | None = None,
    ) -> None:
        self._dialect = dialect
        self._clock = clock
        self._offset_ns = offset_ns
        self._up = False
        self._listener: EventListener | None = None
        self._foreign: set[str] = set()
        self._unread = ThrottledWarning(_LOG)
        self._useless = PerSecond(USELESS_PER_S)
        self._connection = StreamConnection(
            address,
            clock=clock,
            rng=rng,
            greetings=lambda: dialect.greetings(self._venue_ns()),
            on_frame=self._on_frame,
            on_down=self._on_down,
            ping=lambda: dialect.ping(self._venue_ns()),
            timing=timing,
            network=network,
        )

    async def run(self, listener: EventListener) -> None:
        self._listener = listener
        await self._connection.run()

    def unread(self) -> bool:
        return self._connection.unread()

    def _on_frame(self, received_ns: int, raw: bytes) -> None:
        listener = self._listener
        if listener is None:
            return
        frame = self._dialect.on_frame(received_ns, self._venue_ns(), raw)
        if not frame.events:
            self._connection.bound(self._useless)
        for event in frame.events:
            listener(event)
        for text in frame.send:
            self._connection.send(text)
        if frame.ready and not self._up:
            self._up = True
            listener(PrivateUp(venue=self._dialect.venue))
        for unknown in frame.foreign:
            self._report_once(unknown, listener)
        if frame.errors:
            self._unread.warn(str(frame.errors[0]))
            self._connection.drop(str(frame.errors[0]))
        elif frame.refused is not None:
            self._connection.drop(f"refused: {frame.refused}")
        elif frame.closing:
            self._connection.renew("the venue announced that it closes the connection")

    def _report_once(self, unknown: UnknownSymbol, listener: EventListener) -> None:
        """Report an unknown symbol, the first time: its trades show only in the balances."""
        if unknown.native in self._foreign or len(self._foreign) >= FOREIGN_MAX:
            return
        self._foreign.add(unknown.native)
        text = f"{unknown}: a foreign order or fill is passed over, and shows only in the balances"
        listener(TroubleReported(kind=IncidentKind.UNKNOWN_SYMBOL, text=text))

    def _on_down(self, cause: str) -> None:
        # Emitted for failed attempts too: a caller that waits for the stream should know the reason.
        if self._up:
            _LOG.warning("%s: the private stream ended: %s", self._dialect.venue, cause)
        self._up = False
        if self._listener is not None:
            self._listener(PrivateDown(venue=self._dialect.venue, cause=cause))

    def _venue_ns(self) -> int:
        return self._clock.wall_ns() + self._offset_ns()


async def side_by_side(*streams: Coroutine[Any, Any, None]) -> None:
    """Run streams until cancelled; where one of them breaks the others end too, so that all may be run again."""
    tasks = [asyncio.create_task(stream) for stream in streams]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
