"""What a start with `[run] symbols = "auto"` chooses: by the rules, and by what the journal holds, whatever the rules say."""

import asyncio
from collections.abc import Collection
from decimal import Decimal

import msgspec
import pytest

from arb.app.choosing import MarketChooser
from arb.app.market_reader import Overview
from arb.clock import NS_PER_S, ManualClock
from arb.config import RunSettings, Settings, VenuesSettings
from arb.config.settings import AUTO
from arb.core.messages.recovery_records import AgreedAccount, AgreedRecord, OpenPair, Residual, ResidualsRecord
from arb.core.messages.settings import ChoiceRules
from arb.errors import CheckFailed, VenueUnreachable
from arb.market.listing import Listed, Ticker
from arb.market.wallets import Wallets
from arb.store.journal.reader import JournalState
from tests.builders import an_instrument
from tests.unit.store.rows import a_pair, a_plan
from tests.virtual import a_clock, run_virtual

D = Decimal
VENUES = ("gate", "okx")
RULES = ChoiceRules(min_volume_quote=D(1000), top=2, exclude_symbols=("NOT/USDT",))
NEW = JournalState(last_seq=0, last_run_id=0, control=None, pairs=())


def listed(venue: str, symbol: str, volume: int) -> Listed:
    ticker = Ticker(bid=D(100), bid_size=D(1), ask=D("100.1"), ask_size=D(1), volume_quote=D(volume))
    return Listed(an_instrument(venue, symbol), ticker)


class Reader:
    """Answers with what it was given, the last of it again and again; of a venue that is `silent` with nothing."""

    def __init__(self, silent: Collection[str] = (), answers_after: int = 0, **volumes: int) -> None:
        self._volumes = volumes
        self._silent = silent
        self._answers_after = answers_after
        self.asked = 0

    async def read(self, quote: str, venues: Collection[str] | None = None, wallets: Wallets | None = None) -> Overview:
        self.asked += 1
        silent = self._silent if self.asked > self._answers_after else VENUES
        found = {
            venue: tuple(listed(venue, f"{base}/{quote}", volume) for base, volume in self._volumes.items())
            for venue in VENUES
            if venue not in silent
        }
        return Overview(found, {venue: f"{venue}: no answer" for venue in silent}, Wallets())


def a_chooser(reader: Reader, clock: ManualClock | None = None, **venues: tuple[str, ...]) -> MarketChooser:
    settings = Settings(run=RunSettings(symbols=AUTO, auto=RULES))
    of = settings.venues.every()
    changed = {venue: msgspec.structs.replace(of[venue], symbols=symbols) for venue, symbols in venues.items()}
    settings = msgspec.structs.replace(settings, venues=VenuesSettings(**(of | changed)))
    return MarketChooser(settings, reader, None, clock or a_clock())  # type: ignore[arg-type]


def first(reader: Reader, left: JournalState = NEW) -> tuple[str, ...]:
    """Return what a start chooses."""
    clock = a_clock()
    return run_virtual(a_chooser(reader, clock).first(left), clock).run.symbols


def held(**totals: str) -> JournalState:
    """Return a journal by which two accounts hold half of these amounts each."""
    half = {asset: D(total) / 2 for asset, total in totals.items()}
    accounts = tuple(AgreedAccount(f"{venue}:a", 1, half) for venue in VENUES)
    return msgspec.structs.replace(NEW, agreed=AgreedRecord(accounts=accounts))


def test_a_new_run_goes_by_the_rules() -> None:
    assert first(Reader(AAA=5000, BBB=9000, CCC=7000, DDD=10, NOT=9999)) == ("BBB/USDT", "CCC/USDT")


def test_what_was_held_at_last_is_chosen_first_unless_it_is_dust_or_excluded() -> None:
    reader = Reader(AAA=5000, BBB=9000, DDD=10, EEE=10, NOT=9999)
    left = held(DDD="1", EEE="0.04", NOT="5", USDT="100", GONE="7", CCC="-3")  # 100, 4, 500 USDT of them
    assert first(reader, left) == ("DDD/USDT", "BBB/USDT")


def test_what_pairs_have_open_or_have_left_is_chosen_though_nobody_lists_it() -> None:
    plan = a_plan(1, symbol="GONE/USDT")
    residual = Residual("LEFT/USDT", D(1), D(1), 0)
    residuals = ResidualsRecord(account_ids=("gate:a",), dust=(residual,), carried=())
    pair = OpenPair(plan=plan, pair=a_pair(1), orders=(), fills=())
    left = msgspec.structs.replace(NEW, pairs=(pair,), residuals=residuals)
    assert first(Reader(AAA=5000), left) == ("GONE/USDT", "LEFT/USDT")
    reader = Reader(AAA=5000, silent=VENUES)
    assert first(reader, left) == ("GONE/USDT", "LEFT/USDT") and reader.asked == 1  # open legs wait for nobody


def test_a_start_waits_a_minute_for_two_venues() -> None:
    reader = Reader(AAA=5000, answers_after=3)
    assert first(reader) == ("AAA/USDT",) and reader.asked == 4
    clock = a_clock()
    began_ns, reader = clock.wall_ns(), Reader(AAA=5000, silent=("okx",))
    with pytest.raises(CheckFailed, match="fewer than two venues answer, so nothing can be chosen: okx: no answer"):
        run_virtual(a_chooser(reader, clock).first(), clock)
    assert (clock.wall_ns() - began_ns) // NS_PER_S == 60


def test_nothing_that_is_fit_is_said() -> None:
    with pytest.raises(CheckFailed, match=r"the rules of \[run.auto\] choose nothing"):
        first(Reader(AAA=10))


def test_while_it_runs_every_venue_must_answer_and_each_trades_its_own_list() -> None:
    chooser = a_chooser(Reader(AAA=5000, BBB=9000), okx=("AAA/USDT", "CCC/USDT"))
    assert asyncio.run(chooser.choose(VENUES)) == {"gate": ("BBB/USDT", "AAA/USDT"), "okx": ("AAA/USDT",)}
    with pytest.raises(VenueUnreachable, match="okx: no answer"):
        asyncio.run(a_chooser(Reader(AAA=5000, silent=("okx",))).choose(VENUES))
