"""The pictures of the page and the report in docs/, made by `make screenshots`: Chromium on a sandbox run of one minute.

They show a real run, so each time other figures.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.support.browser import Tab, a_tab

RUN_S, BEGIN_S = 75, 45
"""How long the run trades, and after how long the pictures begin."""
SHOWN = "document.querySelector('main h1') && !document.querySelector('main').hasAttribute('aria-busy')"
REPAIRED = "SELECT id FROM pair_trades WHERE state = 'completed' AND hedge_cost_e8 < 0 ORDER BY decided_ns DESC LIMIT 1"
"""The latest pair of which a leg fell short and was completed: it has the most to show."""


async def take(folder: Path) -> None:
    """Run, and write `ui-now.png`, `ui-story.png`, `ui-waterfall.png` and `report.png` into `folder`."""
    arb = (sys.executable, "-m", "arb")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with tempfile.TemporaryDirectory() as place:
        run = await asyncio.create_subprocess_exec(
            *arb, "run", "--for", f"{RUN_S}s", "--seed", "7", cwd=place, env=environment
        )
        await asyncio.sleep(BEGIN_S)
        page = await asyncio.create_subprocess_exec(
            *arb, "ui", "--port", "0", "--json", cwd=place, env=environment, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert page.stdout is not None
            begun = json.loads(await page.stdout.readline())
            token = (Path(place) / begun["token_file"]).read_text().strip()
            async with a_tab() as tab:
                await tab.size(1280)
                await shown(tab, f"{begun['address']}#{token}", folder / "ui-now.png")
                await shown(tab, f"{begun['address']}?page=waterfall", folder / "ui-waterfall.png")
                question = await asyncio.create_subprocess_exec(
                    *arb, "sql", "--csv", REPAIRED, cwd=place, env=environment, stdout=asyncio.subprocess.PIPE
                )
                pair = (await question.communicate())[0].decode().split()[-1]
                await tab.size(1280, height=1000)
                await shown(tab, f"{begun['address']}?page=story&id={pair}", folder / "ui-story.png")
                await run.wait()
                report = await asyncio.create_subprocess_exec(
                    *arb, "report", "--html", "report.html", cwd=place, env=environment
                )
                await report.wait()
                await tab.size(1000, height=1240)
                await shown(
                    tab, (Path(place) / "report.html").as_uri(), folder / "report.png", "document.querySelector('svg')"
                )
        finally:
            page.terminate()
            await page.wait()


async def shown(tab: Tab, address: str, picture: Path | None = None, wanted: str = SHOWN) -> None:
    """Open an address, wait until it is drawn, and keep a picture."""
    await tab.open("about:blank")
    await tab.open(address)
    await tab.until(wanted)
    await asyncio.sleep(2)  # charts and figures of the running engine arrive after the page
    if picture is not None:
        await tab.picture(picture)


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1]).resolve()))
