"""Rows that only a restart reads, and that stay in the journal: plans, halts, residuals, agreements, the cost of legs.

Of the rows with one key (`row_key`) the last counts. The rules of `records.py` for names, units and whole rows apply here.
"""

from decimal import Decimal

import msgspec

from arb.core.messages.records import FillRecord, OrderRecord, PairRecord, Record
from arb.core.messages.settings import AppliedLimit
from arb.market.instrument import FeeIn, Instrument
from arb.market.symbol import Symbol


class FeeHold(msgspec.Struct, frozen=True):
    """The reservation at a venue of the asset that pays its fees, in that asset: for a leg and its unwind."""

    venue: str
    asset: str
    amount: Decimal


class SkewPart(msgspec.Struct, frozen=True):
    """By how much the required edge moved, in bps, for an asset that is `scarce` or `rich` at a venue."""

    venue: str
    asset: str
    held: str
    bps: Decimal


class PlanRecord(Record, frozen=True, kw_only=True, tag="PlanRecord"):
    """The basis of a pair's decision: enough to finish it, and to explain it, after a restart.

    `hold_quote` is reserved at the buy venue and `hold_base` at the sell venue until both legs are terminal. `day_notional` is
    the planned cost of all pairs opened on the UTC day of this one, it included, in quote. No `ControlRecord` is written at an
    opening (rows are what a decision waits for), and after a crash the day must not restart at zero. `leg_cost_bps` is the
    expected cost of legs that fall short, per notional: the threshold was on the edge less that. `limits` are those that a
    table of the symbol or of a venue set instead of the general ones. `fee_holds` are reserved like the others. Where bands of
    the inventory may move the required edge, `skew` names the causes, `skew_bps` the size, and `min_edge_bps` the start.
    `refill` names the ways by which base and quote could have been moved back, where lists show any.
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
    fee_holds: tuple[FeeHold, ...] = ()
    skew: tuple[SkewPart, ...] = ()
    skew_bps: Decimal = Decimal(0)
    min_edge_bps: Decimal | None = None
    refill: tuple[str, ...] = ()

    def holds(self) -> dict[tuple[str, str], Decimal]:
        base, quote = Symbol.of(self.symbol).base_and_quote
        held = {(self.buy_venue, quote): self.hold_quote, (self.sell_venue, base): self.hold_base}
        return held | {(hold.venue, hold.asset): hold.amount for hold in self.fee_holds}


class StoppedAsset(msgspec.Struct, frozen=True):
    """An asset of an account with an unexplained balance: nothing opens with it until the user resumes."""

    account_id: str
    asset: str
    text: str


class DayCredit(msgspec.Struct, frozen=True):
    """The unexplained credits of an account's asset agreed on the UTC day, in quote."""

    account_id: str
    asset: str
    value: Decimal


class HaltRequest(msgspec.Struct, frozen=True):
    """Who asked for a halt or a flatten, when (ns UTC), and for what reason."""

    by: str
    ns: int
    reason: str


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
    """An instrument that its venue bars for an account, and how it was `listed` then (`core/risk/instrument_bans.py`)."""

    account_id: str
    text: str
    listed: Instrument


class DayStop(msgspec.Struct, frozen=True):
    """A limit on the UTC day `day_utc`, by its key, that was reported as reached when it was `limit`."""

    key: str
    day_utc: str
    limit: Decimal


class ReadLag(msgspec.Struct, frozen=True):
    """By how much (`lag_ns` > 0) an account's lists were behind its orders, as seen at `ns`."""

    account_id: str
    ns: int
    lag_ns: int


class WrongPresumption(msgspec.Struct, frozen=True):
    """An order of an account, presumed absent, was seen at `ns` to have been taken after all."""

    account_id: str
    ns: int


