"""An engine on compiled books beside one on plain books: the same frames lead to the same commands, edge or no edge."""

import json
import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.commands import AnyCommand, Persist, PlaceOrder
from arb.core.messages.events import ClockMeasured, QueueDrained
from arb.core.messages.records import DecisionBookRecord, QuoteSide
from proofs.bench.stage import START_NS, SYMBOL, Stage

pytest.importorskip("numba", reason="compiled books need numba")
D = Decimal
VENUES = ("gate", "okx", "bitget")
MS = 1_000_000
FEE = Fraction(1, 1000)


class Engines:
    """Two engines of three venues each; `order` is what leaves."""

    def __init__(self) -> None:
        self.stages = [Stage(VENUES, gate_level=50, compiled=compiled) for compiled in (False, True)]
        self.at = dict.fromkeys(VENUES, 0)
        self.commands: list[AnyCommand] = []

    def send(self, venue: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]], *, full: bool = False) -> None:
        """Let a frame come (levels in ticks of 0.1 and lots of 0.0001), and a drain where both want one."""
        self.at[venue] += 1
        result = {"s": "ob.BTC_USDT.50", "u": self.at[venue], "b": texts(bids), "a": texts(asks)}
        result |= {"full": True} if full else {"U": self.at[venue]}
        now_ns = self.stages[0].now_ns
        frame = {"channel": "spot.obu", "result": result, "time_ms": now_ns // MS}
        raw = json.dumps(frame, separators=(",", ":")).encode()
        for stage in self.stages:
            stage.engine.on_frame(venue, now_ns, raw)
        plain, compiled = (stage.engine.wants_drain for stage in self.stages)
        assert plain == compiled, raw
        if plain:
            expected, found = (stage.handle(QueueDrained()) for stage in self.stages)
            assert expected == found
            self.commands += found
        for stage in self.stages:
            stage.now_ns += 7 * MS

    @property
    def quiet(self) -> int:
        return sum(found.words[30] for found in self.stages[1].books.connections.values())


def test_a_pair_s_books_are_kept_alike_to_the_last_level_and_as_they_were() -> None:
    engines, measured = Engines(), ClockMeasured(venue="gate", offset_ns=0, error_ns=MS)
    asks = [(600_010 + 7 * place, 400 + place) for place in range(30)]
    engines.send("bitget", [(590_000, 5_000)], [(620_000, 5_000)], full=True)
    engines.send("gate", [(599_000, 5_000)], asks, full=True)
    engines.send("gate", [], [(600_024, 0), (600_010, 91)])
    engines.send("okx", [(599_000, 5_000)], [(620_000, 5_000)], full=True)
    engines.send("okx", [(603_990 - 3 * place, 500 + place) for place in range(30)], [])
    assert any(isinstance(command, PlaceOrder) for command in engines.commands)
    engines.send("gate", [], [(600_010, 0), (600_017, 7)])  # which comes after the decision
    engines.send("okx", [(603_990, 0)], [])
    plain, compiled = (
        [command.record for command in stage.handle(measured) if isinstance(command, Persist)]
        for stage in engines.stages
    )
    assert plain == compiled
    found = {row.side: row.levels for row in compiled if isinstance(row, DecisionBookRecord)}
    expected = [(600_010, 91), (600_017, 401), *asks[3:]]
    kept = found[QuoteSide.ASKS]
    assert kept == tuple((D(price) / 10, D(size) / 10_000) for price, size in expected)[: len(kept)]
    kept = found[QuoteSide.BIDS]
    assert kept == tuple((D(603_990 - 3 * place) / 10, D(500 + place) / 10_000) for place in range(len(kept)))
    assert all(len(levels) >= 10 for levels in found.values())


def texts(levels: list[tuple[int, int]]) -> list[list[str]]:
    return [[f"{price // 10}.{price % 10}", f"{size // 10_000}.{size % 10_000:04d}"] for price, size in levels]


@pytest.mark.thorough
@given(seed=st.integers(0, 2**32))
def test_random_markets_are_decided_alike(seed: int) -> None:
    rng, engines = random.Random(seed), Engines()
    mids = dict.fromkeys(VENUES, 600_000)
    for venue in VENUES:
        engines.send(venue, [(599_990, 5_000)], [(600_010, 5_000)], full=True)
    standing = {venue: ({599_990}, {600_010}) for venue in VENUES}
    for _ in range(60):
        venue = rng.choice(VENUES)
        before, mids[venue] = standing[venue], mids[venue] + rng.choice((-900, -20, 0, 0, 0, 20, 900))
        bids = {mids[venue] - 10 - rng.randrange(5) for _ in range(3)}
        asks = {mids[venue] + 10 + rng.randrange(5) for _ in range(3)}
        standing[venue] = bids, asks
        engines.send(
            venue,
            [(price, 0) for price in before[0] - bids] + [(price, rng.randrange(1, 90_000)) for price in bids],
            [(price, 0) for price in before[1] - asks] + [(price, rng.randrange(1, 90_000)) for price in asks],
        )
    assert engines.quiet


@given(ask=st.integers(10**5, 10**12), beside=st.integers(-3, 3), up=st.booleans())
def test_quotes_a_hair_from_crossing_are_judged_alike(ask: int, beside: int, up: bool) -> None:
    """The buyer's fee is taken from what is bought, so a bid crosses above ask / (1 - fee)**2."""
    engines = Engines()
    bid = int(ask / (1 - FEE) ** 2) + beside
    far = ask * 2
    engines.send("gate", [(ask // 2, 50_000)], [(ask, 50_000)], full=True)
    engines.send("okx", [(ask // 2, 50_000)], [(far, 50_000)], full=True)
    engines.send("bitget", [(ask // 2, 50_000)], [(far, 50_000)], full=True)
    if up:
        engines.send("okx", [(bid, 50_000)], [])
    else:
        engines.send("okx", [(bid, 50_000)], [(far, 0), (bid + 1, 50_000)])


def test_a_quiet_symbol_s_frames_are_not_looked_at_and_one_that_crosses_is() -> None:
    engines = Engines()
    for venue in VENUES:
        engines.send(venue, [(599_990, 5_000)], [(600_010, 5_000)], full=True)
    stage = engines.stages[1]
    took = [stage.books.connections["gate"].take]
    answers: list[int] = []
    stage.books.connections["gate"].take = lambda raw, at: answers.append(took[0](raw, at)) or answers[-1]  # type: ignore[func-returns-value]
    for size in range(1, 50):
        engines.send("gate", [(599_980, size)], [])
    engines.send("gate", [(603_990, 5_000)], [(600_010, 0), (604_000, 5_000)])
    assert answers.count(0) > 40
    assert answers[-1] == stage.rows["gate", SYMBOL] + 1
    assert engines.commands and START_NS
