"""Rows the engine wants kept. Each carries a whole row: writing one again, or a later state of it, replaces it by id.

Class 1 (everything here but an untraded `OpportunityRecord`) is journalled with the event that caused it, so that the ledger
is a projection of the journal and can be rebuilt row for row. `PlanRecord`, `ControlRecord`, `ResidualsRecord`, `AgreedRecord`
and `FormerAccountsRecord` stay in the journal: a restart needs them, a reader of history does not. Names end in their unit:
`_ns` nanoseconds UTC, `_e8` 1e-8 of the quote. What is said in `events.py` of names on disk holds here, too.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from arb.core.settings import AppliedLimit
from arb.market.instrument import FeeIn, Instrument
from arb.market.order import OrderStatus, Outcome, Role, Side, TimeInForce


class PairKind(StrEnum):
    """What a pair trade was for."""

    ARB = "arb"
    DUST = "dust"
    FLATTEN = "flatten"


class PairState(StrEnum):
    """Where a pair trade stands; see `core/pairs/pair.py` for the story."""

    OPENING = "opening"
    REPAIRING = "repairing"
    COMPLETED = "completed"
    UNWOUND = "unwound"
    CARRIED = "carried"
    HALTED = "halted"
    ABANDONED = "abandoned"


class OpportunityOutcome(StrEnum):
    """How an opportunity ended."""

    TRADED = "traded"
    REFUSED = "refused"
    VANISHED = "vanished"


class AlternativeStage(StrEnum):
    """When a way was passed over."""

    ENTRY = "entry"
    REPAIR = "repair"


class AlternativeWay(StrEnum):
    """What else could have been done; see `core/opportunities/alternatives.py`."""

    ROUTE = "route"
    SIZE = "size"
    COMPLETE = "complete"
    THIRD_VENUE = "third_venue"
    UNWIND = "unwind"
    HOLD = "hold"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all rows."""


class RunRecord(Record, frozen=True, kw_only=True, tag="RunRecord"):
    """One run of the engine process."""

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
    """One episode in which the section-4 maximum, ignoring thresholds and balances, was above zero."""

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
    from them), and `handed_value`, the quote that it stays booked at here.
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


class OrderRecord(Record, frozen=True, kw_only=True, tag="OrderRecord"):
    """One order, from intent to its end.

    Journal only: `expires_ns`, the instant on our clock after which the venue must refuse it, and `offset_ns`, the greatest
    offset (venue time - ours) that it may have been signed with.
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


class FillRecord(Record, frozen=True, kw_only=True, tag="FillRecord"):
    """One execution; unique on (account_id, symbol, trade_id, order_id)."""

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


class BalanceRecord(Record, frozen=True, kw_only=True, tag="BalanceRecord"):
    """A balance, as a venue reported it or as we compute it; append-only."""

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


class IncidentRecord(Record, frozen=True, kw_only=True, tag="IncidentRecord"):
    """Something a person should know of."""

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
    """One way that stood open at a decision about a pair; `reason` is None for the one that was taken."""

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


class LegCostRecord(Record, frozen=True, kw_only=True, tag="LegCostRecord"):
    """What the legs of closed pairs on one route have cost by `ns`, with the weight they had then; journal only.

    A `symbol` of "" is all of them. Sums in 1e-8 of the quote: `cost_e8` of size shortfalls and repairs (below zero: a gain),
    `notional_e8` of what the pairs planned to pay. The last row of an id counts.
    """

    id: int
    symbol: str
    buy_venue: str
    sell_venue: str
    ns: int
    cost_e8: int
    notional_e8: int


class PlanRecord(Record, frozen=True, kw_only=True, tag="PlanRecord"):
    """What a pair was decided on: enough to finish it, and to explain it, after a restart. Journal only.

    `hold_quote` is reserved at the buy venue and `hold_base` at the sell venue until both legs are terminal. `day_notional` is
    what all pairs opened on the UTC day of this one, it included, were to pay by then, in quote: no `ControlRecord` is
    written at an opening (rows are what a decision waits for), and after a crash the day must not begin anew. `leg_cost_bps` is
    what the legs were expected to cost in falling short, per notional: the threshold was on the edge less that. `limits`
    are those that a table of the symbol or of a venue put in the place of the ones for all.
    """

    pair_id: int
    symbol: str
    buy_venue: str
    sell_venue: str
    buy_size: Decimal
    sell_size: Decimal
    buy_limit: Decimal
    sell_limit: Decimal
    buy_vwap: Decimal
    sell_vwap: Decimal
    residual: Decimal
    residual_value: Decimal
    net: Decimal
    mark: Decimal
    buy_fee: Decimal
    sell_fee: Decimal
    buy_fee_in: FeeIn
    hold_quote: Decimal
    hold_base: Decimal
    buy_frame_ns: int | None = None
    sell_frame_ns: int | None = None
    day_notional: Decimal = Decimal(0)
    leg_cost_bps: Decimal = Decimal(0)
    limits: tuple[AppliedLimit, ...] = ()


class StoppedAsset(msgspec.Struct, frozen=True):
    """An asset of an account whose balance could not be explained: nothing opens with it until the user resumes."""

    account_id: str
    asset: str
    text: str


class DayCredit(msgspec.Struct, frozen=True):
    """What credits of an account's asset were agreed without an explanation on the UTC day, in quote."""

    account_id: str
    asset: str
    value: Decimal


