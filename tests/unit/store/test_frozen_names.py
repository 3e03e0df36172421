"""What journals and tapes call things never changes, whatever the classes and fields are called (docs/decisions/0002).

The tables are texts and not made from the classes: whoever renames a class or a field without keeping its name on disk meets
them here. They only grow: a new message gets a line, a new field stands at the end of its line with a `?` behind it, for no
older journal has it and it must have a default.
"""

import ast
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import msgspec
import msgspec.inspect
import pytest

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import AnyCommand, AnyRecord
from arb.core.messages.events import NOT_JOURNALLED, NOT_SENT, AnyEvent, AssetBalance, Transfer
from arb.core.messages.incidents import HaltReason, IncidentKind, Severity
from arb.core.messages.intents import IntendedOrder, Intent
from arb.core.messages.reasons import Reason, RepairReason
from arb.core.messages.records import (
    AlternativeStage,
    AlternativeWay,
    OpportunityOutcome,
    PairKind,
    PairState,
    QuoteSide,
    Waterfall,
    tag_of,
)
from arb.core.messages.recovery_records import (
    AgreedAccount,
    BarredInstrument,
    DayCredit,
    DayStop,
    FeeHold,
    HaltRequest,
    LateLeg,
    OpenPair,
    ReadLag,
    Residual,
    SkewPart,
    StoppedAsset,
    WrongPresumption,
)
from arb.core.messages.settings import (
    AppliedLimit,
    Band,
    CoinRule,
    HealthLimits,
    InventoryBands,
    Limits,
    OnSingleLeg,
    Ramp,
    RepairPolicy,
    SymbolLimits,
    Timing,
    Trapped,
    UnprovedCoin,
    VenueLimits,
)
from arb.core.messages.timers import AnyTimer, read_timer
from arb.core.state.budget import PlaceRate
from arb.core.state.control import Control
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.market.coins import Coin, CoinOverride
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.instrument import FeeIn, Instrument
from arb.market.order import OrderAbsence, OrderReport, OrderStatus, Outcome, Role, Side, TimeInForce
from arb.market.wallets import CurrencyChain
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import TapeHead

