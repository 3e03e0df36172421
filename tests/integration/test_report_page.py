"""The report's page in a real browser: it scripts what its policy allows, shows values, stretches figures, and fits a phone."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="the extra `notebooks` is not installed")

from arb.view.report.page import render
from arb.view.report.summary import Sources
from tests.support.browser import CHROMIUM, Tab, a_tab
from tests.support.history import fill_ledger
from tests.unit.view.report.test_time_traded import the_rows

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
FIGURE = "document.querySelector('figure svg')"
VALUE = "document.querySelector('figure .value')"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the page of three short runs within five days, with its script and without."""
    folder = tmp_path_factory.mktemp("pages")
    url = f"sqlite:///{folder / 'ledger.sqlite'}"
    fill_ledger(url, the_rows())
    sources = Sources(url)
    made = {"live": folder / "live.html", "static": folder / "static.html"}
    for name, path in made.items():
        path.write_text(render(sources, static=name == "static"))
    return made


def with_browser(path: Path, width: int, see: Callable[[Tab], Awaitable[Any]]) -> Any:
    """Open a file in a browser of so many pixels, give the page to `see`, and return what that returns."""

    async def seen() -> Any:
        async with asyncio.timeout(120), a_tab() as page:
            await page.size(width)
            await page.open(path.as_uri())
            await page.until(f"document.readyState === 'complete' && {FIGURE}")
            found = await see(page)
            assert page.errors == []
            return found

    return asyncio.run(seen())


async def box(page: Tab) -> tuple[float, float, float, float]:
    """Return where the first figure lies in the window: left, top, width, height."""
    left, top, width, height = await page.run(f"(b => [b.x, b.y, b.width, b.height])({FIGURE}.getBoundingClientRect())")
    return left, top, width, height


def test_a_figure_shows_the_values_of_its_lines_where_it_is_pointed_at_and_says_where_nothing_ran(
    pages: dict[str, Path],
) -> None:
    async def see(page: Tab) -> list[str]:
        left, top, width, height = await box(page)
        said = set()
        for share in range(12, 88):
            await page.pointer("mouseMoved", left + width * share / 100, top + height / 2)
            said.add(await page.run(f"{VALUE}.textContent"))
        return sorted(said)

    said = with_browser(pages["live"], 1280, see)
    assert any(
        text.startswith("2023-11-15 00:00:3") and "\n1.50 expected, USDT\n1.15 net, USDT" in text for text in said
    ), said
    assert any(text.endswith("\nnothing ran") for text in said)


def test_a_figure_is_stretched_by_dragging_and_whole_again_by_its_button(
    pages: dict[str, Path],
) -> None:
    async def see(page: Tab) -> list[str]:
        left, top, width, height = await box(page)
        texts = [await page.run(f"{FIGURE}.textContent")]
        drawing = [await page.run(f"{FIGURE}.querySelector('g[data-line] path').getAttribute('d')")]
        await page.pointer("mousePressed", left + width * 0.2, top + height / 2)
        await page.pointer("mouseMoved", left + width * 0.3, top + height / 2)
        await page.pointer("mouseReleased", left + width * 0.4, top + height / 2)
        drawing.append(await page.run(f"{FIGURE}.querySelector('g[data-line] path').getAttribute('d')"))
        texts.append(await page.run(f"{FIGURE}.textContent"))
        await page.run("document.querySelector('figure .whole').click()")
        drawing.append(await page.run(f"{FIGURE}.querySelector('g[data-line] path').getAttribute('d')"))
        texts.append(await page.run(f"{FIGURE}.textContent"))
        first, stretched, again = drawing
        assert first == again != stretched
        return texts

    first, stretched, again = with_browser(pages["live"], 1280, see)
    assert first == again != stretched and ":00:4" in stretched


@pytest.mark.parametrize("name", ["live", "static"])
@pytest.mark.parametrize("width", [400, 1280, 1920])
def test_the_page_never_scrolls_sideways_and_breaks_no_rule_of_its_own(
    name: str, width: int, pages: dict[str, Path]
) -> None:
    async def see(page: Tab) -> tuple[int, int, str]:
        whole = await page.run("document.documentElement.scrollWidth")
        inner = await page.run("document.documentElement.clientWidth")
        return (
            whole,
            inner,
            await page.run(f"getComputedStyle({FIGURE}.querySelector('g[data-line] path, path')).stroke"),
        )

    whole, inner, _ = with_browser(pages[name], width, see)
    assert whole <= inner <= width


def test_one_click_marks_the_whole_summary_to_copy(pages: dict[str, Path]) -> None:
    async def see(page: Tab) -> str:
        left, top = await page.run(
            "(b => [b.x + 30, b.y + 20])(document.querySelector('.brief p').getBoundingClientRect())"
        )
        await page.pointer("mousePressed", left, top)
        await page.pointer("mouseReleased", left, top)
        return str(await page.run("getSelection().toString()"))

    text = with_browser(pages["static"], 400, see)
    assert "74 s of trading in 3 runs (sandbox) between 2023-11-15" in text
    assert "4 pairs earned 4.60 USDT after all fees" in text and "What went wrong" in text
