"""The made-up frames: they continue each other, never cross the book, and are the size they are said to be."""

import pytest

from arb.market.arena import BookState
from proofs.bench.frames import GateFrames
from proofs.bench.peers import CcxtBooks
from proofs.bench.stage import SYMBOL, Stage


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_frame_is_taken_and_both_readers_end_with_the_same_quotes(seed: int) -> None:
    pytest.importorskip("ccxt.pro")
    made = GateFrames(seed)
    frames = [made.whole(), *made.changes(300, 43), *made.changes(50, 2)]
    stage, peer = Stage(("gate", "other")), CcxtBooks()
    results = [stage.engine.on_frame("gate", stage.now_ns, raw) for raw in frames]
    peer.feed(frames)

    assert all(result.rows and not result.resyncs for result in results)
    assert stage.arena.state[0] == BookState.LIVE
    bid, ask = stage.books.best("gate", SYMBOL)
    assert bid is not None and ask is not None
    assert peer.best() == (bid / 10, ask / 10)


def test_frames_have_the_levels_asked_for_and_about_a_kilobyte() -> None:
    made = GateFrames(7)
    made.whole()
    frames = list(made.changes(100, 43))

    assert 850 < sum(map(len, frames)) / len(frames) < 1150
    stage = Stage(("gate", "other"))
    fresh = GateFrames(7)
    stage.engine.on_frame("gate", stage.now_ns, fresh.whole())
    levels = [stage.engine.on_frame("gate", stage.now_ns, raw).levels for raw in fresh.changes(100, 43)]
    assert min(levels) == 43
    assert max(levels) <= 45


def test_the_same_seed_makes_the_same_frames() -> None:
    first, second, other = GateFrames(7), GateFrames(7), GateFrames(8)

    assert first.whole() == second.whole()
    assert list(first.changes(5, 43)) == list(second.changes(5, 43))
    assert other.whole() != GateFrames(7).whole()
