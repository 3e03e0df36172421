"""The kinds of incidents, which of them need a person, and the reasons for halts.

Journals and ledgers hold the values as text, so they never change (docs/decisions/0002-frozen-names-on-disk.md).
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class IncidentKind(StrEnum):
    ABANDONED = "abandoned"
    ACCOUNT_RENAMED = "account_renamed"
    BALANCES_UNREAD = "balances_unread"
    BALANCE_DRIFT = "balance_drift"
    BALANCE_EXPLAINED = "balance_explained"
    BALANCES_AGREE = "balances_agree"
    BALANCES_LATE = "balances_late"
    BOOK_MISSING = "book_missing"
    BOOKS_DIFFER = "books_differ"
    CARRIED = "carried"
    CLOCK_ANCHORED = "clock_anchored"
    CONTRADICTION = "contradiction"
    COIN_OVERRIDE = "coin_override"
    COINS_CHANGED = "coins_changed"
    CREDIT_AGREED = "credit_agreed"
    DAILY_EXPOSURE = "daily_exposure"
    DAILY_LOSS = "daily_loss"
    DAILY_NOTIONAL = "daily_notional"
    DOCTOR = "doctor"
    EDGE_IMPLAUSIBLE = "edge_implausible"
    ENTRIES_STOPPED = "entries_stopped"
    EXECUTOR_ERROR = "executor_error"
    EXPOSURE_DAY = "exposure_day"
    FEE_ASSET = "fee_asset"
    FEE_CURRENCY = "fee_currency"
    FEE_RATE = "fee_rate"
    FINE_LEVELS = "fine_levels"
    FILLS_LOST = "fills_lost"
    FUNDS_SHORT = "funds_short"
    FLATTENED = "flattened"
    FLATTENING = "flatten"
    FOREIGN_ORDER = "foreign_order"
    GUARD = "guard"
    HALTED = "halt"
    INSTRUMENT_HALTED = "instrument_halted"
    LATE_FILL = "late_fill"
    LATE_LEG = "late_leg"
    NEW_LISTING = "new_listing"
    NOT_RECOVERED = "not_adopted"
    OPPORTUNITIES_DROPPED = "opportunities_dropped"
    ORDER_SOCKET = "order_socket"
    RECOVERED = "adopted"
    PRESUMED_WRONG = "presumed_wrong"
    READ_LAG = "read_lag"
    REJECTIONS = "rejections"
    RESIDUAL = "left_over"
    RESTORED = "restored"
    RESUMED = "resume"
    RISK_LIMIT = "risk_limit"
    ROW_REFUSED = "row_refused"
    RULES_CHANGED = "rules_changed"
    SNAPSHOT_FAILED = "not_surveyed"
    SETTINGS_CHANGED = "settings_changed"
    STALE_BOOK = "stale_book"
    STOP_LIFTED = "stop_lifted"
    STORE = "store"
    SUSPENDED = "suspended"
    SYMBOLS_CHOSEN = "symbols_chosen"
    TAPE = "tape"
    TRANSFER = "transfer"
    UNKNOWN_OUTCOME = "unknown_outcome"
    UNKNOWN_SYMBOL = "unknown_symbol"
    UNKNOWN_TOO_LONG = "unknown_too_long"
    UNLISTED = "unlisted"
    UNCHECKED = "unwitnessed"
    VENUE_ABSENT = "venue_absent"
    VENUE_HEALTH = "venue_health"
    VIEW = "view"
    WALLET_CLOSED = "wallet_closed"


class Severity(StrEnum):
    """How bad an incident is; the user is alerted at once to a critical one."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class HaltReason(StrEnum):
    """Why no new pair may open until the user resumes; `LEG_DEADLINE` may lift itself (`core/risk/late_legs.py`)."""

    ASKED = "asked"
    CONSECUTIVE_LOSSES = "consecutive_losses"
    CONTRADICTION = "contradiction"
    DAILY_LOSS = "daily_loss_quote"
    ENGINE_ERROR = "engine_error"
    EXECUTOR_ERROR = "executor_error"
    FLATTENED = "flattened"
    FLATTENING = "flatten"
    LEG_DEADLINE = "leg_deadline"
    RISK_LIMIT = "risk_limit"
    STRANDED = "stranded"


class AlertRule(NamedTuple):
    """When an incident of a kind needs a person, and what that person is to do.

    From severity `least` on, unless its text matches the regular expression `but_for` (a fault of the same kind that is over,
    or lifts itself). `ended_by`: incidents of these kinds end open alerts of this one, at their venue or, without one,
    everywhere. Its own kind in it means those of its incidents that need no person.
    """

    what_to_do: str
    least: Severity = Severity.WARNING
    but_for: str | None = None
    ended_by: tuple[IncidentKind, ...] = ()


