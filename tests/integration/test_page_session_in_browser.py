"""The session of a page in a real browser: what other programs at the port, or at other ports, get of it."""

import asyncio
import contextlib
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from arb.store.ledger.migrate import upgrade
from tests.support.browser import CHROMIUM, Tab, a_tab

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

SHOWN = "document.querySelector('#strip .badge.mode') && document.querySelector('#sign-out')"
FORGED = b'data: {"engine": "not running", "state": "ACTIVE"}\n\n'
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + FORGED
NOT_HERE = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def until(found: Callable[[], bool]) -> None:
    for _ in range(3000):
        if found():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


class Heard:
    """Another user's program: keeps all that it is sent, and gives one answer."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append((first, headers, body))
            writer.write(self.answer)
            await writer.drain()
        writer.close()

    @contextlib.asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[int]:
        server = await asyncio.start_server(self.take, "127.0.0.1", port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await server.wait_closed()

    async def until_heard(self, path: str) -> None:
        await until(lambda: any(first.split()[1] == path for first, _, _ in self.requests))


@contextlib.asynccontextmanager
async def a_page(folder: Path, *options: str, port: str = "0", browser: str = "") -> AsyncIterator[tuple[str, str]]:
    """Start `arb ui` with control; yields its address and token."""
    url = f"sqlite:///{folder / 'run.sqlite'}"
    upgrade(url)
    command = (sys.executable, "-m", "arb", "ui", "--db", url, "--json", "--allow-control", "--port", port, *options)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)} | ({"BROWSER": browser} if browser else {})
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=asyncio.subprocess.PIPE, env=env)
    try:
        assert process.stdout is not None
        said = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        yield said["address"], (await asyncio.to_thread(Path(said["token_file"]).read_text)).strip()
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def in_a_tab(work: Callable[[Tab], Coroutine[Any, Any, None]]) -> None:
    async with a_tab() as tab:
        await tab.size(1280)
        await work(tab)


async def replayed(address: str, heard: Heard) -> list[int]:
    """Send what another program heard, as it was and with an order in its place; return the answers' status."""
    order, found = json.dumps({"do": "halt", "reason": "from another user"}), []
    async with aiohttp.ClientSession() as session:
        for first, headers, body in heard.requests:
            kept = {name: value for name, value in headers.items() if name in ("authorization", "cookie")}
            own = kept | {"Origin": address.rstrip("/"), "Content-Type": "application/json"}
            method, path, _ = first.split()
            tries = [(method, path, body)] if path not in ("/", "/api/session") else []
            for way, where, sent in (*tries, ("POST", "api/control", order.encode())):
                async with session.request(way, address + where.lstrip("/"), data=sent, headers=own) as answer:
                    found.append(answer.status)
    return found


