"""Notices: the text that a person reads on a phone, made of an alert's row, the engine's state, or the companion's own fault.

Each names the event, the money at stake, the engine's next step and one command. No text holds a secret: all pass the mask.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from arb.clock import utc_text
from arb.core.messages.incidents import ALERTS, IncidentKind, Severity, some
from arb.masking import clean
from arb.view.plain import short_amount
from arb.watch.engine import State

LINE_MAX = 400
PAIRS_MAX = 3
"""The most open pairs and unhedged assets that one message lists."""
CHOOSING = re.compile(r"`(arb (?:alerts|explain|flatten|halt|rebalance|report|resume|run|status)\b[^`]*)`")
"""Commands that choose an engine or its ledger by options."""


class Meaning(NamedTuple):
    """A kind of alert: its title, the engine's next step, and whether it wakes a second person."""

    title: str
    next_step: str
    wakes: bool = False


MEANINGS: dict[IncidentKind, Meaning] = {
    IncidentKind.BALANCE_DRIFT: Meaning(
        "balance differs from the venue's", "nothing opens in this asset at this venue", wakes=True
    ),
    IncidentKind.BOOKS_DIFFER: Meaning("compiled books differ from plain ones", "trading continues on plain books"),
    IncidentKind.CARRIED: Meaning(
        "a pair closed with unhedged base", "the base counts as unhedged until it is traded", wakes=True
    ),
    IncidentKind.CONTRADICTION: Meaning(
        "a venue contradicts itself", "the symbol is frozen until its reports agree", wakes=True
    ),
    IncidentKind.DAILY_EXPOSURE: Meaning(
        "the day's exposure limit is reached", "no pair opens before 00:00 UTC", wakes=True
    ),
    IncidentKind.DAILY_LOSS: Meaning("the day's loss is reached", "no pair opens before 00:00 UTC", wakes=True),
    IncidentKind.DAILY_NOTIONAL: Meaning(
        "the daily notional is used up", "no pair opens that does not fit into the rest before 00:00 UTC"
    ),
    IncidentKind.DOCTOR: Meaning("the doctor finds a fault", "no pair opens at this venue until the fault is gone"),
    IncidentKind.FEE_ASSET: Meaning("the fee asset runs out", "trading continues, and fees are paid in other assets"),
    IncidentKind.FEE_CURRENCY: Meaning("a fee in an unexpected asset", "the symbol is stopped at this venue"),
    IncidentKind.FEE_RATE: Meaning("a fee above the expected rate", "the symbol is stopped at this venue"),
    IncidentKind.FLATTENED: Meaning(
        "flattened, with unhedged sizes", "nothing opens, and the engine does not trade the rest", wakes=True
    ),
    IncidentKind.FUNDS_SHORT: Meaning("funds are short", "no pair opens on routes that need them"),
    IncidentKind.GUARD: Meaning("the guard refused an order", "the order was not sent; other pairs continue"),
    IncidentKind.HALTED: Meaning("halted", "open pairs are finished, and no pair opens until a resumption", wakes=True),
    IncidentKind.INSTRUMENT_HALTED: Meaning("an instrument cannot be traded", "no pair opens in it at this venue"),
    IncidentKind.LATE_LEG: Meaning(
        "a leg is unhedged beyond its deadline",
        "repair continues within [repair] leg_loss_max_bps, and nothing opens there",
        wakes=True,
    ),
    IncidentKind.NOT_RECOVERED: Meaning(
        "an order of an earlier run is lost", "the engine queries it no more; it may rest at the venue", wakes=True
    ),
    IncidentKind.RECOVERED: Meaning("an unknown order with our id", "the order is followed like any other"),
    IncidentKind.REJECTIONS: Meaning("a venue rejects orders", "the venue is degraded or quarantined if it continues"),
    IncidentKind.RESIDUAL: Meaning("residuals at an absent account", "the engine does not trade them", wakes=True),
    IncidentKind.RISK_LIMIT: Meaning("a limit is reached", "no pair opens while the limit holds", wakes=True),
    IncidentKind.STORE: Meaning("journal or ledger takes no rows", "nothing opens until rows are written again"),
    IncidentKind.UNKNOWN_TOO_LONG: Meaning(
        "an order's outcome is unknown", "the order is queried, and never sent again", wakes=True
    ),
    IncidentKind.VENUE_ABSENT: Meaning(
        "open pairs wait for a venue", "the venue is asked until it answers", wakes=True
    ),
}
"""One for each kind of `ALERTS`. A critical kind is sent in quiet hours, too."""


