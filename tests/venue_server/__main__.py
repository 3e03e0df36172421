"""A local server in the role of the public side of five venues: `python -m tests.venue_server --symbols 300`.

Written from the venues' documents and from recorded frames, apart from the sandbox and from the adapters: it imports nothing
of arb, so that it cannot share a misconception with either. Its first line of output is JSON with the addresses. Books are
made up from a seed, in the shape of recorded frames; what goes wrong is asked for at the control address (`server`), or
drawn from the seed with `--schedule mixed`.
"""

import argparse
import asyncio
import json
import signal
import sys
import time

from tests.venue_server.listing import SYMBOLS_MAX
from tests.venue_server.server import World, serving
from tests.venue_server.venue import Clock

MIXED_EVERY_S = 10.0


async def _main(arguments: argparse.Namespace) -> None:
    world = World(
        arguments.symbols,
        arguments.seed,
        arguments.rate,
        Clock(lambda: time.time_ns() // 10**6, time.monotonic),
        gate_eu=arguments.gate_eu,
    )
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    if arguments.child:
        await asyncio.get_running_loop().connect_read_pipe(lambda: _UntilClosed(ended), sys.stdin)
    every_s = MIXED_EVERY_S if arguments.schedule == "mixed" else 0.0
    async with serving(world, arguments.port, every_s) as addresses:
        sys.stdout.write(json.dumps(addresses) + "\n")
        sys.stdout.flush()
        await ended.wait()


class _UntilClosed(asyncio.Protocol):
    """Ends the server when whoever started it closes its stdin, or dies."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._ended.set()


def _symbols(text: str) -> int:
    count = int(text)
    if not 1 <= count <= SYMBOLS_MAX:
        raise argparse.ArgumentTypeError(f"{count}: give 1 to {SYMBOLS_MAX}")
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.venue_server", description=__doc__)
    parser.add_argument(
        "--symbols", type=_symbols, default=8, help=f"how many are listed at all venues, 1 to {SYMBOLS_MAX}"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        help="of the control address, the venues take the next five; 0: any that are free",
    )
    parser.add_argument(
        "--rate", type=float, default=2.0, help="changes a second and book; 0: books move only by POST /step"
    )
    parser.add_argument(
        "--schedule", choices=["none", "mixed"], default="none", help="mixed: something goes wrong every 10 s"
    )
    parser.add_argument("--gate-eu", action="store_true", help="let Gate be its EU entity")
    parser.add_argument("--child", action="store_true", help="end when stdin is closed")
    asyncio.run(_main(parser.parse_args()))
