"""What venues list in common, and the edge between their best quotes."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from arb.market.instrument import FeeIn
from arb.market.listing import NOBODY, Change, CommonSymbol, Listed, Ticker, changes, common_symbols
from tests.builders import an_instrument

D = Decimal
PRICES = st.decimals("0.0001", "100000", places=4)
FEES = st.decimals("-0.001", "0.01", places=4)


def listed(
    venue: str,
    bid: str | None = "99",
    ask: str | None = "100",
    volume: str = "1000",
    *,
    symbol: str = "BTC/USDT",
    **rules: object,
) -> Listed:
    """Return a symbol at a venue, with a fee of 10 bps charged in base."""
    ticker = Ticker(
        bid=None if bid is None else D(bid),
        bid_size=D(2),
        ask=None if ask is None else D(ask),
        ask_size=D(3),
        volume_quote=D(volume),
    )
    return Listed(an_instrument(venue, symbol, **({"taker_fee": D("0.001"), "buy_fee_in": FeeIn.BASE} | rules)), ticker)


def common(*each: Listed) -> CommonSymbol:
    [found] = common_symbols({one.instrument.venue: [one] for one in each})
    return found


def test_only_what_two_venues_list_is_common_and_the_busiest_at_two_stands_first() -> None:
    gate = [
        listed("gate", volume="900"),
        listed("gate", symbol="ETH/USDT", volume="50"),
        listed("gate", symbol="LONE/USDT"),
    ]
    okx = [listed("okx", volume="10"), listed("okx", symbol="ETH/USDT", volume="60"), listed("okx", symbol="ETH/EUR")]
    found = common_symbols({"gate": gate, "okx": okx})
    assert [(each.symbol, each.volume_quote) for each in found] == [("ETH/USDT", D(50)), ("BTC/USDT", D(10))]
    assert common_symbols({"gate": gate, "okx": okx}, min_venues=3) == []
    assert [each.symbol for each in common_symbols({"gate": gate, "okx": okx}, min_venues=1, quote="EUR")] == [
        "ETH/EUR"
    ]


def test_the_edge_is_what_one_unit_leaves_after_both_fees() -> None:
    # Buy at 100 and keep 0.999; sell 0.999 at 102 and keep 0.999 of that: 101.796102.
    edge, back = common(listed("gate"), listed("okx", "102", "103")).edges()
    assert (edge.buy_venue, edge.sell_venue, edge.size) == ("gate", "okx", D(2))
    assert edge.edge_bps == D("179.610200")
    assert (back.buy_venue, back.sell_venue) == ("okx", "gate") and back.edge_bps < 0


def test_a_fee_in_quote_is_paid_on_top() -> None:
    quoted = listed("gate", buy_fee_in=FeeIn.QUOTE)
    [edge, _] = common(quoted, listed("okx", "102", "103")).edges()
    assert edge.edge_bps == round((D(102) * D("0.999") / D("100.1") - 1) * 10_000, 6)


def test_what_is_not_traded_quoted_or_of_known_fee_has_no_edge() -> None:
    whole = listed("gate")
    for other in (
        listed("okx", None),
        listed("okx", "102", None),
        listed("okx", "103", "102"),
        listed("okx", tradable=False),
        listed("okx", taker_fee=None),
        Listed(an_instrument("okx"), NOBODY),
    ):
        assert common(whole, other).best_edge() is None


def test_the_best_edge_is_that_of_venues_one_may_trade_between() -> None:
    symbol = common(listed("gate"), listed("okx", "102", "103"), listed("bitget", "110", "111"))
    assert symbol.edges()[0].sell_venue == "bitget"
    edge = symbol.best_edge(lambda one, other: "bitget" not in (one, other))
    assert edge is not None and (edge.buy_venue, edge.sell_venue) == ("gate", "okx")


def test_the_smallest_order_is_the_greatest_of_the_minimums() -> None:
    assert listed("gate", min_size=D("0.5"), min_notional=D(3), lot=D("0.1")).min_order_quote == 50
    assert listed("gate", min_size=D("0.01"), min_notional=D(3), lot=D("0.001")).min_order_quote == 3
    assert listed("gate", min_size=D(0), min_notional=D(0), lot=D(1)).min_order_quote == 100
    assert listed("gate", ask=None).min_order_quote is None


@given(PRICES, PRICES, FEES, FEES)
def test_no_two_venues_have_an_edge_both_ways_when_fees_are_paid(one: D, other: D, buy_fee: D, sell_fee: D) -> None:
    symbol = common(
        listed("gate", str(one), str(one), taker_fee=abs(buy_fee)),
        listed("okx", str(other), str(other), taker_fee=abs(sell_fee)),
    )
    there, back = symbol.edges()
    assert there.edge_bps >= back.edge_bps and not (there.edge_bps > 0 and back.edge_bps > 0)


def test_what_changed_in_a_listing_is_named_once_each() -> None:
    rules = {name: an_instrument("gate", f"{name}/USDT") for name in ("SAME", "GONE", "OPEN", "SHUT", "ENDS", "FEE")}
    rules["SHUT"] = an_instrument("gate", "SHUT/USDT", tradable=False)
    after = dict(rules)
    del after["GONE"]
    after["NEW"] = an_instrument("gate", "NEW/USDT")
    after["OPEN"] = an_instrument("gate", "OPEN/USDT", tradable=False)
    after["SHUT"] = an_instrument("gate", "SHUT/USDT")
    after["ENDS"] = an_instrument("gate", "ENDS/USDT", ends_ns=5)
    after["FEE"] = an_instrument("gate", "FEE/USDT", taker_fee=D("0.005"))
    found = [
        (each.symbol.removesuffix("/USDT"), each.change) for each in changes("gate", rules.values(), after.values())
    ]
    assert found == [
        ("ENDS", Change.ENDING),
        ("GONE", Change.UNLISTED),
        ("NEW", Change.LISTED),
        ("OPEN", Change.HALTED),
        ("SHUT", Change.RESUMED),
    ]
    assert changes("gate", after.values(), after.values()) == []
