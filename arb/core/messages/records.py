"""Rows of the ledger. Each carries a whole row: writing one again, or a later state of it, replaces it by id.

All but an untraded `OpportunityRecord` are of class 1: journalled with the event that caused them. So the ledger is a
projection of the journal and can be rebuilt row for row. Data that a restart needs and a reader of history does not is in
`recovery_records.py`. Names end in their unit: `_ns` nanoseconds UTC, `_e8` 1e-8 of the quote. The rules of `events.py` for
names on disk apply here, too.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from arb.market.order import OrderAbsence, OrderStatus, Outcome, Role, Side, TimeInForce


class PairKind(StrEnum):
    ARB = "arb"
    DUST = "dust"
    FLATTEN = "flatten"
    TEST = "test"


class PairState(StrEnum):
    """The state of a pair trade; see `core/trades/trade.py` for the story."""

    OPENING = "opening"
    REPAIRING = "repairing"
    COMPLETED = "completed"
    UNWOUND = "unwound"
    CARRIED = "carried"
    HALTED = "halted"
    ABANDONED = "abandoned"


class OpportunityOutcome(StrEnum):
    TRADED = "traded"
    REFUSED = "refused"
    VANISHED = "vanished"


class AlternativeStage(StrEnum):
    ENTRY = "entry"
    REPAIR = "repair"


class AlternativeWay(StrEnum):
    """What else could have been done: another route or size; for a repair, another way than the one that was sent."""

    ROUTE = "route"
    SIZE = "size"
    COMPLETE = "complete"
    THIRD_VENUE = "third_venue"
    UNWIND = "unwind"
    HOLD = "hold"


class QuoteSide(StrEnum):
    ASKS = "asks"
    BIDS = "bids"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    pass


class RunRecord(Record, frozen=True, kw_only=True, tag="RunRecord"):
    id: int
    mode: str
    sandbox_id: str | None
    seed: int | None
    version: str
    started_ns: int
    ended_ns: int | None = None
    exit_code: int | None = None
    halted: str | None = None


class OpportunityRecord(Record, frozen=True, kw_only=True, tag="OpportunityRecord"):
    """One episode in which the net of the best trade, ignoring thresholds and balances, was above zero.

    `required_edge_bps`: the edge required of a pair at `best_ns`, with the legs' cost and the inventory's skew. None where no
    bands of the inventory were in force, or other reasons took precedence.
    """

    id: int
    run_id: int
    symbol: str
    quote: str
    buy_venue: str
    sell_venue: str
    opened_ns: int
    best_ns: int
    closed_ns: int
    best_buy_size: Decimal
    best_sell_size: Decimal
    best_net_e8: int
    best_edge_bps: Decimal
    best_gross_edge_bps: Decimal
    ticks: int
    outcome: OpportunityOutcome
    reason: str | None
    required_edge_bps: Decimal | None = None


class Waterfall(msgspec.Struct, frozen=True, kw_only=True):
    """Where a pair's money went; the first seven sum exactly to `realised_net_e8`."""

    expected_net_e8: int
    buy_slippage_e8: int
    sell_slippage_e8: int
    size_shortfall_e8: int
    fee_difference_e8: int
    hedge_cost_e8: int
    residual_change_e8: int
    realised_net_e8: int


class PairRecord(Record, frozen=True, kw_only=True, tag="PairRecord"):
    """One pair trade. `residual_mark` is `m1`, the quote value of one base of residual at `mark_ns`; `buy_frame_ns` and
    `sell_frame_ns` are when the newest frames of the two books, as decided on, were received.

    Journal only: `handed_size`, the base of `residual_size` that other pairs have taken over (below zero: that this one has
    from them), and `handed_value`, the quote that it stays booked at here; `closed_before`, how often it had closed before this
    state, and `booked`, the terms of the last such closing: a later one books the difference.
    """

    id: int
    run_id: int
    opportunity_id: int | None
    kind: PairKind
    symbol: str
    quote: str
    buy_venue: str
    sell_venue: str
    state: PairState
    decided_ns: int
    closed_ns: int | None
    buy_size: Decimal
    sell_size: Decimal
    residual_size: Decimal
    residual_mark: Decimal | None
    mark_ns: int | None
    exposure_quote_s: Decimal
    waterfall: Waterfall | None
    buy_frame_ns: int | None = None
    sell_frame_ns: int | None = None
    leg_cost_e8: int | None = None
    identity: str | None = None
    handed_size: Decimal = Decimal(0)
    handed_value: Decimal = Decimal(0)
    closed_before: int = 0
    booked: Waterfall | None = None


