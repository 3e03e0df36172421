"""A real browser without a window, for pages of ours: Chromium from the system's packages, spoken to over its debugging socket.

It reaches nothing: names resolve to nowhere, and a page is given as a file or as an address of this machine.
"""

import asyncio
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
START_S = 60


class Page:
    """One page of the browser: its size, its script, its pointer, and what it complained of."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        """What the browser wrote into its log and its console: a script's error, something that the page's policy forbids."""

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser and return its answer; what it says meanwhile is noted."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            said = await self._socket.receive_json()
            if said.get("id") == number:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result
            if said["method"] in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                self.complaints.append(str(said["params"]))

    async def open(self, address: str, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Open an address in a window of so many pixels, and wait until it has loaded."""
        for domain in ("Page", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])
        await self.ask("Page.navigate", url=address)
        loaded = "new Promise(done => document.readyState === 'complete' ? done(1) : addEventListener('load', () => done(1)))"
        while not (await self.run(f"location.href !== 'about:blank' && {loaded}")):
            pass

    async def run(self, script: str) -> Any:
        """Run an expression in the page and return its value, a promise's once it is kept."""
        answer = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def pointer(self, kind: str, x: float, y: float, *, clicks: int = 1) -> None:
        """Let the pointer do something (`mouseMoved`, `mousePressed`, `mouseReleased`) at a place of the window."""
        held = {"button": "left", "clickCount": clicks} if kind != "mouseMoved" else {}
        await self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)


@contextlib.asynccontextmanager
async def a_page(folder: Path) -> AsyncIterator[Page]:
    """Start a browser with its own profile in `folder`, give its page, and end it."""
    assert CHROMIUM is not None
    profile = folder / "profile"
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
        *("--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-port=0"),
        *(f"--user-data-dir={profile}", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    readers: list[asyncio.Task[bytes]] = []
    try:
        async with asyncio.timeout(START_S):
            while b"DevTools listening on " not in (line := await process.stderr.readline()):
                assert line, "the browser ended at its start"
        readers.append(asyncio.create_task(process.stderr.read()))  # what nobody reads would stop it one day
        browser = line.decode().split()[-1].replace("ws://", "http://").partition("/devtools")[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{browser}/json") as answer:
                target = next(each for each in await answer.json() if each["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.gather(process.wait(), *readers)
