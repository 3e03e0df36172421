"""A paper account: what it is given when it opens, and what of it survives the process."""

import asyncio
from collections.abc import Coroutine, Mapping
from decimal import Decimal
from typing import Any

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.core.messages.events import BalancesReported
from arb.errors import StoreError
from arb.market.arena import BookState
from arb.venues.paper.account import PaperAccount
from tests.builders import START_NS, SYMBOL
from tests.unit.venues.paper.test_gateway import EVERYTHING, LOOK, Market, an_order
from tests.virtual import run_virtual

D = Decimal


def test_a_new_account_is_given_of_each_asset_what_is_worth_so_much_once_its_book_is_live() -> None:
    market = Market(opening=D(20_000))
    market.bench.arena.invalidate(0, BookState.WAITING, START_NS)
    before = market.run(market.venue.balances())
    assert (before.balances, before.complete) == ({}, False)

    async def story() -> None:
        market.venue.on_frame()
        assert not market.account.balances
        market.frame("100.1x1")
        await asyncio.sleep(0)

    market.run(story())
    (opened,) = [event for event in market.events if isinstance(event, BalancesReported)]
    assert opened.complete
    held = {asset: held.free for asset, held in opened.balances.items()}
    assert held == {"USDT": D(20_000), "BTC": D("199.9")}  # 20,000 at a middle of 100.05, in whole lots
    assert market.run(market.venue.snapshot_account(EVERYTHING)).transfers == ()


def test_what_an_open_account_is_given_later_stands_in_its_bills() -> None:
    market = Market(opening=D(20_000))
    market.account.credit({"USDT": D(5)}, START_NS, billed=False)
    market.run(market.venue.instruments((SYMBOL,)))

    async def story() -> None:
        market.frame("100.1x1")
        await asyncio.sleep(0)

    market.run(story())
    (bill,) = market.run(market.venue.snapshot_account(EVERYTHING)).transfers
    assert (bill.asset, bill.amount, bill.kind) == ("BTC", D("199.9"), "paper_credit")
    assert market.account.balances["USDT"] == 5


# What survives the process.


class Texts:
    """A memory that outlives an account."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.full = False

    def read(self, account_id: str) -> dict[str, str]:
        return dict(self.kept)

    async def write(self, account_id: str, entries: Mapping[str, str | None]) -> None:
        if self.full:
            raise StoreError("disk full")
        for name, value in entries.items():
            if value is None:
                del self.kept[name]
            else:
                self.kept[name] = value


class Slow(Texts):
    """A memory whose disk is busy, once it has let the account open, until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()
        self._turn = asyncio.Lock()

    async def write(self, account_id: str, entries: Mapping[str, str | None]) -> None:
        async with self._turn:
            if self.kept:
                await self.go_on.wait()
            await super().write(account_id, entries)


def test_an_account_comes_back_with_its_balances_orders_and_what_it_took() -> None:
    memory = Texts()
    market = Market(memory=memory)
    first, _ = market.place(an_order(size="0.4"))
    again = Market(memory=memory)
    assert again.account.balances == market.account.balances
    assert again.run(again.venue.query_order(LOOK)).report == first.report  # type: ignore[union-attr]
    (told,) = again.place(an_order(size="1", client_order_id="a2"))[1]
    assert (told.fill.size, told.fill.trade_id) == (D("0.6"), "2")


def test_an_order_that_cannot_be_written_down_is_not_answered_as_if_it_could() -> None:
    memory = Texts()
    market = Market(memory=memory)
    memory.full = True
    with pytest.raises(StoreError):
        market.place(an_order())
    memory.full = False
    market.place(an_order(client_order_id="a2"))
    assert {"order a1", "order a2"} <= memory.kept.keys()


def test_an_order_is_forgotten_when_nobody_can_ask_for_it_any_more() -> None:
    memory = Texts()
    Market(memory=memory).place(an_order())
    later = PaperAccount("gate-uid-paper1", memory, START_NS + 8 * 86_400 * NS_PER_S)
    run_virtual(later.written(), ManualClock(START_NS))
    assert not later.orders and "order a1" not in memory.kept
    assert later.next_trade_id() == "2"


def test_a_question_is_answered_only_when_what_it_tells_is_written_down() -> None:
    memory = Slow()
    market = Market(memory=memory)
    answers: list[str] = []

    async def asked(what: str, question: Coroutine[Any, Any, Any]) -> None:
        await question
        answers.append(what)

    async def story() -> None:
        tasks = [asyncio.create_task(asked("order", market.venue.place(an_order())))]
        await asyncio.sleep(0.001)
        tasks += [
            asyncio.create_task(asked("query", market.venue.query_order(LOOK))),
            asyncio.create_task(asked("balances", market.venue.balances())),
            asyncio.create_task(asked("snapshot", market.venue.snapshot_account(EVERYTHING))),
        ]
        await asyncio.sleep(10)
        assert answers == []
        memory.go_on.set()
        await asyncio.gather(*tasks)

    market.run(story())
    assert len(answers) == 4
