"""What the seeds of a special test are put to: courses of strikes that no aim at one cell of the table would bring about."""

import random
from collections.abc import Iterator
from functools import partial

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.registry import VENUE_NAMES
from proofs.faultsim.aims import AT_INTENTS, FLATTEN, HALT, JOURNAL_PARTS, LATE, POWER_CUT, Phase, Strike

DARK_NS = 12 * NS_PER_S
PROOF_MS = 8500
"""The proof of absence takes less, from an order's leaving on, also where a grace time takes the place of its expiry."""


def darkness(rng: random.Random) -> Iterator[Strike]:
    """Yield what puts the proof of absence to a hard test: an order is taken, perhaps late, and nothing shows it at once.

    Histories, balances and the private stream all lag by more than one order query takes, and by less than two take; or
    histories and the stream by more than the whole proof takes, and balances not at all.
    """
    after_ns, leg = rng.randint(0, 1_500) * NS_PER_MS, rng.choice(("no expiry", "buy", "sell"))
    strike = partial(Strike, phase=Phase.OPENING, leg=leg, after_ns=after_ns)
    if leg == "no expiry":
        yield strike(name="delayed_request", count=1, param=rng.choice((4200, 4700)))
        lasts = 12.0
    else:
        yield (
            strike(name="lost_ack", count=1)
            if rng.random() < 0.4
            else strike(name="delayed_request", count=1, param=870)
        )
        lasts = 6.0
    shows_ms, balances = rng.choice(((1900, True), (1900, True), (PROOF_MS, False)))
    lasts = lasts if balances else DARK_NS / NS_PER_S
    for name in ("history_lag", "ws_lag", *(("balance_lag",) if balances else ())):
        yield strike(name=name, seconds=lasts, param=shows_ms)
    if not balances:
        yield strike(name="order_not_found", seconds=lasts)


def outage(rng: random.Random) -> Iterator[Strike]:
    """Yield an unreported fill: one after the cancel, at a venue whose private stream is broken just then, or loses it."""
    after_ns, leg = rng.randint(0, 2_500) * NS_PER_MS, rng.choice(("buy", "sell"))
    strike = partial(Strike, phase=Phase.OPENING, leg=leg, after_ns=after_ns)
    yield strike(name="partial_fill", count=1, param=rng.choice(("0.5", "0.95")))
    yield strike(name=LATE, count=1, param=rng.choice((250, 400)))
    if rng.random() < 0.3:
        yield strike(name="fill_event_lost", phase=Phase.CLOSED, count=3)
        return
    yield strike(name="net_reset", phase=Phase.CLOSED)
    yield strike(name="net_refused", phase=Phase.CLOSED, seconds=0.9)


STILL_NS = 19 * NS_PER_S
STANDSTILL_S = 9.0
STILL_S = 3.0
"""Within which time, after eight seconds of trading in all symbols, books that stand still must have been found out."""


def standstill(rng: random.Random) -> Iterator[Strike]:
    """Yield books that stand still for so long, on a live connection, that the engine must no longer trade on them."""
    after_ns = rng.randint(8_000, 9_000) * NS_PER_MS
    yield Strike(name="book_frozen", phase=Phase.OPENING, leg="third", after_ns=after_ns, seconds=STANDSTILL_S)


def reopened(rng: random.Random) -> Iterator[Strike]:
    """Yield a death while a pair is open again, since what was left of a leg was filled after the pair had been closed."""
    strike = partial(Strike, leg=rng.choice(("buy", "sell")), after_ns=rng.randint(0, 1_500) * NS_PER_MS, count=1)
    yield strike(name="partial_fill", phase=Phase.OPENING, param=rng.choice(("0.5", "0.8")))
    yield strike(name=LATE, phase=Phase.OPENING, param=rng.choice((500, 900)))
    yield strike(name=rng.choice(("kill_after_commit", "kill_before_request")), phase=Phase.REPAIRING, again=True)


FLATTENED_NS = 8 * NS_PER_S


def flattened(rng: random.Random) -> Iterator[Strike]:
    """Yield flattens of what pairs have carried, while what was left of a leg of theirs is filled; now and then a death."""
    for after_ms in (0, rng.randint(2_500, 3_500)):
        strike = partial(Strike, leg=rng.choice(("buy", "sell")), after_ns=after_ms * NS_PER_MS, count=1)
        yield strike(name="partial_fill", phase=Phase.OPENING, param=rng.choice(("0.3", "0.5", "0.8")))
        yield strike(name=LATE, phase=Phase.OPENING, param=rng.choice((250, 400, 700, 1_200)))
        yield strike(name=FLATTEN, phase=Phase.CLOSED)
    if rng.random() < 0.3:
        yield Strike(
            name="kill_after_commit", phase=Phase.REPAIRING, leg="buy", after_ns=0, passes=rng.choice((1, 2, 4))
        )


