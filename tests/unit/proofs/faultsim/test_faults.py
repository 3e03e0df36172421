"""What the network may do to what is sent."""

from arb.clock import NS_PER_MS
from proofs.faultsim.faults import SLOW_MS, Line, LineFault


def test_a_healthy_line_delays_and_loses_nothing() -> None:
    line = Line()
    assert (line.delay_ns(5), line.refused(5), line.lost("net_request_lost")) == (0, False, False)


def test_a_partition_holds_everything_until_it_is_over() -> None:
    line = Line()
    line.add(LineFault("net_partition", until_ns=100))
    assert (line.delay_ns(30), line.delay_ns(99), line.delay_ns(100)) == (70, 1, 0)


def test_a_slow_line_takes_longer_while_it_is_slow() -> None:
    line = Line()
    line.add(LineFault("net_slow", until_ns=100))
    assert (line.delay_ns(30), line.delay_ns(100)) == (SLOW_MS * NS_PER_MS, 0)


def test_counted_losses_end_by_themselves_and_every_hit_is_told() -> None:
    line, hits = Line(), list[int]()
    line.add(LineFault("net_answer_lost", left=2, on_hit=lambda: hits.append(1)))
    assert [line.lost("net_answer_lost") for _ in range(3)] == [True, True, False]
    assert not line.lost("net_request_lost")
    assert len(hits) == 2


def test_clearing_ends_everything() -> None:
    line = Line()
    line.add(LineFault("net_refused", until_ns=10**18))
    assert line.refused(5)
    line.clear()
    assert not line.refused(5)