class Engine(NamedTuple):
    """Whose notices they are: its mode as shown, the options by which commands find it, and its quote currency."""

    mode: str
    options: str
    quote: str


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a person must learn of, from its begin until it is over, and the parts of its text.

    `key` names it for as long as it lasts. `serious`: it is sent in quiet hours, too; `wakes`: it goes to the second
    receivers where no one acknowledges it. `over`: None while it lasts, else the cause of its end. `except_to`: the
    receiver that is not sent it.
    """

    key: str
    title: str
    event: str
    money: str
    next_step: str
    to_do: str
    since_ns: int
    serious: bool = True
    wakes: bool = False
    over: str | None = None
    except_to: str | None = None

    def text(self, engine: Engine) -> str:
        """Return its whole text, or of one that is over the event and its end."""
        if self.over is not None:
            return clean_lines([self.event, f"Over: {self.over}"])
        to_do = _chosen(self.to_do, engine)
        return clean_lines([self.event, f"Money: {self.money}.", f"The engine: {self.next_step}.", f"To do: {to_do}."])


def of_alert(row: dict[str, Any], at_stake: str) -> Notice:
    """Return the notice of a row of `LedgerReader.alerts_since`; `at_stake`: the present `money`."""
    kind, place = row["kind"], " ".join(filter(None, (row["venue"], row["symbol"])))
    meaning = MEANINGS.get(kind, Meaning(kind, "follow the text: this arb is older than its engine", wakes=True))
    ack = f"; then `arb alerts ack {row['id']} --reason TEXT`"
    times = f" ({row['count']} times since {_minute(row['since_ns'])} UTC)" if row["count"] > 1 else ""
    return Notice(
        key=str(row["id"]),
        title=f"{meaning.title}{f': {place}' if place else ''}",
        event=f"{_minute(row['last_ns'])} UTC: {row['text']}{times}",
        money=at_stake,
        next_step=meaning.next_step,
        to_do=row["what_to_do"] + ("" if "`arb " in row["what_to_do"] else ack),
        since_ns=row["since_ns"],
        serious=meaning.wakes or ALERTS[kind].least is Severity.CRITICAL,
        wakes=meaning.wakes,
        over=None if row["acknowledged_ns"] is None else f"{row['acknowledged_by']}: {row['reason']}",
    )


def of_silence(state: State | None, silent_s: float, at_stake: str, since_ns: int) -> Notice:
    """Return the notice of an engine whose process gives no sign; `state`: its last one, if the companion saw one."""
    last = f"; its last state is of {utc_text(state.now_ns)} UTC" if state and state.now_ns else ""
    return Notice(
        key="engine",
        title="the engine gives no sign",
        event=f"No sign for {silent_s:.0f} s: it was killed, or it hangs{last}",
        money=f"last known: {at_stake}" if state else at_stake,
        next_step="nothing, until its process continues or starts again; a start finishes open pairs first",
        to_do="end the process if it still runs, and start it again: `arb run`",
        since_ns=since_ns,
        wakes=state is None or bool(state.open_pairs or state.unhedged),
    )


def of_funds(lasting: Mapping[str, Mapping[str, int]], at_stake: str, since_ns: int) -> Notice:
    """Return the notice of balances that are used up soon: seconds by venue and asset, at the pace of the last minutes."""
    rows = sorted((seconds, venue, asset) for venue, assets in lasting.items() for asset, seconds in assets.items())
    texts = [f"{asset} at {venue} in {max(1, seconds // 60)} min" for seconds, venue, asset in rows]
    return Notice(
        key="funds",
        title="funds run out",
        event=f"At the present pace used up: {some(texts, most=PAIRS_MAX)}",
        money=at_stake,
        next_step="routes that need them stop when they are used up; the others continue",
        to_do="move funds: `arb rebalance` plans it where [inventory] has bands",
        since_ns=since_ns,
        serious=False,
    )


def of_ledger(trouble: str, at_stake: str, since_ns: int) -> Notice:
    """Return the notice of a ledger that cannot be read while the engine runs: its alerts are not seen."""
    return Notice(
        key="ledger",
        title="the ledger cannot be read",
        event=f"Alerts are not seen meanwhile: {trouble}",
        money=at_stake,
        next_step="trading continues; only the companion lacks the rows",
        to_do="follow the text, then check with `arb alerts`",
        since_ns=since_ns,
    )


def of_receiver(name: str, trouble: str, at_stake: str, since_ns: int) -> Notice:
    """Return the notice of a receiver that takes no messages, for the others."""
    return Notice(
        key=f"receiver {name}",
        title=f"receiver {name} takes no messages",
        event=f"Not sent: {trouble}",
        money=at_stake,
        next_step="trading continues; the companion tries again",
        to_do="correct it, then check with `arb notify test`",
        since_ns=since_ns,
        wakes=True,
        except_to=name,
    )


def money(state: State | None, quote: str) -> str:
    """Return the unhedged amount in `quote`, its signed sizes, and the open pairs with their accounts."""
    if state is None:
        return "unknown, no state of the engine was seen"
    sizes = [
        f"{'' if row.size.startswith('-') else '+'}{row.size} {row.asset} for {row.age_ms / 1000:.1f} s"
        for row in state.unhedged
    ]
    pairs = [
        f"{pair.id} {pair.symbol} {pair.state}, +{pair.size} at {pair.buy}, -{pair.size} at {pair.sell}"
        for pair in state.open_pairs
    ]
    unhedged = (
        f"{short_amount(state.unhedged_notional)} {quote} unhedged ({some(sizes, most=PAIRS_MAX)})"
        if sizes
        else "nothing unhedged"
    )
    return f"{unhedged}; " + (f"open: {some(pairs, '; ', PAIRS_MAX)}" if pairs else "no open pair")


def digest(kinds: Sequence[str], latest: Sequence[str], engine: Engine) -> str:
    """Return one text for very many notices: how many there are of each kind, and the latest ones."""
    counted = [f"{number} x {kind}" for kind, number in Counter(kinds).most_common()]
    return clean_lines([*counted, f"Latest: {'; '.join(latest)}", f"To do: {_chosen('`arb alerts`', engine)}"])


def clean_lines(lines: Sequence[str]) -> str:
    """Return lines as one text that holds no secret, and that fits every service (Discord takes 2,000 characters)."""
    return "\n".join(clean(line, LINE_MAX) for line in lines)


def _chosen(to_do: str, engine: Engine) -> str:
    return CHOOSING.sub(rf"`\1 {engine.options}`", to_do)


def _minute(ns: int) -> str:
    return utc_text(ns)[11:16]