class ControlRecord(Record, frozen=True, kw_only=True, tag="ControlRecord"):
    """Halts, losses, exposure and quarantines that survive a restart.

    `day_exposure` is the day's quote x seconds unhedged by venue; `unwell` the venues in quarantine or on probation;
    `lifted_ns` when the stops of late pairs last lifted themselves, 0: never; `expiry_proved` the accounts whose venue was
    seen to refuse an expired order; `day_floor_e8` the day's net at which nothing opens any more, None: as limited;
    `day_loss_reached` whether it was; `clean_pairs` how many pairs count for the ramp (`core/risk/ramp.py`); `day_presumed_e8`
    the cost of wrong presumptions of absence on the day, >= 0; `day_unfilled` the part of `day_notional` that closed pairs did
    not trade; `day_refused` the smallest pair that the daily notional refused since the last opening, 0: none; `day_stops` the
    limits on a day whose alerts are open; `asked` who asked for the halt, None: the engine itself, or not known.
    """

    halted: str | None
    day_utc: str
    day_net_e8: int
    consecutive_losses: int
    ns: int
    text: str
    day_notional: Decimal = Decimal(0)
    exposure_day_utc: str = ""
    day_exposure: dict[str, Decimal] = msgspec.field(default_factory=dict)
    unwell: tuple[str, ...] = ()
    stopped: tuple[StoppedAsset, ...] = ()
    late: tuple[LateLeg, ...] = ()
    lifted_ns: int = 0
    expiry_proved: tuple[str, ...] = ()
    barred: tuple[BarredInstrument, ...] = ()
    day_floor_e8: int | None = None
    day_loss_reached: bool = False
    day_credits: tuple[DayCredit, ...] = ()
    clean_pairs: int = 0
    read_lags: tuple[ReadLag, ...] = ()
    wrong_presumptions: tuple[WrongPresumption, ...] = ()
    day_presumed_e8: int = 0
    day_unfilled: Decimal = Decimal(0)
    day_refused: Decimal = Decimal(0)
    day_stops: tuple[DayStop, ...] = ()
    asked: HaltRequest | None = None


class Residual(msgspec.Struct, frozen=True):
    """The residual of one symbol: base left by closed pairs (below zero: missing), and its booked quote.

    `account_ids`: the accounts of those pairs; empty in records of earlier versions.
    """

    symbol: str
    size: Decimal
    booked: Decimal
    since_ns: int
    account_ids: tuple[str, ...] = ()


class ResidualsRecord(Record, frozen=True, kw_only=True, tag="PoolRecord"):
    account_ids: tuple[str, ...]
    dust: tuple[Residual, ...]
    carried: tuple[Residual, ...]


class AgreedAccount(msgspec.Struct, frozen=True):
    """An account's holdings when the venue's report, requested at `ns` (our clock), agreed with the computed totals.

    `bills`: the ids of those bills about then that `totals` includes: a restart counts none of them again.
    """

    account_id: str
    ns: int
    totals: dict[str, Decimal]
    bills: tuple[str, ...] = ()


class AgreedRecord(Record, frozen=True, kw_only=True, tag="AgreedRecord"):
    """The last agreement on every account, from which a restart explains its first balances."""

    accounts: tuple[AgreedAccount, ...]


class FormerAccountsRecord(Record, frozen=True, kw_only=True, tag="FormerAccountsRecord"):
    """All former names of accounts, each with its present name.

    Rows under a former name belong to the account: a version that does not know this row must not take them for another's.
    """

    present: dict[str, str]


class LegCostRecord(Record, frozen=True, kw_only=True, tag="LegCostRecord"):
    """Read only: the cost of legs of closed pairs on one route by `ns`, as earlier versions learned it.

    A `symbol` of "" is all of them. Sums in 1e-8 of the quote: `cost_e8` of size shortfalls and repairs (below zero: a gain),
    `notional_e8` of the pairs' planned payments.
    """

    id: int
    symbol: str
    buy_venue: str
    sell_venue: str
    ns: int
    cost_e8: int
    notional_e8: int


RecoveryRecord = PlanRecord | ControlRecord | ResidualsRecord | AgreedRecord | FormerAccountsRecord | LegCostRecord


class OpenPair(msgspec.Struct, frozen=True, kw_only=True):
    plan: PlanRecord
    pair: PairRecord
    orders: tuple[OrderRecord, ...]
    fills: tuple[FillRecord, ...]
