"""A venue that bars an instrument: nothing is sent there until its listing has changed, and repairs go elsewhere at once."""

from decimal import Decimal

import msgspec
import pytest

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import InstrumentListed, OutcomeUnknown
from arb.core.messages.records import IncidentRecord
from arb.core.messages.recovery_records import ControlRecord
from arb.market.instrument import Instrument
from arb.market.order import OrderStatus
from tests.builders import SYMBOL, Bench, a_refusal, an_instrument
from tests.unit.core.orders.test_unknown import prove_absent, status
from tests.unit.core.trades.test_trade import accept, crossed, fill, refuse

VENUES = ("gate", "okx", "bitget")
THIRD = ("100.5x5", "101.5x5")


def bar(bench: Bench, order: PlaceOrder) -> None:
    """Let the venue refuse an order because the account may not trade the instrument."""
    bench.tell(a_refusal(order, "51155", at_ns=bench.now_ns, bars=True))


def refuse_by_unknown_code(bench: Bench, order: PlaceOrder) -> None:
    """Let the venue refuse an order by a code that nobody knows."""
    bench.tell(
        OutcomeUnknown(
            venue=order.venue,
            client_order_id=order.client_order_id,
            cause="59999 no",
            sent_ns=bench.now_ns,
            status=400,
            refused=True,
        )
    )


def one_legged(venues: tuple[str, ...] = VENUES, **details: object) -> tuple[Bench, PlaceOrder]:
    """Return a bench of three venues whose buy leg has filled at gate, and the sell order at okx that is not answered yet."""
    bench = Bench(venues=venues, **details)  # type: ignore[arg-type]
    if "bitget" in venues:
        bench.quote("bitget", *THIRD)
    buy, sell = crossed(bench)
    assert (buy.venue, sell.venue) == ("gate", "okx")
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    return bench, sell


def quote_all(bench: Bench) -> None:
    """Show the same books again a second later, so that any may be used."""
    bench.wait_ms(1000)
    for venue, book in {"gate": ("99.9x5", "100x1"), "okx": ("101x1", "101.2x5"), "bitget": THIRD}.items():
        if venue in bench.venues:
            bench.quote(venue, *book)


def again(bench: Bench) -> list[PlaceOrder]:
    """Show the same edge on fresh books; return what is placed."""
    before = len(bench.placed())
    quote_all(bench)
    bench.drain()
    return bench.placed()[before:]


def halted_at(bench: Bench) -> set[tuple[str, str]]:
    """Return the instruments that are stopped, as the journal has them."""
    rows = [row for row in bench.rows(ControlRecord) if isinstance(row, ControlRecord)]
    return {(held.listed.venue, held.listed.symbol) for held in rows[-1].barred}


def incidents(bench: Bench) -> list[str]:
    """Return the texts of the incidents about stopped instruments."""
    rows = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    return [row.text for row in rows if row.kind == "instrument_halted"]


def listed(venue: str, **rules: object) -> InstrumentListed:
    """Return a listing that was read again."""
    return InstrumentListed(instrument=msgspec.structs.replace(an_instrument(venue), **rules))


def test_one_refusal_by_a_code_that_bars_stops_the_instrument_there() -> None:
    bench, sell = one_legged()
    bar(bench, sell)
    assert halted_at(bench) == {("okx", SYMBOL)}
    assert len(incidents(bench)) == 1


def test_the_repair_goes_to_another_venue_at_once() -> None:
    bench, sell = one_legged()
    bar(bench, sell)
    before = len(bench.placed())
    bench.drain()
    assert [order.venue for order in bench.placed()[before:]] == ["bitget"]


def test_a_repair_that_is_barred_is_followed_by_one_elsewhere_without_a_pause() -> None:
    bench, sell = one_legged()
    refuse(bench, sell)
    bench.quote("bitget", *THIRD)
    bench.wait_ms(60)
    bench.drain()
    repair = bench.placed()[-1]
    bar(bench, repair)
    bench.quote("okx", "101x1", "101.2x5")
    bench.quote("gate", "99.9x5", "100x1")
    before = len(bench.placed())
    bench.drain()
    placed = bench.placed()[before:]
    assert placed and repair.venue not in {order.venue for order in placed}