class OrderRecord(Record, frozen=True, kw_only=True, tag="OrderRecord"):
    """One order, from intent to its end.

    Journal only: `expires_ns`, the instant on our clock after which the venue must refuse it, and `offset_ns`, the greatest
    offset (venue time - ours) that it may have been signed with. `absence`: how its absence was found, None where it was not.
    """

    id: int
    pair_trade_id: int | None
    account_id: str
    venue: str
    symbol: str
    role: Role
    attempt: int
    side: Side
    tif: TimeInForce
    price: Decimal
    size: Decimal
    filled: Decimal
    avg_price: Decimal | None
    client_order_id: str | None
    venue_order_id: str | None
    status: OrderStatus
    outcome: Outcome | None
    reject_code: str | None
    journalled_ns: int
    sent_ns: int | None
    acked_ns: int | None
    first_fill_ns: int | None
    done_ns: int | None
    expires_ns: int | None = None
    offset_ns: int | None = None
    absence: OrderAbsence | None = None


class FillRecord(Record, frozen=True, kw_only=True, tag="FillRecord"):
    """One execution; unique on (account_id, symbol, trade_id, order_id).

    `fee_expected_e8`: the fee that was planned for it, in quote; None for a foreign order and in older rows.
    """

    id: int
    order_id: int
    account_id: str
    venue: str
    symbol: str
    trade_id: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_currency: str
    fee_quote_value: Decimal
    liquidity: str
    source: str
    event_ns: int
    received_ns: int
    fee_expected_e8: int | None = None


class BalanceRecord(Record, frozen=True, kw_only=True, omit_defaults=True, tag="BalanceRecord"):
    """A balance of a wallet, as a venue reported it or as we compute it; append-only."""

    id: int
    run_id: int
    account_id: str
    venue: str
    asset: str
    ns: int
    free: Decimal
    locked: Decimal
    source: str
    cause: str
    wallet: str = "spot"


class IncidentRecord(Record, frozen=True, kw_only=True, tag="IncidentRecord"):
    id: int
    run_id: int
    ns: int
    kind: str
    severity: str
    venue: str | None
    pair_trade_id: int | None
    cost_e8: int | None
    text: str
    acknowledged_ns: int | None = None


class AlternativeRecord(Record, frozen=True, kw_only=True, tag="AlternativeRecord"):
    """Only read: a way that earlier versions weighed for a pair; `reason` is None for the one that was taken."""

    id: int
    pair_trade_id: int
    ns: int
    stage: AlternativeStage
    way: AlternativeWay
    buy_venue: str | None
    sell_venue: str | None
    buy_size: Decimal | None
    sell_size: Decimal | None
    price: Decimal | None
    net_e8: int | None
    edge_bps: Decimal | None
    reason: str | None


class DecisionBookRecord(Record, frozen=True, kw_only=True, tag="DecisionBookRecord"):
    """A side of a book as a pair was decided on: the asks where it was to buy, the bids where it was to sell.

    `levels`: (price, size) in quote per base and in base, both > 0, best first: at least one, at most 50.
    """

    id: int
    pair_trade_id: int
    ns: int
    venue: str
    side: QuoteSide
    levels: tuple[tuple[Decimal, Decimal], ...]


class AcknowledgementRecord(Record, frozen=True, kw_only=True, tag="AcknowledgementRecord"):
    """A person acknowledged an alert: its incidents up to `seen_id`, the last one that was shown. Later ones are new.

    `id` is the alert's: that of its first incident. It becomes no separate row, but part of the alert's
    (`store/ledger/alerts.py`).
    """

    id: int
    seen_id: int
    ns: int
    by: str
    reason: str


LedgerRecord = (
    RunRecord
    | OpportunityRecord
    | PairRecord
    | OrderRecord
    | FillRecord
    | BalanceRecord
    | IncidentRecord
    | AlternativeRecord
    | DecisionBookRecord
)


def row_key(record: Record) -> tuple[type, int | None, int]:
    """Return the row that a record is a state of: plans by their pair; rows without a number are one of a kind.

    A pair that has closed and is open again begins another state: each of its closings has its own row.
    """
    return type(record), getattr(record, "id", getattr(record, "pair_id", None)), getattr(record, "closed_before", 0)


def tag_of(message: msgspec.Struct | type[msgspec.Struct]) -> str:
    """Return the tag of a message or of its class; raise `TypeError` for one without a tag, which cannot be stored."""
    tag = message.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{message!r} has no tag")
    return tag


def attributes_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the attributes of a class by the names of its fields on disk, in their order."""
    return dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
