"""The report's file in a real browser: its own scripts run and nothing else is asked for, light and dark, wide and narrow."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_page_in_browser import CONTRAST
from tests.support.browser import CHROMIUM, Tab, a_tab
from tests.support.history import a_history, fill_ledger
from tests.unit.view.report.test_page import hostile, written
from tests.unit.view.report.test_time_traded import the_rows

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
SECTIONS = ["waterfall", "opportunities", "venues", "inventory", "incidents", "pairs"]
CHART = "document.querySelector('.u-over')"
LEGEND = "document.querySelector('.u-legend').textContent"


@pytest.fixture(scope="module")
def short_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of three short runs within five days."""
    folder = tmp_path_factory.mktemp("short")
    fill_ledger(f"sqlite:///{folder / 'ledger.sqlite'}", the_rows())
    written(folder / "ledger.sqlite")
    return folder / "page.html"


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of two days with markup in every text."""
    folder = tmp_path_factory.mktemp("evil")
    fill_ledger(f"sqlite:///{folder / 'ledger.sqlite'}", map(hostile, a_history(pairs=40, days=2)))
    written(folder / "ledger.sqlite")
    return folder / "page.html"


def with_browser(path: Path, width: int, see: Callable[[Tab], Awaitable[Any]]) -> Any:
    """Open a file in a browser of so many pixels, give the page to `see`, and return what that returns."""

    async def seen() -> Any:
        async with asyncio.timeout(120), a_tab() as page:
            await page.size(width)
            await page.open(path.as_uri())
            await page.until(f"document.querySelectorAll('main > section').length === {len(SECTIONS)} && {CHART}")
            found = await see(page)
            assert page.errors == []
            assert page.requested == [path.as_uri()]
            return found

    return asyncio.run(seen())


async def box(page: Tab) -> tuple[float, float, float, float]:
    """Return where the first chart lies in the window: left, top, width, height."""
    await page.run(f"{CHART}.scrollIntoView({{ block: 'center' }})")
    left, top, width, height = await page.run(f"(b => [b.x, b.y, b.width, b.height])({CHART}.getBoundingClientRect())")
    return left, top, width, height


def test_every_part_of_the_report_stands_on_the_page_with_its_figures(evil: Path) -> None:
    async def see(page: Tab) -> tuple[list[str], list[str], int]:
        names = await page.run("[...document.querySelectorAll('main > section')].map((one) => one.id)")
        tables = await page.run("[...document.querySelectorAll('caption')].map((one) => one.textContent)")
        return names, tables, await page.run("document.querySelectorAll('canvas').length")

    names, tables, charts = with_browser(evil, 1280, see)
    assert names == SECTIONS
    assert set(tables) >= {
        "day_utc", "buy_venue sell_venue", "symbol", "by outcome", "reasons", "thresholds", "execution", "waits",
        "how legs ended", "fees by currency", "fees", "moved", "runs", "pairs",
    }  # fmt: skip
    assert charts >= 12


def test_texts_of_venues_are_shown_as_texts(evil: Path) -> None:
    async def see(page: Tab) -> tuple[int, str]:
        made = await page.run("document.querySelectorAll('main :is(img, script, iframe)').length")
        return made, await page.run("document.querySelector('#incidents').textContent")

    made, text = with_browser(evil, 1280, see)
    assert made == 0 and '</script><!--<script>alert("x")</script>' in text


def test_a_chart_shows_the_values_of_its_lines_where_it_is_pointed_at(short_runs: Path) -> None:
    async def see(page: Tab) -> list[str]:
        left, top, width, height = await box(page)
        said = set()
        for share in range(2, 98, 3):
            await page.pointer("mouseMoved", left + width * share / 100, top + height / 2)
            await page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            said.add(await page.run(LEGEND))
        return sorted(said)

    said = with_browser(short_runs, 1280, see)
    assert any(text.startswith("UTC11-15 00:00:2") and text.endswith("net1.15expected1.5") for text in said), said
    assert any(text.startswith("UTC11-20 01:00:") and text.endswith("net4.6expected6") for text in said), said


def test_a_chart_is_stretched_by_dragging_and_whole_again_by_a_double_click(short_runs: Path) -> None:
    drawn = "document.querySelector('canvas').toDataURL()"

    async def see(page: Tab) -> list[str]:
        left, top, width, height = await box(page)
        await page.pointer("mouseMoved", left + width * 0.2, top + height / 2)
        looks = [await page.run(drawn)]
        await page.pointer("mousePressed", left + width * 0.2, top + height / 2)
        await page.pointer("mouseMoved", left + width * 0.3, top + height / 2)
        await page.pointer("mouseReleased", left + width * 0.4, top + height / 2)
        for event in ("", "dblclick"):
            if event:
                await page.run(f"{CHART}.dispatchEvent(new MouseEvent('dblclick', {{ bubbles: true }}))")
            await page.run("new Promise((done) => setTimeout(done, 100))")
            looks.append(await page.run(drawn))
        return looks

    first, stretched, again = with_browser(short_runs, 1280, see)
    assert first == again != stretched


@pytest.mark.parametrize("width", [400, 768, 1280, 1920])
def test_the_page_is_read_without_scrolling_sideways_light_and_dark(width: int, short_runs: Path, evil: Path) -> None:
    async def see(page: Tab) -> None:
        for dark in (False, True):
            await page.size(width, dark=dark)
            assert await page.run("document.documentElement.scrollWidth <= innerWidth")
            least, where = await page.run(CONTRAST)
            assert least >= 4.5, (dark, where)

    for path in (short_runs, evil):
        with_browser(path, width, see)


def test_a_venue_chosen_leaves_its_rows_and_the_sums_as_they_are(tmp_path: Path) -> None:
    fill_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", a_history(pairs=40, days=2))
    written(tmp_path / "ledger.sqlite")
    rows = "[...document.querySelectorAll('#pairs tbody tr')].map((row) => row.cells[3].textContent.split(' \u2192 '))"
    choose = (
        "(() => { const one = document.querySelector('select[name=venue]'); one.value = 'okx'; "
        "one.dispatchEvent(new Event('change')); })()"
    )

    async def see(page: Tab) -> None:
        whole, brief = await page.run(rows), await page.run("document.querySelector('.brief').textContent")
        assert len(whole) > 40
        await page.run(choose)
        await page.until(f"{rows}.length < {len(whole)} && {CHART}")
        assert await page.run(rows) == [row for row in whole if "okx" in row]
        assert await page.run("document.querySelector('.brief').textContent") == brief

    with_browser(tmp_path / "page.html", 1280, see)


def test_one_click_marks_the_whole_summary_to_copy(short_runs: Path) -> None:
    async def see(page: Tab) -> str:
        left, top = await page.run(
            "(b => [b.x + 30, b.y + 8])(document.querySelector('.brief p').getBoundingClientRect())"
        )
        await page.pointer("mousePressed", left, top)
        await page.pointer("mouseReleased", left, top)
        return str(await page.run("getSelection().toString()"))

    text = with_browser(short_runs, 400, see)
    assert "74 s of trading in 3 runs (sandbox) between 2023-11-15" in text
    assert "4 pairs earned 4.60 USDT after all fees" in text and "What went wrong" in text