MESSAGES = """
RunStarted: seq? t_ns? run_id nonce mode sandbox_id account_ids seed version former_account_ids? absent?
VenueArrived: seq? t_ns? venue account_id former_account_ids instruments connections
VenueExamined: seq? t_ns? venue failed
QueueDrained: seq? t_ns? unread? backlogged?
FeedUp: seq? t_ns? venue connection?
FeedDown: seq? t_ns? venue cause connection?
PrivateUp: seq? t_ns? venue
PrivateDown: seq? t_ns? venue cause
ClockMeasured: seq? t_ns? venue offset_ns error_ns
ClockDoubted: seq? t_ns? venue
ClockAnchored: seq? t_ns? shifted_ns left_ns text
InstrumentListed: seq? t_ns? instrument
InstrumentUnlisted: seq? t_ns? venue symbol
VenueListed: seq? t_ns? venue instruments
CurrenciesListed: seq? t_ns? venue assets chains
SymbolsChosen: seq? t_ns? instruments connections dropped
BalancesReported: seq? t_ns? venue balances complete asked_ns
OrderAccepted: seq? t_ns? venue client_order_id report sent_ns acked_ns
OrderRejected: seq? t_ns? venue client_order_id code message sent_ns acked_ns retry_after_s? entries_stop_s? short_of_funds?
    off_steps? bars?
OutcomeUnknown: seq? t_ns? venue client_order_id cause sent_ns status? refused?
ExpiryProved: seq? t_ns? venue holds?
OrderUpdated: seq? t_ns? report
OrderFilled: seq? t_ns? fill
OrderLooked: seq? t_ns? venue symbol client_order_id look complete report fills started_ns cause? listed? out_of_reach?
AccountSurveyed: seq? t_ns? venue complete orders fills transfers transfers_complete started_ns cause? more?
OrdersRecalled: seq? t_ns? venue orders pairs lost? strangers?
CancelAnswered: seq? t_ns? venue client_order_id outcome code
TimerFired: seq? t_ns? timer
StoreStateChanged: seq? t_ns? store blocked cause
TroubleReported: seq? t_ns? kind text venue?
HaltAsked: seq? t_ns? reason by?
ResumeAsked: seq? t_ns? reason by? allow_loss?
FlattenAsked: seq? t_ns? reason by?
LimitsChanged: seq? t_ns? limits changes by
AlertAcknowledged: seq? t_ns? alert_id seen_id by reason
ShutdownAsked: seq? t_ns? deadline_ns by?
RunEnded: seq? t_ns? exit_code fatal?

PlaceOrder: cause venue symbol client_order_id role side tif price size expires_ns
CancelOrder: cause venue symbol client_order_id venue_order_id
QueryOrder: cause venue symbol client_order_id venue_order_id since_ns look
RefreshBalances: cause venue
RequestBook: cause connection native_symbol
SurveyAccount: cause venue symbols since_ns
RecallOrders: cause venue orders
SetTimer: cause timer at_ns
Persist: cause record
Alert: cause text
Finish: cause

RunRecord: id mode sandbox_id seed version started_ns ended_ns? exit_code? halted?
OpportunityRecord: id run_id symbol quote buy_venue sell_venue opened_ns best_ns closed_ns best_buy_size best_sell_size
    best_net_e8 best_edge_bps best_gross_edge_bps ticks outcome reason required_edge_bps?
PairRecord: id run_id opportunity_id kind symbol quote buy_venue sell_venue state decided_ns closed_ns buy_size sell_size
    residual_size residual_mark mark_ns exposure_quote_s waterfall buy_frame_ns? sell_frame_ns?
    leg_cost_e8? identity? handed_size? handed_value? closed_before? booked?
OrderRecord: id pair_trade_id account_id venue symbol role attempt side tif price size filled avg_price client_order_id
    venue_order_id status outcome reject_code journalled_ns sent_ns acked_ns first_fill_ns done_ns expires_ns? offset_ns?
    absence?
FillRecord: id order_id account_id venue symbol trade_id side price size fee fee_currency fee_quote_value liquidity source
    event_ns received_ns fee_expected_e8?
BalanceRecord: id run_id account_id venue asset ns free locked source cause wallet?
IncidentRecord: id run_id ns kind severity venue pair_trade_id cost_e8 text acknowledged_ns?
AlternativeRecord: id pair_trade_id ns stage way buy_venue sell_venue buy_size sell_size price net_e8 edge_bps reason
DecisionBookRecord: id pair_trade_id ns venue side levels
AcknowledgementRecord: id seen_id ns by reason
PlanRecord: pair_id symbol buy_venue sell_venue buy_size sell_size buy_limit sell_limit buy_vwap sell_vwap residual
    residual_value net mark buy_fee sell_fee buy_fee_in hold_quote hold_base buy_frame_ns? sell_frame_ns? day_notional?
    leg_cost_bps? limits? fee_holds? skew? skew_bps? min_edge_bps? refill?
ControlRecord: halted day_utc day_net_e8 consecutive_losses ns text day_notional? exposure_day_utc? day_exposure? unwell?
    stopped? late? lifted_ns? expiry_proved? barred? day_floor_e8? day_loss_reached?
    day_credits? clean_pairs? read_lags? wrong_presumptions? day_presumed_e8? day_unfilled?
    day_refused? day_stops? asked?
PoolRecord: account_ids dust carried
AgreedRecord: accounts
FormerAccountsRecord: present
LegCostRecord: id symbol buy_venue sell_venue ns cost_e8 notional_e8

TapeBegan: version? settings restored last_seq connections? rules? spare?
"""
"""Tag: names of the fields, each in the order of the class; `?`: older journals may lack it."""