ALERTS: dict[IncidentKind, AlertRule] = {
    IncidentKind.BALANCE_DRIFT: AlertRule(
        "find the cause at the venue (a manual trade, a transfer, interest), then run `arb resume --reason TEXT`",
        Severity.CRITICAL,
        ended_by=(IncidentKind.RESUMED, IncidentKind.BALANCES_AGREE),
    ),
    IncidentKind.BOOKS_DIFFER: AlertRule("report it with the log; set `fast_books = false` until it is fixed"),
    IncidentKind.CARRIED: AlertRule("run `arb flatten --reason TEXT`, or trade the base by hand"),
    IncidentKind.CONTRADICTION: AlertRule(
        "compare orders and fills with the venue's website; the symbol is frozen until the venue's reports agree"
    ),
    IncidentKind.DAILY_EXPOSURE: AlertRule(
        "find out why legs stayed unhedged so long (`arb report`) before you raise the limit",
        ended_by=(IncidentKind.DAILY_EXPOSURE,),
    ),
    IncidentKind.DAILY_LOSS: AlertRule(
        "find out why (`arb report`), then wait, or run `arb resume --reason TEXT --allow-loss QUOTE`",
        ended_by=(IncidentKind.DAILY_LOSS,),
    ),
    IncidentKind.DAILY_NOTIONAL: AlertRule(
        "wait for 00:00 UTC, or raise `daily_notional_quote` in [limits] and restart",
        ended_by=(IncidentKind.DAILY_NOTIONAL,),
    ),
    IncidentKind.DOCTOR: AlertRule(
        "follow the text, or run `arb doctor VENUE`; no pair opens at this venue until the fault is gone",
        ended_by=(IncidentKind.DOCTOR,),
    ),
    IncidentKind.FEE_ASSET: AlertRule("add more of the fee asset at the venue, or pay fees in the traded assets"),
    IncidentKind.FEE_CURRENCY: AlertRule(
        "check `fees` in `arb doctor VENUE`; the symbol is stopped at this venue", Severity.CRITICAL
    ),
    IncidentKind.FEE_RATE: AlertRule(
        "compare your fee tier at the venue with the settings; the symbol is stopped at this venue", Severity.CRITICAL
    ),
    IncidentKind.FLATTENED: AlertRule("trade the unhedged sizes named in the text by hand", Severity.CRITICAL),
    IncidentKind.FUNDS_SHORT: AlertRule(
        "move funds to this venue (`arb rebalance` shows the amounts); until then, no pair opens on routes that need them",
        ended_by=(IncidentKind.FUNDS_SHORT,),
    ),
    IncidentKind.GUARD: AlertRule(
        "relax the setting named in the text if the order was intended; otherwise report it with the log"
    ),
    IncidentKind.HALTED: AlertRule(
        "look up the reason in docs/FAILURES.md, remove its cause, then run `arb resume --reason TEXT`",
        Severity.CRITICAL,
        but_for=r"^leg_deadline: ",  # lifts itself; while a leg is late the `late_leg` alert is open
        ended_by=(IncidentKind.RESUMED,),
    ),
    IncidentKind.INSTRUMENT_HALTED: AlertRule(
        "remove the symbol from `[run] symbols`, or ask the venue for permission to trade it",
        but_for=r": it is traded again$",
    ),
    IncidentKind.LATE_LEG: AlertRule(
        "watch `unhedged` in `arb status`; if it remains, run `arb flatten --reason TEXT` or hedge it by hand",
        Severity.CRITICAL,
        ended_by=(IncidentKind.STOP_LIFTED, IncidentKind.RESUMED),
    ),
    IncidentKind.NOT_RECOVERED: AlertRule(
        "look for resting orders on the venue's website, and cancel them", Severity.CRITICAL
    ),
    IncidentKind.RECOVERED: AlertRule(
        "after a power cut, do nothing; otherwise look for a second engine on this account"
    ),
    IncidentKind.REJECTIONS: AlertRule(
        "look up the code on the venue's page in docs/venues, and run `arb doctor VENUE`"
    ),
    IncidentKind.RESIDUAL: AlertRule("connect the account again, or trade the residuals named in the text by hand"),
    IncidentKind.RISK_LIMIT: AlertRule(
        "find out why the limit was reached (`arb report`, `arb explain ID`) before you resume or raise it",
        Severity.CRITICAL,
        ended_by=(IncidentKind.RESUMED,),
    ),
    IncidentKind.STORE: AlertRule(
        "free disk space, or restore the database; the missing rows are written from the journal",
        but_for=r" takes rows again: ",
    ),
    IncidentKind.UNKNOWN_TOO_LONG: AlertRule(
        "look up the order at the venue by its client order id; restart if the venue works normally", Severity.CRITICAL
    ),
    IncidentKind.VENUE_ABSENT: AlertRule(
        "pairs wait for this venue: run `arb doctor VENUE`, and read the venue's status page",
        Severity.CRITICAL,
        ended_by=(IncidentKind.VENUE_ABSENT,),
    ),
}
"""The incidents that need a person: money at risk, unexplained orders or balances, missing rights, or trading that does not
continue by itself. All others need no action (docs/FAILURES.md)."""

ALERT_RULES = 5
"""The version of `ALERTS`. Raise it with every change: ledgers then rebuild their alerts from their incidents."""


NAMED_MAX = 20
"""The most names of a kind in one text."""


def some(names: Iterable[str], between: str = ", ", most: int = NAMED_MAX) -> str:
    """Return the first `most` > 0 of names, and how many more there are: one fault may name a thousand."""
    named = list(names)
    more = f" and {len(named) - most} more" if len(named) > most else ""
    return between.join(named[:most]) + more
