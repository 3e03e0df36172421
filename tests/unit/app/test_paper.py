"""What a paper run is built from: a ledger that mixes with no other, and questions that go the way of their site."""

import asyncio
import random
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from arb.app.build import require_kind, sites_of
from arb.app.paper import build_paper_gateways
from arb.app.run import Run
from arb.clock import ManualClock
from arb.config import Mode, RunOptions, Settings
from arb.config.loader import load_text
from arb.core.books import Books
from arb.core.events import RunStarted
from arb.core.records import RunRecord
from arb.errors import ConfigError, VenueUnreachable
from arb.live.parts import Parts
from arb.store.account_file import AccountFile
from arb.store.journal import Journal
from tests.unit.store.rows import T0, keep
from tests.unit.venues.test_site_headers import Nowhere
from tests.virtual import a_clock, run_virtual


def a_journal(mode: str, sandbox_id: str | None) -> Journal:
    """Return the journal of one run of a mode."""
    journal = Journal.in_memory(ManualClock(T0), random.Random(1))
    started = RunStarted(
        seq=1, t_ns=T0, run_id=1, nonce=1, mode=mode, sandbox_id=sandbox_id, account_ids={}, seed=None, version="t"
    )
    run = RunRecord(id=1, mode=mode, sandbox_id=sandbox_id, seed=None, version="t", started_ns=T0)
    journal.append(started, keep(1, run))
    return journal


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (("sandbox", "s"), ("paper", True)),
        (("live", None), ("paper", False)),
        (("replay", None), ("paper", False)),
        (("paper", "s"), ("paper", False)),
        (("paper", None), ("paper", True)),
        (("paper", None), ("live", False)),
        (("paper", "s"), ("sandbox", True)),
    ],
)
def test_a_ledger_of_another_kind_is_refused(before: tuple[str, str | None], now: tuple[str, bool]) -> None:
    mode, sandbox = now
    with pytest.raises(ConfigError, match="choose another --db"):
        require_kind(a_journal(*before), mode, sandbox=sandbox)


@pytest.mark.parametrize(("sandbox_id", "sandbox"), [("s", True), (None, False)])
def test_paper_goes_on_in_its_own_ledger(sandbox_id: str | None, sandbox: bool) -> None:
    require_kind(a_journal("paper", sandbox_id), "paper", sandbox=sandbox)
    require_kind(Journal.in_memory(ManualClock(T0), random.Random(1)), "paper", sandbox=sandbox)


DEMOS = '[venues.gate]\nenabled = false\n[venues.okx]\nenvironment = "demo"\n[venues.bitget]\nenvironment = "demo"\n'


@pytest.mark.parametrize(("first", "then"), [("", DEMOS), (DEMOS, "")])
def test_demos_and_real_venues_share_no_ledger_whatever_is_asked_for(tmp_path: Path, first: str, then: str) -> None:
    db = f"sqlite:///{tmp_path}/a.sqlite"

    async def begin(text: str) -> str:
        settings = load_text(text, Settings, "config.toml")
        run = Run(settings, RunOptions(mode=Mode.PAPER, db=db), live_view=False)
        with closing(Journal.open(tmp_path / "a.journal.sqlite", a_clock())) as journal:
            async with run._gateways(journal, None):
                return run._mark

    assert asyncio.run(begin(first)) == ("PAPER DEMO" if first else "PAPER")
    with pytest.raises(ConfigError, match="choose another --db"):
        asyncio.run(begin(then))


def no_books() -> Books:
    """Return what nothing asks for before a run trades."""
    raise AssertionError("no order is under way")


def test_what_is_read_of_a_venue_goes_by_the_runs_own_network_to_the_site_that_is_set(tmp_path: Path) -> None:
    settings = load_text(DEMOS, Settings, "config.toml")
    clock, network, sites = a_clock(), Nowhere(), sites_of(settings, None)

    async def story() -> None:
        for gateway in gateways.values():
            with pytest.raises(VenueUnreachable, match="nowhere"):
                await gateway.start()
            await gateway.close()

    with closing(AccountFile(tmp_path / "a.journal.sqlite", random.Random(1), "demo")) as accounts:
        gateways = build_paper_gateways(settings, sites, accounts, no_books, clock, random.Random(1), network, None)
        run_virtual(story(), clock)
    asked = {(urlsplit(request.url).hostname, *request.headers) for request in network.requests}
    assert asked == {("www.okx.com", "x-simulated-trading"), ("api.bitget.com", "paptrading")}


def test_paper_on_real_feeds_asks_whether_tickers_are_the_same_coins_and_refuses_none(tmp_path: Path) -> None:
    options = RunOptions(mode=Mode.PAPER, db=f"sqlite:///{tmp_path}/a.sqlite")

    async def story() -> Parts:
        run, journal = Run(Settings(), options, live_view=False), Journal.open(tmp_path / "a.journal.sqlite", a_clock())
        with closing(journal):
            async with run._gateways(journal, None) as (gateways, claims):
                return run._parts(journal, None, gateways, claims)

    parts = asyncio.run(story())
    assert (parts.mode, parts.sandbox_id) == ("paper", None)
    coins = parts.settings.coins
    assert coins is not None and not coins.refuse_unproved and {coin.ticker for coin in coins.coins} >= {"BTC", "USDT"}
