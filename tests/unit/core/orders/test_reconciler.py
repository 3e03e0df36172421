"""When to look for an order that may not exist: soon while it may turn up, then as fast as the proof allows."""

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.orders.reconciler import QUERY_SPACING_NS, counts, next_query_ns

PROVABLE_NS = 10 * NS_PER_S
BACKOFF_NS = 5 * NS_PER_S
NOW_NS = PROVABLE_NS + 60 * NS_PER_MS


def test_after_a_clean_look_the_next_comes_as_soon_as_it_counts_however_long_the_backoff_has_grown() -> None:
    due_ns = next_query_ns([PROVABLE_NS], NOW_NS, PROVABLE_NS, BACKOFF_NS)
    assert due_ns == PROVABLE_NS + QUERY_SPACING_NS
    assert counts([PROVABLE_NS], due_ns, PROVABLE_NS)


def test_after_a_look_that_could_not_be_completed_the_backoff_is_kept() -> None:
    now_ns = PROVABLE_NS + QUERY_SPACING_NS + 1
    assert next_query_ns([PROVABLE_NS], now_ns, PROVABLE_NS, BACKOFF_NS) == now_ns + BACKOFF_NS
    assert next_query_ns([], NOW_NS, PROVABLE_NS, BACKOFF_NS) == NOW_NS + BACKOFF_NS


def test_before_a_look_can_count_none_is_put_off_beyond_that_instant() -> None:
    assert next_query_ns([], 0, PROVABLE_NS, 400 * NS_PER_MS) == 400 * NS_PER_MS
    assert next_query_ns([], PROVABLE_NS - 1, PROVABLE_NS, BACKOFF_NS) == PROVABLE_NS
