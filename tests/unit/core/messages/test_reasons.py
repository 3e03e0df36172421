"""The codes and their order are a contract with other programs."""

from arb.core.messages.reasons import Reason

CONTRACT = """
halted venue_halted instrument_halted ledger_blocked journal_blocked clock_offset unknown_outstanding gapped_book stale_book
feed_lag feed_backlog crossed_book book_skew own_impact identity_unverified wallet_closed fee_unknown no_depth below_min_size
below_min_notional price_band edge_implausible residual_too_large unhedgeable_partial insufficient_balance max_notional
net_below_minimum edge_below_threshold risk_limit pair_in_flight rate_budget
"""


def test_codes_stand_in_the_order_of_the_contract() -> None:
    assert [reason.value for reason in Reason] == CONTRACT.split()
    assert [reason.rank for reason in Reason] == list(range(len(Reason)))
