"""What one base sells for, as the guard beside the signer must know it: by books of real feeds, live and gone."""

from decimal import Decimal

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.books.sale_price import NOTED_EVERY_NS, REMEMBERED_NS
from arb.core.messages.events import FeedDown
from tests.builders import D
from tests.support.floor import BTC, ETH, Floor, listed

VENUES = ("gate", "okx", "bitget")


def a_floor(**bids: str) -> Floor:
    """Return an engine whose venues' books of BTC have these best bids."""
    floor = Floor(instruments=listed(VENUES, (BTC, ETH)), venues=VENUES)
    for venue, bid in bids.items():
        floor.whole(venue, BTC, f"{bid}x5", "99999x5")
    return floor


def price(floor: Floor, symbol: str = BTC) -> Decimal | None:
    return floor.engine.state.sale_price(symbol, floor.now_ns)


def lose(floor: Floor, *venues: str) -> None:
    for venue in venues:
        floor.tell(FeedDown(venue=venue, cause="lost"))


def test_a_symbol_of_which_no_book_has_shown_a_bid_has_no_price() -> None:
    floor = a_floor()
    assert price(floor) is None
    floor.whole("gate", BTC, "", "100x5")
    assert price(floor) is None
    assert price(floor, "DOGE/USDT") is None


@pytest.mark.parametrize(
    ("bids", "expected"),
    [
        ({"gate": "100"}, "100"),
        ({"gate": "100", "okx": "101"}, "101"),  # of two, the one that bounds more
        ({"gate": "100", "okx": "101", "bitget": "102"}, "101"),
        ({"gate": "0.1", "okx": "101", "bitget": "102"}, "101"),  # no single absurd book decides
        ({"gate": "100", "okx": "99998", "bitget": "102"}, "102"),
    ],
)
def test_the_bid_of_the_venue_in_the_middle_is_the_price(bids: dict[str, str], expected: str) -> None:
    assert price(a_floor(**bids)) == D(expected)


def test_a_book_that_is_gone_counts_no_more_while_another_is_live() -> None:
    floor = a_floor(gate="100", okx="101")
    lose(floor, "okx")
    assert price(floor) == D(100)


def test_where_every_book_is_gone_what_they_showed_last_counts_for_an_hour() -> None:
    floor = a_floor(gate="100", okx="101", bitget="102")
    lose(floor, *VENUES)
    floor.wait_ms(REMEMBERED_NS // NS_PER_MS)
    assert price(floor) == D(101)
    floor.wait_ms(1)
    assert price(floor) is None
    floor.whole("okx", BTC, "55x1", "56x1")
    assert price(floor) == D(55)


def test_the_bid_is_noted_again_every_second() -> None:
    floor = a_floor(gate="100")
    floor.wait_ms(NOTED_EVERY_NS // NS_PER_MS - 1)
    floor.change("gate", BTC, "150x1", "")
    floor.wait_ms(1)
    floor.change("gate", BTC, "160x1", "")
    floor.change("gate", BTC, "170x1", "")
    assert price(floor) == D(170)
    lose(floor, "gate")
    assert price(floor) == D(160)


def test_a_clock_that_is_put_back_does_not_end_the_notes() -> None:
    floor = a_floor(gate="100")
    floor.now_ns -= 3600 * NS_PER_S
    floor.change("gate", BTC, "200x1", "")
    lose(floor, "gate")
    assert price(floor) == D(200)


def test_what_a_retired_book_showed_is_not_forgotten() -> None:
    floor = a_floor(gate="100")
    floor.books.retire("gate", BTC)
    assert price(floor) == D(100)