def reported(rng: random.Random) -> Iterator[Strike]:
    """Yield a flatten while a venue reports more of an order filled than it has shown as fills.

    What was left of a leg is filled once its pair has ended; the stream and the history keep the fill itself back. What is
    flattened would be traded twice, once here and once by that fill.
    """
    late_ms = rng.choice((150, 250, 400))
    strike = partial(Strike, leg=rng.choice(("buy", "sell")), after_ns=rng.randint(0, 1_500) * NS_PER_MS)
    yield strike(name="partial_fill", phase=Phase.OPENING, count=1, param=rng.choice(("0.3", "0.5", "0.8")))
    yield strike(name=LATE, phase=Phase.OPENING, count=1, param=late_ms)
    yield strike(name="fill_event_lost", phase=Phase.CLOSED, count=2)
    yield strike(name="history_lag", phase=Phase.CLOSED, seconds=3.0, param=1500)
    yield strike(name=FLATTEN, phase=Phase.CLOSED, seconds=(late_ms + rng.choice((50, 100, 200))) / 1000)


def blackout(rng: random.Random) -> Iterator[Strike]:
    """Yield power cuts that take orders, and what became of them, out of the journal."""
    for after_ms in (rng.randint(0, 1_000), rng.randint(2_500, 4_000)):
        phase, passes = (
            rng.choice((Phase.OPENING, Phase.OPENING, Phase.ONE_LEG, Phase.REPAIRING)),
            rng.choice((1, 2, 3, 5)),
        )
        yield Strike(name=POWER_CUT, phase=phase, leg="buy", after_ns=after_ms * NS_PER_MS, passes=passes)


def scarce(rng: random.Random) -> Iterator[Strike]:
    """Yield late balances, and now and then a death, for an account whose funds are tied up."""
    strike = partial(Strike, phase=Phase.OPENING, leg="every")
    for after_s in (0, 2, 4):
        yield strike(name="balance_lag", after_ns=after_s * NS_PER_S, seconds=1.5, param=rng.choice((300, 1200)))
    if rng.random() < 0.3:
        yield strike(name="kill_after_request", after_ns=rng.randint(500, 4_000) * NS_PER_MS)


LATE_LEGS_NS = 13 * NS_PER_S
LATE_LEGS_MS = (300, 3000)
"""Deadlines that the proof that a lost order is absent takes longer than; with the first one all halts before it."""


def late_legs(rng: random.Random) -> Iterator[Strike]:
    """Yield orders that are lost, so that pairs are late beside one another and again later, and a halt that is asked for."""
    strike = partial(Strike, phase=Phase.OPENING, count=1)
    for after_ms in (0, rng.randint(2_400, 6_500), rng.randint(8_000, 9_000)):
        yield strike(name="lost_request", leg=rng.choice(("buy", "sell")), after_ns=after_ms * NS_PER_MS)
    if rng.random() < 0.5:
        after_ns = rng.randint(3_200, 4_800) * NS_PER_MS
        yield Strike(name=HALT, phase=Phase.HALTED, leg="buy", after_ns=after_ns)


BUSY_NS = 10 * NS_PER_S


def busy(rng: random.Random) -> Iterator[Strike]:
    """Yield bytes that always wait on all connections that carry books, legs that fall short, and late frames."""
    yield Strike(name="busy_feed", phase=Phase.OPENING, leg="every", after_ns=0, seconds=BUSY_NS / NS_PER_S)
    for after_s in range(1, 9):
        leg = rng.choice(("buy", "sell"))
        yield Strike(
            name="partial_fill", phase=Phase.OPENING, leg=leg, after_ns=after_s * NS_PER_S, count=1, param="0.5"
        )
    after_ns = rng.randint(5_000, 7_000) * NS_PER_MS
    yield Strike(name="net_slow", phase=Phase.OPENING, leg="every", after_ns=after_ns, seconds=1.5)


MISSES_NS = 24 * NS_PER_S


def misses(rng: random.Random) -> Iterator[Strike]:
    """Yield rivals who at one venue leave nothing of any book that our orders were priced on."""
    leg = rng.choice(("buy", "sell"))
    yield Strike(name="partial_fill", phase=Phase.OPENING, leg=leg, after_ns=0, count=200, param="0")


STEPS_NS = 11 * NS_PER_S


def steps(rng: random.Random) -> Iterator[Strike]:
    """Yield steps that change again and again, so that orders are refused for them before the listing is read anew."""
    for number in range(5):
        leg, after_ns = rng.choice(("buy", "sell")), number * 2_200 * NS_PER_MS
        yield Strike(name="listing_change", phase=Phase.OPENING, leg=leg, after_ns=after_ns, seconds=1.8)


GONE_NS = 8 * NS_PER_S


def gone(rng: random.Random) -> Iterator[Strike]:
    """Yield the loss of one part of the journal, and later of the other, while all symbols are traded."""
    for after_ms, part in zip((500, 4_000), rng.sample(JOURNAL_PARTS, len(JOURNAL_PARTS)), strict=True):
        phase = rng.choice((Phase.OPENING, Phase.CLOSED))
        yield Strike(
            name="journal_gone", phase=phase, leg="buy", after_ns=after_ms * NS_PER_MS, seconds=2.5, param=part
        )


