"""A real browser without a window, steered through its DevTools protocol: Chromium, where the machine has one.

It reaches nothing but this machine: names resolve to nowhere.
"""

import asyncio
import base64
import contextlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank",
)  # fmt: skip


class Tab:
    """One page in the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.requested: list[str] = []
        self.errors: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask one thing of the protocol, and return its answer."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            message = json.loads((await self._socket.receive(timeout=90)).data)
            if message.get("id") == self._number:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']}")
                answer: dict[str, Any] = message["result"]
                return answer
            self._noted(message)

    def _noted(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(params["exceptionDetails"])[:600])
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    async def run(self, script: str) -> Any:
        """Return what a script gives, promises resolved."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise AssertionError(json.dumps(found["exceptionDetails"])[:800])
        return found["result"].get("value")

    async def until(self, script: str, within_s: float = 60.0) -> Any:
        """Wait until a script gives something true, and return it."""
        wait = f"""new Promise((done, fail) => {{
            const end = performance.now() + {within_s * 1000};
            const look = () => {{ const found = (() => {{ try {{ return {script}; }} catch {{ return null; }} }})();
                if (found) done(found); else if (performance.now() > end) fail("waited in vain"); else setTimeout(look, 10); }};
            look(); }})"""
        try:
            return await self.run(wait)
        except AssertionError as error:
            text = await self.run("document.body.innerText.slice(0, 600)")
            raise AssertionError(f"waited in vain for {script}: {text!r} {self.errors} {error}") from None

    async def open(self, url: str) -> None:
        """Go to an address."""
        await self.call("Page.navigate", url=url)

    async def size(self, width: int, *, dark: bool = False, height: int = 900) -> None:
        """Give the page so much room, and a colour scheme."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key."""
        named: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, **named)

    async def pointer(self, kind: str, x: float, y: float) -> None:
        """Let the pointer do something (`mouseMoved`, `mousePressed`, `mouseReleased`) at a place of the window."""
        held = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
        await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    async def write(self, text: str) -> None:
        """Write a text where the focus is."""
        await self.call("Input.insertText", text=text)

    async def picture(self, path: Path) -> None:
        """Keep a picture of what is shown."""
        taken = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(taken["data"]))


@contextlib.asynccontextmanager
async def a_tab() -> AsyncIterator[Tab]:
    """Start the browser in a folder of its own, and yield a page in it."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            f"--user-data-dir={folder}",
            *FLAGS,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            port = ""
            while not port:
                line = (await asyncio.wait_for(process.stderr.readline(), 60)).decode(errors="replace")
                if "DevTools listening on ws://127.0.0.1:" in line:
                    port = line.split("127.0.0.1:")[1].split("/")[0]
            reading = asyncio.create_task(process.stderr.read())
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as listed:
                    pages = [page for page in await listed.json() if page["type"] == "page"]
                async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    tab = Tab(socket)
                    for domain in ("Page", "Runtime", "Network", "Log"):
                        await tab.call(f"{domain}.enable")
                    yield tab
            reading.cancel()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
