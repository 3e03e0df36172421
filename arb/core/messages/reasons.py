"""Why an opportunity was not taken, or a way to repair a leg passed over: one code each, frozen (docs/decisions/0002)."""

from enum import StrEnum


class Reason(StrEnum):
    """Why an opportunity was not taken: the first that fails, in the order of the members, which is part of the contract."""

    HALTED = "halted"
    VENUE_HALTED = "venue_halted"
    INSTRUMENT_HALTED = "instrument_halted"
    LEDGER_BLOCKED = "ledger_blocked"
    JOURNAL_BLOCKED = "journal_blocked"
    CLOCK_OFFSET = "clock_offset"
    UNKNOWN_OUTSTANDING = "unknown_outstanding"
    GAPPED_BOOK = "gapped_book"
    STALE_BOOK = "stale_book"
    FEED_LAG = "feed_lag"
    FEED_BACKLOG = "feed_backlog"
    CROSSED_BOOK = "crossed_book"
    BOOK_SKEW = "book_skew"
    OWN_IMPACT = "own_impact"
    IDENTITY_UNVERIFIED = "identity_unverified"
    WALLET_CLOSED = "wallet_closed"
    FEE_UNKNOWN = "fee_unknown"
    NO_DEPTH = "no_depth"
    BELOW_MIN_SIZE = "below_min_size"
    BELOW_MIN_NOTIONAL = "below_min_notional"
    PRICE_BAND = "price_band"
    EDGE_IMPLAUSIBLE = "edge_implausible"
    RESIDUAL_TOO_LARGE = "residual_too_large"
    UNHEDGEABLE_PARTIAL = "unhedgeable_partial"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    MAX_NOTIONAL = "max_notional"
    NET_BELOW_MINIMUM = "net_below_minimum"
    EDGE_BELOW_THRESHOLD = "edge_below_threshold"
    RISK_LIMIT = "risk_limit"
    PAIR_IN_FLIGHT = "pair_in_flight"
    RATE_BUDGET = "rate_budget"

    @property
    def rank(self) -> int:
        """Return the place in the order: of two reasons that hold, the one of the lower rank is reported."""
        return _RANKS[self]


_RANKS = {reason: rank for rank, reason in enumerate(Reason)}


class RepairReason(StrEnum):
    """Read only: why earlier versions passed over a way to repair a leg, where no opportunity code covers it."""

    COSTLIER = "costlier"
    POLICY = "policy"
    BEYOND_CAP = "beyond_cap"
    NO_LEGAL_ORDER = "no_legal_order"
    STAYS_UNHEDGED = "stays_unhedged"
