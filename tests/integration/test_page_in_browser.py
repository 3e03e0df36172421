"""The page in a real browser: clicks, keys, widths, colours, ten thousand pairs, and names made to break it."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.clock import SystemClock
from arb.live.feed import StateFeed
from arb.market.ids import IDS_PER_RUN
from arb.store.ledger.database import open_engine
from arb.view.meanings import meanings
from tests.support.browser import CHROMIUM, Tab, a_tab
from tests.support.history import a_history, fill_ledger
from tests.unit.view.test_view import HALT

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

PAGES = ("now", "books", "pairs", "opportunities", "inventory", "waterfall", "venues", "incidents", "reconciliation")
SHOWN = "document.querySelector('main h1') && !document.querySelector('main').hasAttribute('aria-busy')"
HOSTILE = ("<img src=x onerror=alert(1)>", "\u202eevil\u202c<script>alert(1)</script>", "N" * 500)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page")
    url = f"sqlite:///{place / 'run.sqlite'}"
    fill_ledger(url, a_history(pairs=600, days=5, untraded_per_pair=1))
    with open_engine(url).connect() as connection, connection.begin():
        for place_of, text in zip(("venue", "venue", "text"), HOSTILE, strict=True):
            picked = "SELECT id FROM incidents ORDER BY ns DESC LIMIT 3"
            connection.exec_driver_sql(f"UPDATE incidents SET {place_of} = ? WHERE id IN ({picked})", (text,))
    return place


@contextlib.asynccontextmanager
async def opened(folder: Path, *options: str) -> AsyncIterator[tuple[Tab, str]]:
    """Start `arb ui` as a user does, and open it in a browser; yields the tab and the address."""
    command = (sys.executable, "-m", "arb", "ui", "--db", f"sqlite:///{folder / 'run.sqlite'}", "--port", "0", "--json")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(
        *command, *options, cwd=folder, stdout=asyncio.subprocess.PIPE, env=env
    )
    try:
        assert process.stdout is not None
        said = msgspec.json.decode(await asyncio.wait_for(process.stdout.readline(), 60))
        token = (await asyncio.to_thread(Path(said["token_file"]).read_text)).strip()
        async with a_tab() as tab:
            await tab.size(1280)
            await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
            await show(tab, f"{said['address']}#{token}")
            assert token not in await tab.run("location.href + document.cookie + JSON.stringify({...sessionStorage})")
            yield tab, said["address"]
            assert {url.split("/")[2] for url in tab.requested if url.startswith("http")} == {
                said["address"].split("/")[2]
            }
            assert tab.errors == []
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def show(tab: Tab, address: str, wanted: str = SHOWN) -> None:
    """Open a page, and wait until that stands on it."""
    await tab.open("about:blank")
    await tab.open(address)
    await tab.until(wanted)


def in_browser(folder: Path, work: Callable[[Tab, str], Coroutine[Any, Any, None]], *options: str) -> None:
    async def main() -> None:
        async with opened(folder, *options) as (tab, address):
            await work(tab, address)

    asyncio.run(main())


CONTRAST = """(() => {
    const parts = (text) => text.match(/[0-9.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
    const ground = (node) => { for (; node; node = node.parentElement) {
        const found = parts(getComputedStyle(node).backgroundColor); if (found.length < 4 || found[3] === 1) return found; }
        return [255, 255, 255]; };
    let least = 21, where = "";
    for (const node of document.querySelectorAll("body *")) {
        const says = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
        if (!says || !node.offsetParent) continue;
        const [a, b] = [light(parts(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
        const found = (a + 0.05) / (b + 0.05);
        if (found < least) { least = found; where = node.outerHTML.slice(0, 120); }
    }
    return [least, where];
})()"""


def test_every_page_at_every_width_light_and_dark_is_read_without_scrolling_sideways(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        for page in PAGES:
            await show(tab, f"{address}?page={page}")
            for width in (400, 768, 1280, 1920):
                for dark in (False, True):
                    await tab.size(width, dark=dark)
                    assert await tab.run("document.documentElement.scrollWidth <= innerWidth"), (page, width)
                    least, where = await tab.run(CONTRAST)
                    assert least >= 4.5, (page, width, dark, where)

    in_browser(folder, work)


def test_on_a_phone_the_net_of_pairs_is_seen_and_filters_open_by_a_button(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        await show(tab, f"{address}?page=pairs&venue=gate", "document.querySelector('main table td a')")
        await tab.size(400)
        assert await tab.run("document.querySelector('header').offsetHeight") < 170
        shown = "[...document.querySelectorAll('main th')].filter((cell) => cell.getBoundingClientRect().right <= innerWidth)"
        names = await tab.run(f"{shown}.map((cell) => cell.textContent)")
        assert names[:3] == ["pair", "net", "symbol"]
        visible = "document.querySelector('#filters').checkVisibility()"
        assert (
            not await tab.run(visible)
            and await tab.run("document.querySelector('#unfold').innerText") == "filters: gate"
        )
        await tab.run("document.querySelector('#unfold').click()")
        assert await tab.run(visible)
        await tab.size(1280)
        assert not await tab.run("document.querySelector('#unfold').checkVisibility()") and await tab.run(visible)

    in_browser(folder, work)


def test_all_pairs_are_there_page_by_page_and_each_once(tmp_path: Path) -> None:
    fill_ledger(f"sqlite:///{tmp_path / 'run.sqlite'}", a_history(pairs=1_200, days=5, untraded_per_pair=1))
    with open_engine(f"sqlite:///{tmp_path / 'run.sqlite'}").connect() as connection:
        every = "SELECT id FROM pair_trades ORDER BY decided_ns DESC, id DESC"
        ids = [row.id for row in connection.exec_driver_sql(every)]

    async def work(tab: Tab, address: str) -> None:
        await show(tab, f"{address}?page=pairs", "document.querySelector('main table td a')")
        seen: list[str] = []
        older = "[...document.querySelectorAll('main a')].find((link) => link.textContent === 'older pairs')"
        for page in range(3):
            rows = min(500, len(ids) - 500 * page)
            await tab.until(f"document.querySelector('table')?.getAttribute('aria-rowcount') === '{rows + 1}'")
            await tab.until(
                f"(scrollTo(0, document.body.scrollHeight), document.querySelectorAll('main tbody tr').length === {rows})"
            )
            seen += await tab.run("[...document.querySelectorAll('main td a')].map((link) => link.textContent)")
            if page < 2:
                await tab.run(f"{older}.click()")
                await tab.until(f"document.querySelector('main td a')?.textContent !== '{seen[-500]}'")
        assert not await tab.run(older)
        runs = sorted({one // IDS_PER_RUN for one in ids})
        assert seen == [f"{runs.index(one // IDS_PER_RUN) + 1}-{one % IDS_PER_RUN}" for one in ids]

    in_browser(tmp_path, work)


def test_a_pair_opens_by_a_click_and_the_way_back_leads_back(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        await show(tab, f"{address}?page=pairs&venue=gate", "document.querySelector('main table td a')")
        await tab.run("document.querySelector('main table td a').click()")
        await tab.until(
            "document.querySelector('h1').textContent === 'Pair' && document.querySelectorAll('.card').length > 4"
        )
        assert "venue=gate" in await tab.run("location.search")
        await tab.run("history.back()")
        await tab.until("document.querySelector('h1').textContent === 'Pairs'")

    in_browser(folder, work)


def test_a_story_shows_both_books_with_what_the_plan_took_at_every_width_light_and_dark(folder: Path) -> None:
    with open_engine(f"sqlite:///{folder / 'run.sqlite'}").connect() as connection, connection.begin():
        (planned, kind), (other, _) = (
            connection.exec_driver_sql(f"SELECT id, kind FROM pair_trades WHERE kind {one} ORDER BY id LIMIT 1").one()
            for one in ("= 'arb'", "<> 'arb'")
        )
        sizes = connection.exec_driver_sql("SELECT buy_size, sell_size FROM pair_trades WHERE id = ?", (planned,)).one()
    assert kind == "arb"

    async def work(tab: Tab, address: str) -> None:
        await show(tab, f"{address}?page=story&id={planned}", "document.querySelectorAll('.level').length > 0")
        for side, size in zip(("asks", "bids"), sizes, strict=True):
            rows = await tab.run(
                f"[...document.querySelectorAll('[aria-label=\"{side} at the decision\"] tbody tr')].map((row) => "
                "[...row.cells].map((cell) => cell.textContent).concat(row.cells[0].classList.contains('reached')))"
            )
            assert "null" not in await tab.run("document.querySelector('main').innerText")
            taken = [Decimal(row[4]) for row in rows if row[4] != "-"]
            assert len(rows) == 10 and sum(taken) == Decimal(size)
            assert [row[-1] for row in rows] == [True] * len(taken) + [False] * (10 - len(taken))
            assert {row[5] for row in rows} <= {"within", "beyond"}
        for width in (400, 1280):
            for dark in (False, True):
                await tab.size(width, dark=dark)
                assert await tab.run("document.documentElement.scrollWidth <= innerWidth"), width
                least, where = await tab.run(CONTRAST)
                assert least >= 4.5, (width, dark, where)
        await show(
            tab,
            f"{address}?page=story&id={other}",
            "[...document.querySelectorAll('.card .dim')].some((node) => node.textContent.startsWith('none: '))",
        )

    in_browser(folder, work)


def test_filters_stand_in_the_address_and_errors_are_one_line(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        await tab.open(f"{address}?page=pairs&since=soon")
        await tab.until("document.querySelector('.error.empty')?.textContent.includes(\"since 'soon' is no instant\")")
        tab.errors.clear()  # the browser notes the answer 400 as an error
        await tab.run(
            "document.forms.filters.elements.since.value = ''; document.forms.filters.elements.venue.value = 'nowhere'"
        )
        await tab.run("document.forms.filters.requestSubmit()")
        await tab.until(
            "document.querySelector('.error.empty')?.textContent.includes(\"'nowhere' is not in this ledger\")"
        )
        assert "venue=nowhere" in await tab.run("location.search")
        tab.errors.clear()

    in_browser(folder, work)


def test_by_keyboard_alone_one_reaches_a_page_and_a_pair(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        async def until_focused(what: str) -> None:
            for _ in range(60):
                await tab.press("Tab", 9)
                if await tab.run(f"document.activeElement.matches({what!r})"):
                    assert await tab.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
                    return
            raise AssertionError(f"{what} cannot be reached")

        await until_focused('a[href="?page=pairs"]')
        await tab.press("Enter", 13, "\r")
        await tab.until("document.querySelector('main table td a')")
        await until_focused("main td a")
        await tab.press("Enter", 13, "\r")
        await tab.until("document.querySelector('h1').textContent === 'Pair'")

    in_browser(folder, work)


def test_names_that_are_markup_are_shown_as_text(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        await show(tab, f"{address}?page=incidents", "document.querySelectorAll('main details').length")
        await tab.run("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
        await tab.until("document.querySelectorAll('main details table').length > 1")
        assert await tab.run("document.querySelectorAll('main img, main script').length") == 0
        assert "<script>alert(1)</script>" in await tab.run("document.querySelector('main').textContent")
        assert await tab.run("document.documentElement.scrollWidth <= innerWidth")

    in_browser(folder, work)


def test_a_code_shows_its_meaning_by_pointer_and_by_keyboard(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        await show(tab, f"{address}?page=opportunities", "document.querySelector('main table button.code')")
        code = "document.querySelector('main table button.code')"
        word, title = await tab.run(f"[{code}.textContent, {code}.title]")
        assert title == meanings()["reason"][word]
        assert await tab.run("document.querySelector('#meaning').innerText") == ""
        await tab.run(f"{code}.focus()")
        assert await tab.run("document.querySelector('#meaning').innerText") == f"{word}: {title}"
        await tab.run(f"{code}.blur()")
        assert await tab.run("document.querySelector('#meaning').innerText") == ""

    in_browser(folder, work)


def test_filters_offer_the_names_that_the_ledger_knows(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        await show(tab, f"{address}?page=pairs", "document.querySelector('main table td a')")
        assert not any("/api/known" in url for url in tab.requested), "before somebody comes to them nothing is asked"
        await tab.run("document.forms.filters.elements.venue.focus()")
        await tab.until("document.querySelectorAll('#known-run option').length")
        venues, symbols, runs = [
            await tab.run(f"[...document.querySelectorAll('#known-{one} option')].map((option) => option.value)")
            for one in ("venue", "symbol", "run")
        ]
        assert venues == ["bitget", "gate", "okx"] and "BTC/USDT" in symbols and runs == ["5", "4", "3", "2", "1"]

    in_browser(folder, work)


def test_a_list_renews_by_itself_and_not_while_somebody_selects(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        await show(tab, f"{address}?page=pairs", "document.querySelector('main table td a')")
        shown = "document.querySelector('main').dataset.shown"
        before = await tab.run(shown)
        await tab.until(f"{shown} !== '{before}' && !document.querySelector('main').hasAttribute('aria-busy')")
        await tab.run("getSelection().selectAllChildren(document.querySelector('h1'))")
        before = await tab.run(shown)
        await asyncio.sleep(16)
        assert await tab.run(shown) == before

    in_browser(folder, work)


def test_without_the_token_the_page_asks_for_it_and_a_wrong_one_is_a_line(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        await tab.run("sessionStorage.clear()")
        await tab.open(f"{address}?page=pairs")
        await tab.until("document.querySelector('#token-form')")
        await tab.write("wrong")
        await tab.press("Enter", 13, "\r")
        await tab.until("document.querySelector('.error').textContent.startsWith('wrong token')")
        tab.errors.clear()  # the browser notes the answers 401 as errors

    in_browser(folder, work)


def test_a_halt_from_the_page_needs_a_reason_and_flattening_its_name(folder: Path) -> None:
    async def work(tab: Tab, address: str) -> None:
        await tab.until("document.querySelector('#do-flatten')")
        await tab.run("document.querySelector('#do-flatten').click()")
        await tab.write("enough")
        await tab.press("Enter", 13, "\r")
        await tab.until("document.querySelector('dialog .error').textContent === 'not done: type flatten to confirm'")
        await tab.run("document.querySelector('dialog').close(); document.querySelector('#do-halt').click()")
        await tab.until("document.querySelector('dialog h2').textContent === 'halt'")
        assert not await tab.run("document.querySelector('dialog .confirm').checkVisibility()"), "a halt needs no word"
        await tab.write("enough")
        await tab.press("Enter", 13, "\r")
        await tab.until("document.querySelector('dialog .error')?.textContent.includes('no engine obeyed')")
        tab.errors.clear()
        assert (folder / "run.journal.halt").read_text() == "enough (from the page)\n"

    in_browser(folder, work, "--allow-control")
    (folder / "run.journal.halt").unlink()


def test_now_says_what_the_screen_of_the_run_says(folder: Path) -> None:
    venue = {
        "venue": "gate", "books": "4/5", "private": "up", "lags_ms": [20.5, 41.0], "offset_ms": -0.2,
        "orders_left": [3, 4, 550], "health": "degraded", "health_cause": "misses 3 >= 3", "halted": None,
    }  # fmt: skip
    edge = {"symbol": "BTC/USDT", "buy": "gate", "sell": "okx", "edge_bps": "12.5"}
    state: dict[str, Any] = {
        "state": "HALTED", "halted": "asked", "stops": [HALT], "largest_pair_quote": "500",
        "venues": [venue, venue | {"venue": "okx"}],
        "edges": [edge | {"not_taken": "rate_budget"}, edge | {"symbol": "ETH/USDT", "edge_bps": "-3", "not_taken": None}],
        "holdings": {"gate": {"USDT": "120", "BTC": "2"}, "okx": {"USDT": "90000", "BTC": "0.5"}},
        "open_pairs": [{"id": 1_795_470_486_000_000_007, "symbol": "BTC/USDT", "buy": "okx", "sell": "gate", "size": "1",
                        "state": "opening", "age_ms": 20, "expected_net": "2"}],
        "unhedged_notional": "1234.5", "unhedged": [{"asset": "BTC", "size": "0.1", "value": "1234.5", "age_ms": 70}],
    }  # fmt: skip

    def parts(_: object) -> Iterator[dict[str, Any]]:
        state["frames"] = state.get("frames", 0) + 1
        return iter([state])

    with open_engine(f"sqlite:///{folder / 'run.sqlite'}").connect() as connection, connection.begin():
        last = "SELECT MAX(id) FROM pair_trades WHERE realised_net_e8 IS NOT NULL"
        before = connection.exec_driver_sql(f"SELECT closed_ns FROM pair_closings WHERE pair_trade_id = ({last})").one()
        now_ns = SystemClock().wall_ns()
        connection.exec_driver_sql(f"UPDATE pair_closings SET closed_ns = ? WHERE pair_trade_id = ({last})", (now_ns,))
        (net_e8,) = connection.exec_driver_sql(f"SELECT realised_net_e8 FROM pair_trades WHERE id = ({last})").one()

    async def work(tab: Tab, address: str) -> None:
        feed = StateFeed(folder / "run.journal.sqlite", parts, lambda: {"mode": "sandbox"})
        sending = asyncio.create_task(feed.run())
        await show(tab, f"{address}?page=now", "document.querySelector('[aria-label=\"best edges\"]')")

        async def said(name: str) -> list[list[str]]:
            """Return the cells of a table, row by row."""
            rows = f"document.querySelectorAll('[aria-label=\"{name}\"] tbody tr')"
            found: list[list[str]] = await tab.run(
                f"[...{rows}].map((row) => [...row.cells].map((c) => c.textContent))"
            )
            return found

        assert await said("best edges") == [
            ["BTC/USDT", "gate → okx", "12.50", "rate_budget"],
            ["ETH/USDT", "gate → okx", "\u22123.00", "fees exceed it"],
        ]
        first = ["gate", "degraded", "4/5", "up", "20.5/41", "75 %", "-0.2"]
        assert await said("venues") == [first, ["okx", *first[1:]]]
        assert await said("inventory") == [
            ["USDT", "scarce 120.00", "90,000.00", "90,120.00"],
            ["BTC", "2.00", "0.50", "2.50"],
        ]
        page = await tab.run("document.querySelector('main').innerText")
        for text in (
            "nothing opens: halt: asked; `arb resume --reason TEXT` lifts it", "gate: misses 3 >= 3",
            "Alerts that need a person", "1,234.50",
        ):  # fmt: skip
            assert text in page
        tile = await tab.run(
            "[...document.querySelectorAll('.tile')].find((one) => one.innerText.startsWith('Net today')).innerText"
        )
        net = Decimal(net_e8).scaleb(-8)
        assert f"{abs(net):,.2f}" in tile and tile.endswith("1 pairs")
        [[route, *of_route]], by_venue = await said("net today by buy \u2192 sell"), await said("net today by venue")
        venues = route.split(" \u2192 ")
        assert of_route[:2] == ["1", f"{net:,.2f}".replace("-", "\u2212")]
        assert [row[:3] for row in by_venue] == [[venue, *of_route[:2]] for venue in venues]
        for width, dark in ((400, False), (1024, True), (1920, False), (1280, True)):
            await tab.size(width, dark=dark)
            assert await tab.run("document.documentElement.scrollWidth <= innerWidth"), width
            least, where = await tab.run(CONTRAST)
            assert least >= 4.5, (width, dark, where)
        # Whoever is at a link by keyboard stays there, and what has not changed is not drawn anew, while states go on coming.
        await tab.run(
            "(document.querySelector('main td a').focus(), window.kept = document.querySelectorAll('.card')[1])"
        )
        frames = "document.querySelector('dl').innerText.match(/frames read\\s+(\\d+)/)[1]"
        seen = int(await tab.run(frames))
        await tab.until(f"Number({frames}) > {seen + 1}")
        assert await tab.run("document.activeElement.matches('main td a') && window.kept.isConnected")
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    try:
        in_browser(folder, work)
    finally:
        with open_engine(f"sqlite:///{folder / 'run.sqlite'}").connect() as connection, connection.begin():
            connection.exec_driver_sql(
                f"UPDATE pair_closings SET closed_ns = ? WHERE pair_trade_id = ({last})", tuple(before)
            )


def test_an_open_pair_leads_to_its_own_story_whatever_its_number(folder: Path) -> None:
    pair = {
        "id": 1_795_470_486_000_000_005, "symbol": "BTC/USDT", "buy": "gate", "sell": "okx", "size": "1", "state": "opening",
        "age_ms": 20, "expected_net": "2",
    }  # fmt: skip

    async def work(tab: Tab, address: str) -> None:
        feed = StateFeed(
            folder / "run.journal.sqlite",
            lambda _: iter([{"state": "ACTIVE", "open_pairs": [pair]}]),
            lambda: {"mode": "sandbox"},
        )
        sending = asyncio.create_task(feed.run())
        await tab.open(f"{address}?page=now")
        await tab.until("document.querySelector('main td a')?.textContent === '5'")
        assert "id=1795470486000000005" in await tab.run("document.querySelector('main td a').href")
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    in_browser(folder, work)


def test_the_books_of_a_route_are_sent_while_somebody_looks_at_them_and_no_longer(folder: Path) -> None:
    wanted: list[list[Any]] = [[]]

    def parts(asked: Sequence[Any]) -> Iterator[dict[str, Any]]:
        wanted[0] = list(asked)
        edges = [{"symbol": "BTC/USDT", "buy": "gate", "sell": "okx", "edge_bps": "-3", "not_taken": None}]
        yield {"state": "ACTIVE", "edges": edges, "venues": [{"venue": "gate"}, {"venue": "okx"}]}
        levels = {"age_ms": 4, "unfit": None, "asks": [["100.5", "1"], ["101", "2"]], "bids": [["99", "3"]]}
        plan = {"legs": [{"size": "1.5", "limit": "101"}, {"size": "1.5", "limit": "99"}], "net": "1", "edge_bps": "5"}
        yield {
            "depths": [
                {
                    "symbol": symbol,
                    "buy": buy,
                    "sell": sell,
                    "edge_bps": "7",
                    "gross_bps": "9",
                    "not_taken": "rate_budget",
                }
                | {"plan": plan, "books": [levels | {"venue": buy}, levels | {"venue": sell, "unfit": "stale_book"}]}
                for symbol, buy, sell in asked
            ]
        }

    async def until_asked(routes: list[Any]) -> None:
        async with asyncio.timeout(30):
            while wanted[0] != routes:  # noqa: ASYNC110 - what is waited for is another process
                await asyncio.sleep(0.01)

    async def work(tab: Tab, address: str) -> None:
        feed = StateFeed(folder / "run.journal.sqlite", parts, lambda: {"mode": "sandbox"})
        sending = asyncio.create_task(feed.run())
        await show(tab, f"{address}?page=now", "document.querySelector('[aria-label=\"best edges\"] td a')")
        assert wanted[0] == []
        await tab.run("document.querySelector('[aria-label=\"best edges\"] td a').click()")
        await tab.until("document.querySelectorAll('main h2').length === 6")
        await until_asked([("BTC/USDT", "gate", "okx")])
        taken = await tab.run("[...document.querySelectorAll('td.reached')].map((cell) => cell.textContent)")
        assert taken == ["ask", "101.0", "2", "3.00", "ask", "100.5", "1", "1.00", "bid", "99.0", "3", "3.00"]
        text = await tab.run("document.querySelector('main').innerText")
        assert (
            "not fit to trade: stale_book" in text and "rate_budget" in text and "buy up to 101, sell from 99" in text
        )
        for width, dark in ((400, False), (1280, True)):
            await tab.size(width, dark=dark)
            assert await tab.run("document.documentElement.scrollWidth <= innerWidth"), width
            least, where = await tab.run(CONTRAST)
            assert least >= 4.5, (width, dark, where)
        select = "document.querySelector('select[name=buy]')"
        await tab.run(f"({select}.value = 'okx', {select}.dispatchEvent(new Event('change')))")
        await tab.until("document.querySelector('main .empty')?.textContent === 'Choose two venues.'")
        await tab.run(
            'document.querySelector(\'a[href="?page=reconciliation"], a[href$="page=reconciliation"]\').click()'
        )
        await until_asked([])
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    in_browser(folder, work)
