"""The answer in words: one sentence that says what you would have made, or why nothing."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.app.replay import replay_tapes
from arb.config import ReplayOptions, Settings
from arb.core.messages.settings import Limits
from arb.replay.answer import Span as AnswerSpan
from arb.replay.answer import document_of, duration, first_difference, needed_fee_bps, sentence, tables_of
from arb.replay.result import Edge, Result
from tests.unit.replay.makings import Tape, one_dislocation, quiet_market
from tests.unit.replay.test_replay_totals import a_booked_pair, an_edge, found
from tests.unit.store.rows import D, a_traded_opportunity

SPAN = AnswerSpan(D("8040.5"), 1, ("gate", "okx"), ("BTC/USDT", "ETH/USDT", "SOL/USDT"), 4)


def said(result: Result, span: AnswerSpan = SPAN, before_fees: Edge | None = None) -> str:
    return sentence(span, result, D(1000), before_fees)


def test_no_symbol_at_two_venues_means_that_there_was_nothing_to_trade_between() -> None:
    alone = AnswerSpan(D(30), 1, ("gate",), (), 5)
    assert said(found(), alone) == (
        "On 30 s of gate, 5 symbols: none is shown at two venues, so there was nothing to trade between."
    )


def test_no_book_at_all_means_that_nothing_could_be_traded_on() -> None:
    contracts = AnswerSpan(D(30), 1, ("gate_futures",), (), 0)
    assert said(found(), contracts) == (
        "On 30 s of gate_futures: no book that could be traded on, so you would have made nothing."
    )


def test_without_an_edge_even_without_fees_you_would_have_made_nothing() -> None:
    assert said(found()) == (
        "On 2 h 14 min of gate and okx, 3 symbols: no edge above 0 after fees, so you would have made nothing; even without "
        "fees there was none."
    )


def test_without_an_edge_the_best_before_fees_says_which_fee_it_would_need() -> None:
    best = found(untraded=[an_edge(best_gross_edge_bps=D(10))]).earned[0].best
    assert said(found(), before_fees=best).endswith(
        "; the best before fees was 10 bps (buy BTC/USDT at gate, sell at okx), which needs a taker fee below 4.9 bps."
    )


def test_edges_that_nothing_could_be_made_of_are_said_with_the_main_reason() -> None:
    edges = [an_edge(n, reason="edge_below_threshold" if n > 2 else "max_notional") for n in range(1, 42)]
    assert said(found(untraded=edges)).endswith(
        ": 41 edges above 0 after fees, none of them takeable (edge_below_threshold 39); you would have made nothing."
    )


def test_what_would_have_been_made_is_said_with_the_fee_that_it_breaks_even_at() -> None:
    edges = [an_edge(n) for n in range(1, 1234)]
    result = found(
        *a_booked_pair(1, net="12.341"), *a_booked_pair(2, net="0"), a_traded_opportunity(9999), untraded=edges
    )
    assert said(result) == (
        "On 2 h 14 min of gate and okx, 3 symbols: 1,234 edges above 0 after fees, 1 of them takeable; you would have made "
        "12.34 USDT with up to 1,000 USDT a leg; it breaks even at a taker fee of 2948.1 bps."
    )


def test_a_loss_is_said_as_one() -> None:
    result = found(*a_booked_pair(1, net="-1"), a_traded_opportunity(1))
    assert "1 edge above 0 after fees, 1 of them takeable; you would have lost 1 USDT with" in said(result)
    assert said(result).endswith("; only a taker rebate of 450.2 bps would break even.")


def test_money_of_several_quotes_is_never_added_up() -> None:
    rows = [*a_booked_pair(1), *a_booked_pair(2, net="0.00012", symbol="ETH/BTC", quote="BTC")]
    result = found(*rows, a_traded_opportunity(1), a_traded_opportunity(2, symbol="ETH/BTC", quote="BTC"))
    assert "you would have made 0.00012 BTC and 1 USDT with" in said(result)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ("0", "0 s"),
        ("2.25", "2.2 s"),
        ("10", "10 s"),
        ("60", "1 min"),
        ("3599", "59 min 59 s"),
        ("3600", "1 h"),
        ("8040.5", "2 h 14 min"),
        ("86400", "1 day"),
        ("90061", "1 day 1 h"),
        ("864000", "10 days"),
    ],
)
def test_a_length_of_time_is_said_in_its_two_greatest_units(seconds: str, words: str) -> None:
    assert duration(Decimal(seconds)) == words


@pytest.mark.parametrize(
    ("gross", "fee"), [("0", "0"), ("100", "49.751243"), ("10", "4.997501"), ("10000", "3333.333333")]
)
def test_the_fee_that_an_edge_needs_is_cut_and_never_rounded_up(gross: str, fee: str) -> None:
    assert needed_fee_bps(Decimal(gross)) == Decimal(fee)


def test_the_first_difference_may_be_that_one_has_nothing_more() -> None:
    assert first_difference([1, 2], [1, 2]) is None
    assert first_difference([1, 2, 3], [1, 5, 3]) == (2, 5)
    assert first_difference([1, 2], [1]) == (2, None)
    assert first_difference([], [1]) == (None, 1)


def test_the_tables_for_a_person_have_every_edge_once() -> None:
    edges = [an_edge(1, bps="3", life_ms=7), an_edge(2, bps="3", life_ms=8), an_edge(3, bps="200", life_ms=10**6)]
    shown = tables_of(document_of(SPAN, found(untraded=edges), D(1000), None))
    assert shown["edges_by_size_and_life_time"] == [
        {"edge": ">=100 bps", "0-10_ms": "-", ">=60000_ms": "1 (0)"},
        {"edge": "2-5 bps", "0-10_ms": "2 (0)", ">=60000_ms": "-"},
    ]


def test_a_person_reads_of_a_sale_of_dust_that_it_was_one() -> None:
    answer = document_of(SPAN, found(untraded=[an_edge(1)]), D(1000), None)
    [bought] = answer["venue_pairs_by_hour_utc"]
    answer["venue_pairs_by_hour_utc"] = [bought, bought | {"buy": "okx", "sell": "okx"}]
    assert [(row["buy"], row["sell"]) for row in tables_of(answer)["venue_pairs"]] == [
        (bought["buy"], bought["sell"]),
        ("(dust)", "okx"),
    ]


# The same from tapes.


def answer(tape: Tape, folder: Path, settings: Settings | None = None, **options: Any) -> dict[str, Any]:
    path = tape.write(folder / "t.jsonl")
    summary, _ = replay_tapes(
        settings or Settings(), ReplayOptions(files=(path,), db=f"sqlite:///{folder}/out.sqlite", **options)
    )
    assert next(iter(summary)) == "answer" and next(iter(summary["answer"])) == "sentence"
    found: dict[str, Any] = summary["answer"]
    return found


def test_one_dislocation_is_one_edge_that_was_takeable(tmp_path: Path) -> None:
    assert answer(one_dislocation(), tmp_path)["sentence"] == (
        "On 2.1 s of gate and okx, 1 symbol: 1 edge above 0 after fees, 1 of them takeable; you would have made 0.799 USDT "
        "with up to 2,000 USDT a leg; it breaks even at a taker fee of 49.7 bps."
    )


def test_an_edge_that_fees_eat_up_is_found_by_a_second_look_without_them(tmp_path: Path) -> None:
    dear = answer(one_dislocation(), tmp_path, fee_bps=D(60))
    assert (dear["edges"], dear["best_edge"]) == (0, None)
    assert dear["best_edge_before_fees"]["gross_edge_bps"] == D(100)
    assert dear["best_edge_before_fees"]["needs_fee_below_bps"] == D("49.751243")
    assert "the best before fees was 100 bps (buy BTC/USDT at gate, sell at okx)" in dear["sentence"]


def test_where_prices_never_cross_no_fee_would_do(tmp_path: Path) -> None:
    quiet = answer(quiet_market(), tmp_path)
    assert (quiet["edges"], quiet["best_edge_before_fees"], quiet["break_even_fee_bps"]) == (0, None, None)
    assert quiet["sentence"].endswith("even without fees there was none.")


def test_where_no_order_fits_into_the_limit_of_a_pair_the_limit_is_named(tmp_path: Path) -> None:
    small = answer(one_dislocation(), tmp_path, settings=Settings(limits=Limits(max_notional_quote=D("0.0001"))))
    assert (small["edges"], small["best_edge_before_fees"]) == (0, None)
    assert small["best_edge_beyond_max_notional"]["gross_edge_bps"] == D(100)
    assert small["sentence"].endswith(
        "no order fits into 0.0001 USDT (limits.max_notional_quote); of larger ones the best edge was 100 bps before fees "
        "(buy BTC/USDT at gate, sell at okx)."
    )
