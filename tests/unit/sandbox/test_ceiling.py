"""The clairvoyant's arithmetic: by hand, and never below what any single size would earn."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from arb.sandbox.ceiling import Ceiling, best_net
from arb.sandbox.exchange import SimExchange
from tests.unit.sandbox.makings import SYMBOL, an_exchange, quote


def two_venues(
    asks: list[tuple[str, str]], bids: list[tuple[str, str]], buy_fee_in: str
) -> tuple[SimExchange, SimExchange]:
    """Return a venue with asks and another with bids."""
    buyer, seller = an_exchange(buy_fee_in), an_exchange("quote")
    object.__setattr__(seller.profile, "name", "other")
    for price, size in asks:
        quote(buyer, "sell", price, size)
    for price, size in bids:
        quote(seller, "buy", price, size)
    return buyer, seller


def test_no_profit_after_fees_is_zero() -> None:
    assert best_net(SYMBOL, *two_venues([("100", "1")], [("100.4", "1")], "quote")) == 0


def test_a_quote_fee_pair_by_hand() -> None:
    """Buy 1 at 100 paying 100.2, sell 1 at 102 getting 101.796."""
    assert best_net(SYMBOL, *two_venues([("100", "1")], [("102", "1")], "quote")) == Decimal("1.596")


def test_a_base_fee_pair_buys_more_and_sells_the_residual_too() -> None:
    """Sell 0.998; buy 1.000 keeps 0.998 exactly: paid 100, got 0.998 * 102 * 0.998."""
    assert best_net(SYMBOL, *two_venues([("100", "1")], [("102", "5")], "base")) == Decimal("1.592408")


def test_levels_that_do_not_pay_are_left() -> None:
    buyer, seller = two_venues([("100", "1"), ("103", "9")], [("102", "2")], "quote")
    assert best_net(SYMBOL, buyer, seller) == Decimal("1.596")


def test_an_episode_counts_once_at_its_best() -> None:
    buyer, seller = two_venues([("100", "1")], [("102", "1")], "quote")
    ceiling = Ceiling([buyer, seller])
    assert ceiling.observe(SYMBOL)
    quote(seller, "buy", "102", "0.5")
    assert ceiling.observe(SYMBOL)
    assert ceiling.totals() == {"USDT": Decimal("1.596")}
    quote(seller, "buy", "102", "0")
    assert not ceiling.observe(SYMBOL)
    quote(seller, "buy", "102", "1")
    ceiling.observe(SYMBOL)
    assert ceiling.totals() == {"USDT": Decimal("3.192")}


levels = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 20)), min_size=1, max_size=6)


@given(levels, levels, st.sampled_from(["base", "quote"]))
def test_the_size_found_is_within_one_lot_of_the_best_of_all_sizes(
    ask_rows: list[tuple[int, int]], bid_rows: list[tuple[int, int]], buy_fee_in: str
) -> None:
    asks = [(str(Decimal(1000 + t) / 10), str(Decimal(n) / 1000)) for t, n in dict(ask_rows).items()]
    bids = [(str(Decimal(1000 + t) / 10), str(Decimal(n) / 1000)) for t, n in dict(bid_rows).items()]
    buyer, seller = two_venues(asks, bids, buy_fee_in)
    found = best_net(SYMBOL, buyer, seller)
    best = max(net_of(buyer, seller, lots) for lots in range(1, 121))
    one_lot = Decimal("0.001") * 3
    assert found <= best + Decimal("1e-20") or best <= 0
    assert found >= best - one_lot or (found == 0 and best <= one_lot)


def net_of(buyer: SimExchange, seller: SimExchange, lots: int) -> Decimal:
    """Return the net of selling so many lots, computed with plain Decimals."""
    fee, lot = Decimal("0.002"), Decimal("0.001")
    sell = lots * lot
    kept = 1 - fee if buyer.profile.buy_fee_in == "base" else Decimal(1)
    buy = (-(-sell // (lot * kept))) * lot
    buy = buy if buy * kept >= sell else buy + lot
    cost, got = walk(buyer, False, buy), walk(seller, True, sell)
    if cost is None or got is None:
        return Decimal(-1)
    beyond = walk(seller, True, buy * kept) or got
    paid = cost if kept != 1 else cost * (1 + fee)
    return (1 - fee) * max(got, beyond) - paid


def walk(exchange: SimExchange, is_bid: bool, size: Decimal) -> Decimal | None:
    """Return the quote exchanged for a size, None beyond the depth."""
    total = Decimal(0)
    for price, available in exchange.market(SYMBOL).levels(is_bid, 99):
        part = min(size, Decimal(available))
        total, size = total + part * Decimal(price), size - part
    return total if size == 0 else None