class LateLeg(msgspec.Struct, frozen=True):
    """A pair that was unhedged beyond its deadline: nothing opens in its symbol, nor at its venues.

    `halted`: whether it has halted all trading. `ended_well`: completed or unwound since, its loss within the cap.
    """

    pair_id: int
    symbol: str
    venues: tuple[str, ...]
    halted: bool = False
    ended_well: bool = False


class BarredInstrument(msgspec.Struct, frozen=True):
    """An instrument that its venue bars for an account, and how it was `listed` then (`core/risk/bars.py`)."""

    account_id: str
    text: str
    listed: Instrument


class ControlRecord(Record, frozen=True, kw_only=True, tag="ControlRecord"):
    """Halts, losses, exposure and quarantines that survive a restart. Journal only; the last one counts.

    `day_exposure` is the day's quote x seconds unhedged by venue; `unwell` the venues in quarantine or on probation;
    `lifted_ns` when what late pairs had stopped last lifted itself, 0: never;
    `expiry_proved` the accounts for which their venue was seen to refuse an expired order;
    `day_floor_e8` the day's net at which nothing opens any more, None: as limited; `day_loss_reached` whether it was.
    """

    halted: str | None
    day_utc: str
    day_net_e8: int
    consecutive_losses: int
    ns: int
    text: str
    day_notional: Decimal = Decimal(0)
    exposure_day_utc: str = ""
    day_exposure: dict[str, Decimal] = {}
    unwell: tuple[str, ...] = ()
    stopped: tuple[StoppedAsset, ...] = ()
    late: tuple[LateLeg, ...] = ()
    lifted_ns: int = 0
    expiry_proved: tuple[str, ...] = ()
    barred: tuple[BarredInstrument, ...] = ()
    day_floor_e8: int | None = None
    day_loss_reached: bool = False
    day_credits: tuple[DayCredit, ...] = ()


class Residual(msgspec.Struct, frozen=True):
    """The residual of one symbol: base that closed pairs left behind (below zero: missing), and the quote it was booked at.

    `account_ids`: between which accounts those pairs were; empty in records of earlier versions.
    """

    symbol: str
    size: Decimal
    booked: Decimal
    since_ns: int
    account_ids: tuple[str, ...] = ()


class ResidualsRecord(Record, frozen=True, kw_only=True, tag="PoolRecord"):
    """All residuals of closed pairs on these accounts, as dust or carried unhedged. Journal only; the last counts."""

    account_ids: tuple[str, ...]
    dust: tuple[Residual, ...]
    carried: tuple[Residual, ...]


class AgreedAccount(msgspec.Struct, frozen=True):
    """What an account held when the venue's report, asked for at `ns` (our clock), agreed with what we compute.

    `bills`: the ids of those bills about then that `totals` holds: a restart counts none of them again.
    """

    account_id: str
    ns: int
    totals: dict[str, Decimal]
    bills: tuple[str, ...] = ()


class AgreedRecord(Record, frozen=True, kw_only=True, tag="AgreedRecord"):
    """The last agreement on every account: what a restart explains its first balances from. Journal only; the last counts."""

    accounts: tuple[AgreedAccount, ...]


class FormerAccountsRecord(Record, frozen=True, kw_only=True, tag="FormerAccountsRecord"):
    """What accounts were ever called before, each with its present name. Journal only; the last counts.

    Rows under a former name are the account's own: a version that does not know this row must not take them for another's.
    """

    present: dict[str, str]


AnyRecord = (
    RunRecord
    | OpportunityRecord
    | PairRecord
    | OrderRecord
    | FillRecord
    | BalanceRecord
    | IncidentRecord
    | AlternativeRecord
    | PlanRecord
    | ControlRecord
    | ResidualsRecord
    | AgreedRecord
    | FormerAccountsRecord
    | LegCostRecord
)


def row_key(record: AnyRecord) -> tuple[type, int | None]:
    """Return what row a record is a state of: plans go by their pair, and rows without a number are one of a kind."""
    return type(record), getattr(record, "id", getattr(record, "pair_id", None))


def tag_of(message: msgspec.Struct | type[msgspec.Struct]) -> str:
    """Return the tag of a message or of its class; raise `TypeError` for one that has none, and so cannot stand on disk."""
    tag = message.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{message!r} has no tag")
    return tag


def attributes_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the attributes of a class by the names of its fields on disk, in their order."""
    return dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
