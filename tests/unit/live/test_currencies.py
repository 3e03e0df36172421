"""Currency lists beside a run: asked for at the start, within bounds, and again and again; only changes are reported."""

import asyncio

import pytest

from arb.clock import NS_PER_S
from arb.core.messages.events import AnyEvent, CurrenciesListed
from arb.errors import EXIT_OK, VenueBusy, VenueError, VenueRejected
from arb.live.node import CURRENCIES_WAIT_S
from arb.live.tasks import keep_currencies
from arb.market.wallets import CurrencyChain
from arb.venues.paper.gateway import PaperGateway
from tests.unit.live.test_executor import FakeGateway
from tests.unit.live.test_node import Bench, at_once
from tests.unit.live.test_tasks import for_seconds

ASSETS = ("BTC", "USDT")


def chain(asset: str, *, is_open: bool = True) -> CurrencyChain:
    return CurrencyChain(asset=asset, named="X", deposit=is_open, withdrawal=True)


def a_list(*, btc: bool = True, usdt: bool = True) -> CurrenciesListed:
    return CurrenciesListed(
        venue="gate", assets=ASSETS, chains=(chain("BTC", is_open=btc), chain("USDT", is_open=usdt))
    )


class Lister(FakeGateway):
    """A gateway whose answers are given, the last again and again."""

    def __init__(self, *answers: CurrenciesListed | VenueError | None) -> None:
        super().__init__("gate", [])
        self.answers = list(answers)
        self.asked = 0

    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:  # type: ignore[override]
        self.asked += 1
        answer = self.answers.pop(0) if self.answers[1:] else self.answers[0]
        if isinstance(answer, VenueError):
            raise answer
        return answer


def kept(gateway: Lister, first: CurrenciesListed | None, seconds: float = 10) -> list[AnyEvent]:
    reported: list[AnyEvent] = []
    for_seconds(seconds + 0.5, lambda: keep_currencies(gateway, lambda: ASSETS, first, 1, reported.append))
    return reported


def test_a_list_is_read_again_and_again_and_what_has_not_changed_is_not_reported() -> None:
    gateway = Lister(a_list(), a_list(btc=False), a_list(btc=False), a_list())
    assert kept(gateway, a_list()) == [
        CurrenciesListed(venue="gate", assets=("BTC",), chains=(chain("BTC", is_open=False),)),
        CurrenciesListed(venue="gate", assets=("BTC",), chains=(chain("BTC"),)),
    ]
    assert gateway.asked == 10


def test_what_was_not_read_at_the_start_is_reported_whole_once_it_is() -> None:
    assert kept(Lister(VenueBusy("gate", "429"), a_list()), None) == [a_list()]


def test_an_asset_that_leaves_the_list_is_reported_without_chains() -> None:
    gone = CurrenciesListed(venue="gate", assets=ASSETS, chains=(chain("BTC"),))
    assert kept(Lister(gone), a_list()) == [CurrenciesListed(venue="gate", assets=("USDT",), chains=())]


def test_a_list_that_cannot_be_read_leaves_what_was_known() -> None:
    assert kept(Lister(VenueRejected("gate", "no"), a_list()), a_list()) == []


def test_a_venue_that_shows_no_list_is_not_asked_again() -> None:
    gateway = Lister(None)
    assert kept(gateway, None) == []
    assert gateway.asked == 1


def test_an_asset_that_is_traded_from_now_on_is_asked_for_soon() -> None:
    gateway, asked = Lister(a_list()), list[None]()

    def assets() -> tuple[str, ...]:
        asked.append(None)
        return ASSETS if len(asked) > 3 else ASSETS[:1]

    first = CurrenciesListed(venue="gate", assets=("BTC",), chains=(chain("BTC"),))
    for_seconds(10, lambda: keep_currencies(gateway, assets, first, 3600, lambda _: None))
    assert gateway.asked == 1


# At the start.


class Lists(PaperGateway):
    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:
        return CurrenciesListed(venue=self.venue, assets=assets, chains=tuple(map(chain, assets)))


class Silent(PaperGateway):
    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:
        await asyncio.Event().wait()
        return None


class Refuses(PaperGateway):
    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:
        raise VenueRejected(self.venue, "no such right")


def test_lists_of_what_is_traded_are_in_the_journal_before_trading_begins() -> None:
    bench = Bench(Lists)
    assert bench.run(at_once) == EXIT_OK
    listed = [event for event in bench.events() if isinstance(event, CurrenciesListed)]
    assert [(event.venue, event.assets) for event in listed] == [("gate", ASSETS), ("okx", ASSETS)]
    assert bench.node.engine.state.trapped.wallets.of("okx", "USDT") == (chain("USDT"),)


@pytest.mark.parametrize("make_gateway", [Silent, Refuses])
def test_a_start_waits_for_no_list_for_long_and_fails_for_none(make_gateway: type[PaperGateway]) -> None:
    bench = Bench(make_gateway)
    before_ns = bench.clock.wall_ns()
    assert bench.run(at_once) == EXIT_OK
    assert bench.clock.wall_ns() - before_ns < (CURRENCIES_WAIT_S + 5) * NS_PER_S
    assert not [event for event in bench.events() if isinstance(event, CurrenciesListed)]