PARTS: dict[type[msgspec.Struct], str] = {
    Instrument: "venue symbol native_symbol tick lot min_size min_notional taker_fee maker_fee buy_fee_in max_size?"
    " price_band? tradable? ends_ns? changes_ns? fee_asset? fee_asset_taker? opens_ns?",
    AssetBalance: "free locked",
    OrderReport: "venue symbol client_order_id venue_order_id side price size filled avg_price is_open finish_reason?"
    " updated_ns?",
    Fill: "venue symbol trade_id venue_order_id client_order_id side price size fee fee_currency liquidity source event_ns"
    " received_ns",
    Transfer: "transfer_id asset amount event_ns kind?",
    Waterfall: "expected_net_e8 buy_slippage_e8 sell_slippage_e8 size_shortfall_e8 fee_difference_e8 hedge_cost_e8"
    " residual_change_e8 realised_net_e8",
    StoppedAsset: "account_id asset text",
    DayStop: "key day_utc limit",
    HaltRequest: "by ns reason",
    LateLeg: "pair_id symbol venues halted? ended_well?",
    BarredInstrument: "account_id text listed",
    Residual: "symbol size booked since_ns account_ids?",
    AgreedAccount: "account_id ns totals bills?",
    DayCredit: "account_id asset value",
    TapeLine: "t venue kind raw url? seq? t_ns? connection?",
    EngineSettings: "limits timing repair venues symbols health? coins? ramp? inventory?",
    InventoryBands: "skew_max_bps? venue?",
    Band: "low_share? target_share? high_share? low_amount? target_amount? high_amount?",
    Ramp: "start_quote pairs",
    CoinRule: "coins refuse_unproved overrides?",
    CoinOverride: "ticker venue other same",
    CurrencyChain: "asset named chain? contract? denomination? deposit? withdrawal? withdrawal_fee? withdrawal_fee_rate?"
    " withdrawal_min? deposit_min? confirmations? arrival_s?",
    Coin: "venue ticker chain contract denomination? source?",
    Limits: "min_edge_bps? min_net_quote? max_notional_quote? max_slippage_bps? dust_max_quote? dust_total_max_quote?"
    " max_open_pairs? max_symbol_quote? max_asset_quote? max_unhedged_quote? max_exposure_quote_s_per_pair?"
    " max_exposure_quote_s_per_day? daily_notional_quote? daily_loss_quote? consecutive_losses? loss_min_quote?"
    " drift_ignore_quote? max_capital_per_venue_quote? max_edge_bps? leg_cost? symbol? venue? unproved_coin?"
    " max_price_ratio_bps? entry_band_bps? trapped?",
    SymbolLimits: "min_edge_bps? max_edge_bps? min_net_quote? max_notional_quote? max_slippage_bps? dust_max_quote?"
    " max_symbol_quote? max_price_ratio_bps? entry_band_bps?",
    VenueLimits: "min_edge_bps? max_edge_bps? min_net_quote? max_notional_quote? max_slippage_bps?"
    " max_capital_per_venue_quote?",
    AppliedLimit: "limit value table",
    Timing: "max_feed_lag_ms? feed_silence_ms? max_skew_ms? max_clock_offset_error_ms? close_after_ms? order_expiry_ms?"
    " presume_absent_ms? unknown_grace_ms? unknown_max_s? query_after_ms? leg_deadline_ms? balance_refresh_s? rules_refresh_s?"
    " drift_grace_ms? dead_man_timeout_s? shutdown_deadline_s?",
    RepairPolicy: "on_single_leg? leg_loss_max_bps? emergency_market?",
    VenueProfile: "venue place_rate enforces_expiry max_order_value_quote? max_orders_per_minute? fee_asset_prices_quote?",
    PlaceRate: "count window_ms per_symbol? for_others?",
    HealthLimits: "window_s? acks_min? ack_p95_degraded_ms? ack_p95_quarantined_ms? rejects_degraded? rejects_quarantined?"
    " unknowns_degraded? unknowns_quarantined? maintenance_degraded? maintenance_quarantined? drops_degraded?"
    " drops_quarantined? gaps_degraded? gaps_quarantined? unread_degraded? unread_quarantined?"
    " misses_degraded? misses_quarantined?"
    " clock_offset_degraded_ms? clock_offset_quarantined_ms? clock_error_degraded_ms? clock_error_quarantined_ms?"
    " degraded_notional_share? probation_notional_share? clear_s? quarantine_s? probation_s?",
    Restored: "control? pairs? pool? agreed? last_ns? recent? foreign_orders? foreign_fills? former_accounts?",
    OpenPair: "plan pair orders fills",
    Intent: (
        "seq t_ns run_id pair_id number opportunity_id buy_fee sell_fee buy_fee_in hold_quote hold_base day_notional orders"
        " fee_holds? synced?"
    ),
    IntendedOrder: "id account_id offset_ns place",
    FeeHold: "venue asset amount",
    SkewPart: "venue asset held bps",
    ReadLag: "account_id ns lag_ns",
    WrongPresumption: "account_id ns",
}
"""The same for what stands inside messages and has no tag: its class has no name on disk."""

GONE: dict[str | type[msgspec.Struct], str] = {
    "OutcomeUnknown": "received",
    VenueProfile: "receipts",
    Restored: "known",
}
"""What older journals and tapes hold beside that: read by nobody any more, and never to be given another meaning."""

