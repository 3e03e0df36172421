"""`arb replay FILE... --paper`: the tape of a run beside paper trading on the same frames, and the cause of each difference."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import chain
from typing import Any

from arb.app.paper import OPENING_PAIRS
from arb.app.rerun import books_of_run, journal_of
from arb.clock import NS_PER_MS
from arb.config import ReplayOptions, Settings
from arb.core.engine import Engine
from arb.core.messages.commands import PlaceOrder
from arb.errors import EXIT_CHECK, EXIT_OK, ConfigError
from arb.market.numbers import ZERO, plain
from arb.replay.beside import Paper, compare
from arb.replay.beside_report import document_of
from arb.replay.recorded import Recorded
from arb.replay.rerun import Difference, Judge, Prologue, Rerun, read_prologue
from arb.replay.tapes import OwnTape, is_own
from arb.replay.worlds import Assumed, World
from arb.store.tapes.tape import RULES, TapeHead


def paper_beside(settings: Settings, options: ReplayOptions) -> tuple[dict[str, Any], int]:
    """Return the report, and `EXIT_CHECK` where the tape leads to other decisions than the run's, or a difference has no cause.

    Raises `ConfigError` for what is no tape of a run with frames, or has no journal, `StoreError` at a malformed line.
    """
    files = ", ".join(map(str, options.files))
    if not all(map(is_own, options.files)):
        raise ConfigError(
            f"{files}: --paper needs the tape of a run, and this is a capture: make one by arb run --tape FILE"
        )
    tape = OwnTape(options.files)
    lines = tape.lines()
    prologue = read_prologue(lines)
    if all(line.kind == "event" for line in chain(prologue.lines, lines)):
        raise ConfigError(
            f"{files}: holds no frame, so there is nothing that paper could trade on: give all parts of the tape"
        )
    recorded, difference, engine = _recorded(tape, prologue, settings, options)
    document: dict[str, Any] = {
        "mode": "paper beside a run",
        "run_id": prologue.started.run_id,
        "sandbox_id": prologue.started.sandbox_id,
        "quote": prologue.instruments[0].quote if prologue.instruments else None,
        "files": [str(path) for path in options.files],
        "until_first_order": _until_first_order(recorded, difference),
    }
    if difference is not None:
        return document, EXIT_CHECK
    paper = _paper(settings, tape.head)
    found = compare(
        recorded.rows,
        sum(engine.state.tally.net.values(), ZERO),
        paper,
        lambda assumed: _world(tape, prologue, recorded, assumed),
    )
    document["assumed"] = _assumed(paper, recorded, engine)
    document |= document_of(found)
    return document, EXIT_CHECK if found.other() else EXIT_OK


def _recorded(
    tape: OwnTape, prologue: Prologue, settings: Settings, options: ReplayOptions
) -> tuple[Recorded, Difference | None, Engine]:
    """Run the tape again beside its journal; return what it says, and the first difference from what was journalled."""
    recorded = Recorded(tape.head.restored)
    engine = _engine(tape.head, prologue)
    with journal_of(options, settings, prologue.started) as journal:
        if journal is None:
            raise ConfigError(
                f"{', '.join(map(str, options.files))}: the journal of run {prologue.started.run_id} was not found: name it "
                "with --journal, for paper is compared with what the run itself decided"
            )
        judge = Judge(journal[1], same_rules=tape.head.rules == RULES)
        difference = Rerun(engine, recorded.keep, judge).run(tape.lines())
    recorded.finish()
    return recorded, difference, engine


def _engine(head: TapeHead, prologue: Prologue) -> Engine:
    engine = Engine(head.settings, books_of_run(prologue, head))
    engine.load(head.restored)
    return engine


def _world(tape: OwnTape, prologue: Prologue, recorded: Recorded, assumed: Assumed) -> World:
    return World(recorded, tape.head, _engine(tape.head, prologue), assumed, tape.lines())


def _paper(settings: Settings, head: TapeHead) -> Paper:
    """Return what `arb run --mode paper` would assume by these settings, under the limits of the run."""
    venues = [profile.venue for profile in head.settings.venues]
    return Paper(
        latency_ns={venue: settings.paper.latency_ns(venue) for venue in venues},
        fees={venue: settings.paper.taker_fee(venue) for venue in venues},
        balances=settings.paper.balances or OPENING_PAIRS * head.settings.limits.max_notional_quote,
    )


def _until_first_order(recorded: Recorded, difference: Difference | None) -> dict[str, Any]:
    found = None if difference is None else {"seq": difference.seq, "run": difference.expected, "tape": difference.got}
    order = None
    if recorded.first_order is not None:
        event, commands = recorded.first_order
        first = next(command for command in commands if isinstance(command, PlaceOrder))
        order = {"seq": event.seq, "t_ns": event.t_ns, "venue": first.venue, "symbol": first.symbol}
        order |= {"side": str(first.side), "size": plain(first.size), "price": plain(first.price)}
    return {"decisions": recorded.decisions, "order": order, "difference": found}


def _assumed(paper: Paper, recorded: Recorded, engine: Engine) -> list[dict[str, Any]]:
    """Return, by venue, what held in the run and what paper assumes."""
    assert paper.latency_ns is not None and paper.fees is not None
    return [
        {
            "venue": venue,
            "way_ms": f"{recorded.way_ns(venue) / NS_PER_MS:.1f}",
            "paper_way_ms": f"{(recorded.measured_ns.get(venue, 0) if way_ns is None else way_ns) / NS_PER_MS:.1f}",
            "taker_fee": " ".join(_fees(engine, venue)) or "-",
            "paper_taker_fee": _percent(paper.fees[venue]),
            "balances": _amounts(recorded.openings.get(venue, {})),
            "paper_balances": _amounts(paper.balances),
        }
        for venue, way_ns in paper.latency_ns.items()
    ]


def _fees(engine: Engine, venue: str) -> list[str]:
    rates = {known.taker_fee for (at, _), known in engine.state.instruments.items() if at == venue}
    return sorted(_percent(rate) for rate in rates if rate is not None)


def _percent(rate: Decimal) -> str:
    return f"{plain(rate * 100)}%"


def _amounts(held: Mapping[str, Decimal] | Decimal | None) -> str:
    if isinstance(held, Mapping):
        return " ".join(f"{plain(amount)} {asset}" for asset, amount in sorted(held.items()))
    return f"worth {plain(held or ZERO)} each"