REPLICA_NS = 14 * NS_PER_S


def replica(rng: random.Random) -> Iterator[Strike]:
    """Yield one cause that hides an order everywhere: all reads of an account come from a replica that lags, like its stream.

    Orders that the venue has acknowledged since are the only sign of it: the same reads do not show them either.
    """
    venue, lag_ms = rng.choice(VENUE_NAMES), rng.choice((4_000, 9_000))
    strike = partial(Strike, phase=Phase.CLOSED, leg=venue)
    yield strike(name="read_lag", phase=Phase.OPENING, after_ns=0, seconds=REPLICA_NS / NS_PER_S, param=lag_ms)
    after_ns = rng.randint(800, 2_500) * NS_PER_MS
    yield strike(name="lost_ack", after_ns=after_ns, count=1)
    yield strike(name="ws_lag", after_ns=after_ns, seconds=10.0, param=lag_ms)


def dust(rng: random.Random) -> Iterator[Strike]:
    """Yield legs that fall short, so that all symbols come to hold dust."""
    for after_s in range(1, 12):
        leg = rng.choice(("buy", "sell"))
        yield Strike(
            name="partial_fill", phase=Phase.OPENING, leg=leg, after_ns=after_s * NS_PER_S, count=1, param="0.95"
        )


DUST_NS = 14 * NS_PER_S
DUST_TOTAL_QUOTE = 6
"""What the dust of five symbols may be worth where that of many is meant: it passes this as that of 40 passes the default."""
PAUSES_S = (120, 600, 86_400, 5 * 86_400 // 2, 7 * 86_400 // 2, 10 * 86_400)
"""How long nobody runs the engine: within and beyond what it keeps in mind, and what the venues' lists reach back."""


def paused(rng: random.Random) -> Iterator[Strike]:
    """Yield a death with a leg half filled, unanswered or closed; what was left may be filled after the pause."""
    strike = partial(Strike, leg=rng.choice(("buy", "sell")), count=1)
    after_ns = rng.randint(500, 2_500) * NS_PER_MS
    if rng.random() < 1 / 2:
        yield strike(
            name="partial_fill", phase=Phase.OPENING, after_ns=after_ns, param=rng.choice(("0.3", "0.5", "0.8"))
        )
        yield strike(name=LATE, phase=Phase.OPENING, after_ns=after_ns, param=rng.choice((62_000, 90_000)))
        yield strike(name="kill_after_commit", phase=Phase.CLOSED, after_ns=after_ns, passes=rng.choice((1, 3)))
        return
    point = rng.choice(("kill_before_answer", "kill_after_request", "kill_before_request", "kill_after_commit"))
    yield strike(name=point, phase=Phase.OPENING, after_ns=after_ns, passes=rng.randint(1, 6))


STALE_NS = 30 * NS_PER_S


def stale(rng: random.Random) -> Iterator[Strike]:
    """Yield balances that are old for longer than a difference may take to be explained, at a venue that is well otherwise."""
    strike = partial(Strike, phase=Phase.OPENING, leg=rng.choice(("buy", "sell")))
    yield strike(name="balance_lag", after_ns=1 * NS_PER_S, seconds=27.0, param=rng.choice((15_000, 20_000, 25_000)))


INTENTS = 0.2
"""The share of the seeds with a strike at an intent, or with a death while the journal lacks an opening whose orders left."""


def at_intents(seed: int) -> Iterator[Strike]:
    """Yield, in some seeds, what strikes an opening between its decision and its entry in the journal."""
    rng = random.Random(f"{seed}/intents")
    if rng.random() >= INTENTS:
        return
    strike = partial(Strike, leg="buy", after_ns=rng.randint(200, 2_500) * NS_PER_MS)
    drawn = rng.randrange(5)
    if drawn < len(AT_INTENTS):
        phase = rng.choice((Phase.NONE, Phase.BOTH_LEGS, Phase.CLOSED))
        yield strike(name=AT_INTENTS[drawn], phase=phase, passes=rng.randint(1, 3), count=rng.randint(1, 3))
    else:
        yield strike(name="commit_refused", phase=Phase.OPENING, count=rng.choice((1, 500)))
        yield strike(name="kill_before_answer", phase=Phase.OPENING, passes=rng.randint(1, 12))


LOST_LAST = 0.1
"""The share of the seeds in which an order is lost within the last second before the engine is asked to end."""


def at_the_end(seed: int, faults_ns: int) -> Iterator[Strike]:
    """Yield, in some seeds, an order that is lost so late that its absence is found while the engine ends."""
    rng = random.Random(f"{seed}/last")
    if rng.random() < LOST_LAST:
        after_ns = faults_ns - rng.randint(200, 1200) * NS_PER_MS
        leg = rng.choice(("buy", "sell"))
        yield Strike(name="net_request_lost", phase=Phase.OPENING, leg=leg, after_ns=after_ns, count=1)