GONE_TAGS = {"ResyncBook"}
"""Tags of messages that no version ever wrote; a new message must not take one of them."""

CODES: dict[type[StrEnum], str] = {
    Side: "buy sell",
    TimeInForce: "gtc ioc fok post_only",
    Role: "entry hedge unwind dust test foreign",
    OrderStatus: "intent sent open filled partial_cancelled cancelled rejected unknown absent",
    Outcome: "accepted rejected unknown",
    OrderAbsence: "proved presumed",
    Liquidity: "taker maker unknown",
    FillSource: "stream query",
    FeeIn: "base quote other",
    UnprovedCoin: "mark refuse",
    Trapped: "refuse cap ignore",
    PairKind: "arb dust flatten test",
    PairState: "opening repairing completed unwound carried halted abandoned",
    OpportunityOutcome: "traded refused vanished",
    AlternativeStage: "entry repair",
    AlternativeWay: "route size complete third_venue unwind hold",
    QuoteSide: "asks bids",
    OnSingleLeg: "cheapest complete unwind hold",
    # These two stand as plain text in their rows. The order of the reasons is the one in which they are tried.
    Reason: "halted venue_halted instrument_halted ledger_blocked journal_blocked clock_offset unknown_outstanding"
    " gapped_book stale_book feed_lag feed_backlog crossed_book book_skew own_impact identity_unverified wallet_closed"
    " fee_unknown no_depth below_min_size below_min_notional price_band edge_implausible residual_too_large"
    " unhedgeable_partial insufficient_balance max_notional net_below_minimum edge_below_threshold risk_limit"
    " pair_in_flight rate_budget",
    RepairReason: "costlier policy beyond_cap no_legal_order stays_unhedged",
}

TIMERS = (
    "adopt balances drift:gate episodes farewell flatten order:arb-1 pair:7 rules:gate:BTC/USDT shutdown survey:gate"
)
"""One text of each kind of timer."""
INCIDENTS = (
    "abandoned account_renamed adopted balance_drift balance_explained balances_agree balances_late balances_unread"
    " book_missing books_differ carried clock_anchored coin_override coins_changed"
    " contradiction credit_agreed daily_exposure daily_loss daily_notional"
    " doctor edge_implausible entries_stopped executor_error exposure_day fee_asset"
    " fee_currency fee_rate"
    " fills_lost fine_levels flatten flattened foreign_order funds_short guard halt"
    " instrument_halted late_fill late_leg left_over"
    " new_listing not_adopted not_surveyed opportunities_dropped order_socket presumed_wrong read_lag rejections restored"
    " resume risk_limit row_refused rules_changed settings_changed"
    " stale_book stop_lifted store suspended symbols_chosen tape transfer"
    " unknown_outcome unknown_symbol unknown_too_long unlisted unwitnessed venue_absent venue_health view wallet_closed"
)
SEVERITIES = "info warning critical"
HALTS = (
    "asked consecutive_losses contradiction daily_loss_quote engine_error executor_error flatten flattened"
    " leg_deadline risk_limit stranded"
)


def frozen() -> dict[str, list[str]]:
    """Return the names of the table of messages by tag."""
    joined = MESSAGES.replace("\n    ", " ")
    return {tag: names.split() for tag, _, names in (line.partition(": ") for line in joined.splitlines() if line)}


def names_on_disk(kind: type[msgspec.Struct]) -> list[str]:
    """Return the names of a class's fields as they are written, with a `?` behind those it can be read without."""
    fields = msgspec.structs.fields(kind)
    return [field.encode_name + ("" if field.required else "?") for field in fields]


def reached(kind: Any) -> Iterator[type]:
    """Yield every structure and enumeration that can stand in a type, itself included."""
    seen: set[type] = set()
    waiting = [msgspec.inspect.type_info(kind)]
    while waiting:
        match waiting.pop():
            case msgspec.inspect.StructType(cls=cls, fields=fields) if cls not in seen:
                seen.add(cls)
                waiting += [field.type for field in fields]
            case msgspec.inspect.EnumType(cls=cls):
                seen.add(cls)
            case msgspec.inspect.UnionType(types=types):
                waiting += types
            case msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.ListType(item_type=item):
                waiting.append(item)
            case msgspec.inspect.TupleType(item_types=items):
                waiting += items
            case msgspec.inspect.DictType(key_type=key, value_type=value):
                waiting += [key, value]
    yield from seen


