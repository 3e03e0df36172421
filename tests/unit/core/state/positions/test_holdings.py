"""What an engine says of its inventory to whoever plans moves: holdings less reservations, wallets, prices."""

from arb.core.messages.events import CurrenciesListed
from arb.core.state.positions.holdings import Held, known_inventory
from arb.market.wallets import CurrencyChain
from tests.builders import Bench, D
from tests.unit.core.trades.test_trade import crossed

BITCOIN = CurrencyChain(asset="BTC", named="BTC", chain="bitcoin", withdrawal=True, withdrawal_fee=D("0.0001"))


def test_what_open_pairs_have_reserved_is_held_but_not_free() -> None:
    bench = Bench()
    crossed(bench)
    held = known_inventory(bench.engine.state, bench.now_ns).held
    assert held["okx"]["BTC"] == Held(D(2), D(1))
    assert held["gate"]["BTC"] == Held(D(2), D(2))
    assert held["gate"]["USDT"].free < held["gate"]["USDT"].total == 100_000


def test_a_venue_that_has_not_answered_is_absent_and_an_asset_that_it_does_not_name_is_nothing() -> None:
    bench = Bench(venues=("gate", "okx", "bitget"), absent={"bitget": "down"}, balances={"USDT": "5"})
    known = known_inventory(bench.engine.state, bench.now_ns)
    assert known.held == {venue: {"BTC": Held(D(0), D(0)), "USDT": Held(D(5), D(5))} for venue in ("gate", "okx")}
    assert known.chains == {}
    assert known.ns == bench.now_ns


def test_wallets_are_those_listed_last_and_prices_those_of_the_books() -> None:
    bench = Bench()
    bench.tell(CurrenciesListed(venue="gate", assets=("BTC",), chains=(BITCOIN,)))
    bench.quote("gate", "999x1", "1001x1")
    known = known_inventory(bench.engine.state, bench.now_ns)
    assert known.chains == {"gate": (BITCOIN,)}
    assert known.prices == {"BTC": D(1000), "USDT": D(1)}
