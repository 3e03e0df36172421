"""The kinds of incidents and the reasons for halts.

Journals and ledgers hold the values as text, so they never change (docs/decisions/0002-frozen-names-on-disk.md).
"""

from collections.abc import Iterable
from enum import StrEnum


class IncidentKind(StrEnum):
    """What happened that a person should know of."""

    ABANDONED = "abandoned"
    ACCOUNT_RENAMED = "account_renamed"
    BALANCES_UNREAD = "balances_unread"
    BALANCE_DRIFT = "balance_drift"
    BALANCE_EXPLAINED = "balance_explained"
    BOOK_MISSING = "book_missing"
    BOOKS_DIFFER = "books_differ"
    CARRIED = "carried"
    CLOCK_ANCHORED = "clock_anchored"
    CONTRADICTION = "contradiction"
    COIN_OVERRIDE = "coin_override"
    COINS_CHANGED = "coins_changed"
    CREDIT_AGREED = "credit_agreed"
    DOCTOR = "doctor"
    EDGE_IMPLAUSIBLE = "edge_implausible"
    ENTRIES_STOPPED = "entries_stopped"
    EXECUTOR_ERROR = "executor_error"
    EXPOSURE_DAY = "exposure_day"
    FEE_ASSET = "fee_asset"
    FEE_CURRENCY = "fee_currency"
    FEE_RATE = "fee_rate"
    FINE_LEVELS = "fine_levels"
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
    REJECTIONS = "rejections"
    RESIDUAL = "left_over"
    RESTORED = "restored"
    RESUMED = "resume"
    RISK_LIMIT = "risk_limit"
    RULES_CHANGED = "rules_changed"
    SNAPSHOT_FAILED = "not_surveyed"
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


NAMED_MAX = 20
"""So many of a kind are named in one text, unless less is said."""


def some(names: Iterable[str], between: str = ", ", most: int = NAMED_MAX) -> str:
    """Return the first `most` > 0 of names, and how many more there are: what goes wrong at once may be a thousandfold."""
    named = list(names)
    more = f" and {len(named) - most} more" if len(named) > most else ""
    return between.join(named[:most]) + more