ON_DISK = AnyEvent | AnyCommand | AnyRecord | TapeHead
STRUCTS = [
    kind for kind in (*reached(ON_DISK), *reached(TapeLine), *reached(Intent)) if issubclass(kind, msgspec.Struct)
]
TAGGED = {tag_of(kind): kind for kind in STRUCTS if kind.__struct_config__.tag is not None}


# Names.


def test_every_message_has_a_tag_of_the_table_and_no_tag_has_gone() -> None:
    assert sorted(TAGGED) == sorted(frozen())
    assert GONE_TAGS.isdisjoint(TAGGED)


@pytest.mark.parametrize("tag", frozen())
def test_the_fields_of_a_message_are_called_on_disk_what_they_were(tag: str) -> None:
    assert names_on_disk(TAGGED[tag]) == frozen()[tag]


def test_a_name_that_nobody_reads_any_more_is_not_used_again() -> None:
    for kind, names in GONE.items():
        present = frozen()[kind] if isinstance(kind, str) else PARTS[kind].split()
        assert {name.rstrip("?") for name in present}.isdisjoint(names.split())


def test_the_fields_of_what_stands_inside_messages_are_called_on_disk_what_they_were() -> None:
    found = {kind: names_on_disk(kind) for kind in STRUCTS if kind.__struct_config__.tag is None}
    assert found == {kind: names.split() for kind, names in PARTS.items()}


def test_the_tag_is_the_field_called_type() -> None:
    assert {kind.__struct_config__.tag_field for kind in TAGGED.values()} == {"type"}


def test_a_structure_without_a_tag_cannot_be_named_on_disk() -> None:
    with pytest.raises(TypeError, match="has no tag"):
        tag_of(Transfer)


# Codes and other words.


def test_the_codes_are_what_they_were() -> None:
    assert {kind: list(kind) for kind in CODES} == {kind: codes.split() for kind, codes in CODES.items()}
    assert {kind for kind in reached(ON_DISK) if issubclass(kind, StrEnum)} <= set(CODES)


def test_the_words_for_orders_that_never_left_are_what_they_were() -> None:
    assert (NOT_SENT, NOT_JOURNALLED) == ("not_sent", "not_journalled")


def test_the_texts_of_the_timers_are_what_they_were() -> None:
    timers = [read_timer(text) for text in TIMERS.split()]
    assert [timer.text for timer in timers] == TIMERS.split()
    assert {type(timer) for timer in timers} == set(get_args(AnyTimer))


def test_the_words_for_incidents_and_halts_are_what_they_were() -> None:
    assert sorted(IncidentKind) == INCIDENTS.split()
    assert list(Severity) == SEVERITIES.split()
    assert sorted(HaltReason) == HALTS.split()
    lost = Control(Limits(consecutive_losses=1))
    assert lost.book_result(-(10**12), 0) == "consecutive_losses"
    assert lost.halted_at(0) == "daily_loss_quote"


def test_no_word_for_a_timer_an_incident_or_a_halt_is_written_where_it_is_used(repo_root: Path) -> None:
    assert words_given(repo_root, {"timer", "incident", "_on_incident", "TroubleReported", "halt"}) == set()


def words_given(root: Path, calls: set[str]) -> set[str]:
    """Return the words that the code gives to calls of these names, first or as `kind`, up to a colon."""
    words: set[str] = set()
    for path in sorted((root / "arb").rglob("*.py")):
        tree = ast.parse(path.read_text())
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in calls:
                kinds = [keyword.value for keyword in node.keywords if keyword.arg == "kind"]
                for value in kinds or node.args[:1]:
                    word = _said(value, constants)
                    words |= set() if word is None else {word.partition(":")[0]}
    return words


def _said(value: ast.expr, constants: dict[str, Any]) -> str | None:
    """Return a text, or the beginning of one that is put together; None where it is not said here."""
    match value:
        case ast.Constant(value=str() as text):
            return text
        case ast.Name(id=name) if isinstance(constants.get(name), str):
            return str(constants[name])
        case ast.JoinedStr(values=[ast.FormattedValue(value=first), *_]) | ast.JoinedStr(values=[first, *_]):
            return _said(first, constants)
        case _:
            return None
