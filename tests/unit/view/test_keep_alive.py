"""Signs of life to a service manager: each is a turn of the loop, so a loop that hangs gives none."""

import asyncio
import socket
import threading
from pathlib import Path

from arb.process import ServiceManager
from arb.view.view import keep_alive


def received(listening: socket.socket) -> list[bytes]:
    found = []
    try:
        while True:
            found.append(listening.recv(100))
    except BlockingIOError:
        return found


def test_a_loop_that_does_not_turn_gives_no_sign_of_life(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000"})

        async def main() -> None:
            alive = asyncio.create_task(keep_alive(manager))
            while len(received(listening)) < 2:  # noqa: ASYNC110 - a socket, which sets no event
                await asyncio.sleep(3 * manager.beat_s)
            threading.Event().wait(10 * manager.beat_s)  # the loop hangs
            assert received(listening) == []
            while not received(listening):  # noqa: ASYNC110 - the same
                await asyncio.sleep(manager.beat_s)
            alive.cancel()

        asyncio.run(main())
