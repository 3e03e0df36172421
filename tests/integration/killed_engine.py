"""An engine that kills itself with SIGKILL inside a chosen window: `python killed_engine.py WINDOW CONFIG DB ADMIN_URL`.

It is the engine of `arb run`, with something around its gateways that watches orders leave and answers come. Windows:
`journalled` (an order is written down and not sent), `sent` (sent and not answered), `one_leg` (one leg of a pair filled, the
other not answered), `repair` (a hedge or unwind sent and not answered). The first orders are left alone.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, cast

from arb.app.run import Run
from arb.config import Mode, RunOptions, load_settings
from arb.core.commands import PlaceOrder
from arb.core.events import AnyEvent, OrderFilled, OrderRejected
from arb.market.client_id import decode
from arb.market.order import Role
from arb.venues.base import Departure, EventListener, OrderGateway, PlaceAnswer

LEFT_ALONE = 6
ON_ITS_WAY_S = 0.005
"""Long enough for a request to be in the socket, shorter than the sandbox's venues take to answer."""


class Killer:
    """Knows the orders under way at all venues, and when to end it all."""

    def __init__(self, window: str) -> None:
        self.window = window
        self.placed = 0
        self.unanswered: dict[str, PlaceOrder] = {}

    def before(self, command: PlaceOrder) -> None:
        """Note that an order is about to leave."""
        self.placed += 1
        self.unanswered[command.client_order_id] = command
        if self.window == "journalled" and self.placed > LEFT_ALONE:
            self._kill()

    def sent(self, command: PlaceOrder) -> None:
        """Note that an order has been on its way for a while."""
        is_repair = command.role in (Role.HEDGE, Role.UNWIND)
        wanted = is_repair if self.window == "repair" else self.window == "sent"
        if wanted and self.placed > LEFT_ALONE and command.client_order_id in self.unanswered:
            self._kill()

    def answered(self, command: PlaceOrder) -> None:
        """Note that the venue has answered."""
        self.unanswered.pop(command.client_order_id, None)

    def heard(self, event: AnyEvent) -> None:
        """Look at what the private streams say."""
        if self.window != "one_leg" or self.placed <= LEFT_ALONE or not isinstance(event, OrderFilled):
            return
        own = decode(event.fill.client_order_id or "")
        if own is None:
            return
        for name in self.unanswered:
            other = decode(name)
            if other is not None and other.pair_number == own.pair_number and other.leg != own.leg:
                self._kill()

    def _kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class WatchedGateway:
    """A gateway that tells the killer which orders leave and what is heard; all else is the inner one's."""

    def __init__(self, inner: OrderGateway, killer: Killer) -> None:
        self._inner = inner
        self._killer = killer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """Place a repair, watched."""
        return await self._leave(command, partial(self._inner.place, command))

    def prepare(self, command: PlaceOrder) -> Departure | OrderRejected:
        """Make an entry ready to leave, watched."""
        departure = self._inner.prepare(command)
        return departure if isinstance(departure, OrderRejected) else partial(self._leave, command, departure)

    def _leave(self, command: PlaceOrder, departure: Departure) -> Coroutine[Any, Any, PlaceAnswer]:
        self._killer.before(command)
        return self._followed(command, departure())

    async def _followed(self, command: PlaceOrder, answer: Coroutine[Any, Any, PlaceAnswer]) -> PlaceAnswer:
        watch = asyncio.get_running_loop().call_later(ON_ITS_WAY_S, self._killer.sent, command)
        try:
            return await answer
        finally:
            watch.cancel()
            self._killer.answered(command)

    async def run_private(self, listener: EventListener) -> None:
        """Hand over what the private stream says, after a look at it."""

        def watched(event: AnyEvent) -> None:
            self._killer.heard(event)
            listener(event)

        await self._inner.run_private(watched)


def main(window: str, config: str, db: str, admin: str) -> None:
    """Run the engine until the window opens."""
    killer = Killer(window)

    def watched(inner: OrderGateway) -> OrderGateway:
        return cast(OrderGateway, WatchedGateway(inner, killer))

    options = RunOptions(mode=Mode.SANDBOX, db=db, sandbox=admin)
    run = Run(load_settings(Path(config)), options, live_view=False, wrap=watched)
    asyncio.run(run.main())


if __name__ == "__main__":
    main(*sys.argv[1:])