def test_no_route_of_a_barred_instrument_opens() -> None:
    bench, sell = one_legged()
    bar(bench, sell)
    bench.drain()
    repair = bench.placed()[-1]
    accept(bench, repair, "1")
    fill(bench, repair, "1", trade_id="t2")
    bench.end_episodes()
    assert all(order.venue != "okx" for order in again(bench))
    assert bench.not_taken().get("instrument_halted", 0) > 0


def test_a_halted_pair_whose_every_venue_bars_the_instrument_sends_nothing() -> None:
    bench, sell = one_legged()
    bar(bench, sell)
    for _ in VENUES[1:]:
        quote_all(bench)
        bench.drain()
        bar(bench, bench.placed()[-1])
    before = len(bench.placed())
    for _ in range(10):
        quote_all(bench)
        bench.drain()
    assert halted_at(bench) == {(venue, SYMBOL) for venue in VENUES}
    assert bench.placed()[before:] == []


@pytest.mark.parametrize("code", ["BALANCE_NOT_ENOUGH", "PRICE_TOO_DEVIATED", "REQUEST_EXPIRED", "TOO_MANY_REQUESTS"])
def test_other_refusals_never_bar_however_many(code: str) -> None:
    bench, sell = one_legged()
    refuse(bench, sell, code)
    for _ in range(5):
        quote_all(bench)
        bench.drain()
        refuse(bench, bench.placed()[-1], code)
    assert incidents(bench) == []


def test_a_code_that_nobody_knows_bars_with_the_second_order() -> None:
    bench, sell = one_legged(venues=("gate", "okx"))
    refuse_by_unknown_code(bench, sell)
    refuse_by_unknown_code(bench, sell)  # said twice of one order
    assert incidents(bench) == []
    assert status(bench, sell) is OrderStatus.UNKNOWN

    prove_absent(bench, sell)
    quote_all(bench)
    bench.drain()
    repair = bench.placed()[-1]
    assert (repair.venue, repair.role) == ("gate", "unwind")
    accept(bench, repair, "1")
    fill(bench, repair, "1", trade_id="t2")
    again_at_okx = next(order for order in again(bench) if order.venue == "okx")
    refuse_by_unknown_code(bench, again_at_okx)
    assert halted_at(bench) == {("okx", SYMBOL)}


def test_a_bar_survives_a_restart() -> None:
    before, sell = one_legged()
    bar(before, sell)
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]

    bench = Bench(venues=VENUES, restored=Restored(control=kept))
    assert all(order.venue != "okx" for order in again(bench))
    assert bench.engine.state.is_barred("okx", SYMBOL)


def test_another_account_at_the_venue_is_not_barred() -> None:
    before, sell = one_legged()
    bar(before, sell)
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]

    accounts = {venue: f"{venue}:other" for venue in VENUES}
    bench = Bench(venues=VENUES, restored=Restored(control=kept), accounts=accounts)
    assert not bench.engine.state.is_barred("okx", SYMBOL)


@pytest.mark.parametrize(
    "readings",
    [
        [{"min_size": Decimal("0.5")}],
        [{"tradable": False}, {"tradable": True}],
    ],
)
def test_a_listing_that_has_changed_since_lifts_it(readings: list[dict[str, object]]) -> None:
    bench, sell = one_legged()
    bar(bench, sell)
    for rules in readings:
        bench.tell(listed("okx", **rules))
    assert not bench.engine.state.is_barred("okx", SYMBOL)
    assert halted_at(bench) == set()
    assert len(incidents(bench)) == 2


@pytest.mark.parametrize(
    "rules", [{}, {"taker_fee": Decimal("0.0007")}, {"tradable": False}, {"ends_ns": 1, "changes_ns": (1,)}]
)
def test_a_listing_that_says_the_same_of_trading_or_not_tradable_lifts_nothing(rules: dict[str, object]) -> None:
    bench, sell = one_legged()
    bar(bench, sell)
    bench.tell(listed("okx", **rules))
    assert bench.engine.state.is_barred("okx", SYMBOL)


def test_a_listing_that_changed_while_no_process_ran_lifts_it() -> None:
    before, sell = one_legged()
    bar(before, sell)
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]

    changed: list[Instrument] = [an_instrument(venue) for venue in VENUES]
    changed[1] = msgspec.structs.replace(changed[1], min_size=Decimal("0.5"))
    bench = Bench(venues=VENUES, instruments=changed, restored=Restored(control=kept))
    assert not bench.engine.state.is_barred("okx", SYMBOL)