def test_who_takes_the_port_over_hears_nothing_that_orders_a_halt_and_is_not_believed(tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        heard = Heard(STREAM)
        async with a_page(tmp_path) as (address, token):
            await tab.open(f"{address}#{token}")
            await tab.until(SHOWN)
            assert token not in await tab.run("location.href + document.cookie + JSON.stringify({...sessionStorage})")
        port = address.split(":")[2].strip("/")
        async with heard.listening(int(port)):
            await heard.until_heard("/events")  # the tab comes by itself
            await tab.until("document.querySelector('#strip').innerText.includes('another program answers')")
            heard.answer = NOT_HERE
            await tab.until("document.querySelector('#token-form')")
            await tab.write(token)
            await tab.press("Enter", 13, "\r")
            await heard.until_heard("/api/session")
            everything = str(heard.requests)
            assert token not in everything and "'cookie'" not in everything
        async with a_page(tmp_path, port=port) as (again, _):
            answers = await replayed(again, heard)
            assert answers and set(answers) == {401}
            assert not (tmp_path / "run.journal.halt").exists()
            await tab.run("document.forms['token-form'].requestSubmit()")
            await tab.until(SHOWN)

    asyncio.run(in_a_tab(work))


def test_other_ports_of_this_machine_get_nothing(tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        heard = Heard(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        async with a_page(tmp_path) as (address, token), heard.listening() as port:
            await tab.open(f"{address}#{token}")
            await tab.until(SHOWN)
            await tab.open(f"http://127.0.0.1:{port}/")
            await heard.until_heard("/")
            await tab.until("document.body.innerText === 'hi'")
            assert await tab.run("sessionStorage.length + document.cookie.length") == 0
            assert {"authorization", "cookie"}.isdisjoint(heard.requests[0][1])
            asked = f"fetch('{address}api/about', {{credentials: 'include'}}).then(() => 'read', () => 'refused')"
            assert await tab.run(asked) == "refused"
            await tab.open(address)  # the session is still there
            await tab.until(SHOWN)

    asyncio.run(in_a_tab(work))


def test_the_file_that_opens_the_page_is_gone_once_it_is_open_and_its_code_opens_no_second_one(tmp_path: Path) -> None:
    noted, browser = tmp_path / "noted", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {noted}.new && mv {noted}.new {noted}\n')
    browser.chmod(0o700)
    leads = tmp_path / "run.journal.ui-token.html"
    leads.write_text("of a process that was killed")

    async def work(tab: Tab) -> None:
        async with a_page(tmp_path, "--open", browser=str(browser)) as (_, token):
            await until(noted.exists)
            content = leads.read_text()
            assert stat.S_IMODE(leads.stat().st_mode) == 0o600 and token not in content
            await tab.open(noted.read_text())
            await until(lambda: not leads.exists())
            await tab.until(SHOWN)
            kept = content.split("url=")[1].split('"')[0]
            assert await tab.run("location.hash") == ""
            await tab.run("sessionStorage.clear()")
            await tab.open("about:blank")
            await tab.open(kept)
            await tab.until("document.querySelector('.error')?.textContent.startsWith('wrong token')")
            noted.unlink()
        async with a_page(tmp_path, "--open", browser=str(browser)):
            await until(noted.exists)
            assert leads.exists()
        assert not leads.exists()

    asyncio.run(in_a_tab(work))


def test_signing_out_ends_the_session_and_a_pair_opens_in_a_tab_of_its_own_without_the_token(tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        async with a_page(tmp_path) as (address, token):
            await tab.open(f"{address}#{token}")
            await tab.until(SHOWN)
            opened = (
                "(window.other = null, window.open = (open => (...given) => window.other = open(...given))(window.open), "
                "document.querySelector('nav a').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true, "
                "ctrlKey: true})), window.other !== null)"
            )
            assert await tab.call("Runtime.evaluate", expression=opened, userGesture=True, returnByValue=True)
            await tab.until("window.other.document.querySelector('#sign-out')")
            kept = await tab.run("sessionStorage.getItem('session')")
            await tab.run("document.querySelector('#sign-out').click()")
            await tab.until("document.querySelector('#token-form') && !sessionStorage.length")
            await tab.run(f"sessionStorage.setItem('session', {json.dumps(kept)})")
            await tab.open(f"{address}?page=pairs")
            await tab.until("document.querySelector('.error')?.textContent.startsWith('no session')")

    asyncio.run(in_a_tab(work))


def test_a_browser_whose_clock_was_set_asks_for_the_token_and_goes_on(tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        async with a_page(tmp_path) as (address, token):
            await tab.open(f"{address}#{token}")
            await tab.until(SHOWN)
            await tab.run("Date.now = (now => () => now() + 600_000)(Date.now)")
            await tab.run("document.querySelector('nav a[href=\"?page=pairs\"]').click()")
            await tab.until("document.querySelector('.error')?.textContent.includes('clock was set')")
            await tab.write(token)
            await tab.press("Enter", 13, "\r")
            await tab.until(SHOWN)

    asyncio.run(in_a_tab(work))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_read_however_the_bytes_are_cut(tmp_path: Path, end: str) -> None:
    text = end.join((": beat", "id: 1", 'data: {"a":', "data:\u20ac}", "", "", "event: x", "data: 2", "", "data: half"))
    read = f"""(async () => {{
        const {{ events }} = await import("/session.js"), bytes = new TextEncoder().encode({json.dumps(text)}), found = [];
        for (let size = 1; size <= bytes.length; size++) {{
            const stream = new ReadableStream({{ start(to) {{
                for (let at = 0; at < bytes.length; at += size) to.enqueue(bytes.slice(at, at + size));
                to.close(); }} }});
            const got = [];
            for await (const data of events(stream)) got.push(data);
            found.push(JSON.stringify(got));
        }}
        return [...new Set(found)];
    }})()"""

    async def work(tab: Tab) -> None:
        async with a_page(tmp_path) as (address, _):
            await tab.open(address)
            await tab.until("document.querySelector('#token-form')")
            assert [json.loads(one) for one in await tab.run(read)] == [['{"a":\n\u20ac}', "2"]]

    asyncio.run(in_a_tab(work))
