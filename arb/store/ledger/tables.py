"""The ledger's tables, alike on SQLite and PostgreSQL.

Instants are integer nanoseconds UTC (`_ns`), profit-and-loss terms integers in 1e-8 of the quote (`_e8`), prices, sizes
and fees exact numbers. Rows are made from the records of `core/messages/records.py`, field by column, under the same
ids.

The CHECK constraints make nonsense impossible for every writer. Exact numbers are compared there as double precision,
for text does not compare as a number: such a check is a sanity test, not arithmetic, and sums of sizes get a tolerance
of 1e-9. The codes allowed in a column are not listed here but in `domains.py`, unless they can never grow in number.
`pair_trades.opportunity_id` is no foreign key: an opportunity's row is written when its episode closes, which may be
after its pair was decided.
"""

from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, MetaData, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from arb.core.messages.records import QuoteSide
from arb.market.order import Outcome, Side
from arb.store.ledger.domains import ExactNumber, RowId, above_zero, among, check, not_negative, number

WATERFALL = (
    "expected_net_e8",
    "buy_slippage_e8",
    "sell_slippage_e8",
    "size_shortfall_e8",
    "fee_difference_e8",
    "hedge_cost_e8",
    "residual_change_e8",
    "realised_net_e8",
)


WHOLE_EDGE_BPS = "CAST(ROUND(CAST(best_edge_bps AS DOUBLE PRECISION) * 1000000) AS BIGINT) / 1000000"
"""The whole part of an edge; edges have 6 decimals."""
_FINISHED = "'completed', 'unwound', 'carried', 'abandoned'"
_WHOLE = " AND ".join(f"({WATERFALL[-1]} IS NULL) = ({term} IS NULL)" for term in WATERFALL[:-1])


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {int: BigInteger, str: String, Decimal: ExactNumber}  # noqa: RUF012 - SQLAlchemy's own form


def _id() -> Mapped[int]:
    return mapped_column(RowId, primary_key=True, autoincrement=False, comment="row id, given by the engine")


class Run(Base):
    __tablename__ = "runs"
    __table_args__ = (
        check("ends_after_start", "ended_ns >= started_ns"),
        {"comment": "one run of the engine process"},
    )

    id: Mapped[int] = _id()
    mode: Mapped[str] = mapped_column(comment="sandbox, paper, live, replay or sim")
    sandbox_id: Mapped[str | None] = mapped_column(comment="which sandbox the run traded on, if any")
    seed: Mapped[int | None] = mapped_column(comment="the seed of a seeded run")
    version: Mapped[str] = mapped_column(comment="version of arb")
    started_ns: Mapped[int] = mapped_column(comment="start, ns UTC")
    ended_ns: Mapped[int | None] = mapped_column(comment="end, ns UTC; null while running or when killed")
    exit_code: Mapped[int | None] = mapped_column(Integer, comment="exit code of the process")
    halted: Mapped[str | None] = mapped_column(comment="why trading halted itself, if it did")


class Opportunity(Base):
    """One episode in which a profit after fees existed between two venues."""

    __tablename__ = "opportunities"
    __table_args__ = (
        check("reason_iff_not_traded", "(outcome = 'traded') = (reason IS NULL)"),
        check("best_net_not_negative", "best_net_e8 >= 0"),
        check("times_in_order", "opened_ns <= best_ns AND best_ns <= closed_ns"),
        check("ticks_above_zero", "ticks > 0"),
        check("two_venues", "buy_venue <> sell_venue"),
        *above_zero("best_buy_size", "best_sell_size"),
        # No more indexes: each lowers the insert rate by a fifth.
        Index(None, "symbol", "opened_ns"),
        Index(None, "run_id", "opened_ns"),
        Index(None, "opened_ns"),
        {"comment": "episodes with a profit after fees, traded or not"},
    )

    id: Mapped[int] = _id()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), comment="the run that saw it")
    symbol: Mapped[str] = mapped_column(comment="for instance BTC/USDT")
    quote: Mapped[str] = mapped_column(comment="quote asset: prices and profits are stated in it")
    buy_venue: Mapped[str] = mapped_column(comment="venue to buy at, with the lower price")
    sell_venue: Mapped[str] = mapped_column(comment="venue to sell at, with the higher price")
    opened_ns: Mapped[int] = mapped_column(comment="first instant with a profit, ns UTC")
    best_ns: Mapped[int] = mapped_column(comment="instant of the best profit, ns UTC")
    closed_ns: Mapped[int] = mapped_column(comment="last instant, ns UTC")
    best_buy_size: Mapped[Decimal] = mapped_column(comment="size to buy at best_ns, in base")
    best_sell_size: Mapped[Decimal] = mapped_column(comment="size to sell at best_ns, in base")
    best_net_e8: Mapped[int] = mapped_column(comment="profit after fees at best_ns, 1e-8 of the quote")
    best_edge_bps: Mapped[Decimal] = mapped_column(comment="profit after fees per amount paid at best_ns, bps")
    best_gross_edge_bps: Mapped[Decimal] = mapped_column(comment="price difference before fees at best_ns, bps")
    ticks: Mapped[int] = mapped_column(comment="book changes during the episode")
    outcome: Mapped[str] = mapped_column(comment="traded, refused or vanished")
    reason: Mapped[str | None] = mapped_column(
        comment="code of the reason it was not traded; null if and only if traded"
    )
    required_edge_bps: Mapped[Decimal | None] = mapped_column(
        comment="net edge required of a pair at best_ns, bps; null without inventory bands, and in rows from before schema 0013"
    )


class PairTrade(Base):
    """One attempt to take an opportunity: a buy at one venue, a sell at another."""

    __tablename__ = "pair_trades"
    __table_args__ = (
        check("closed_when_finished", f"state NOT IN ({_FINISHED}) OR closed_ns IS NOT NULL"),
        check("closes_after_decision", "closed_ns >= decided_ns"),
        check("two_venues", "kind <> 'arb' OR buy_venue <> sell_venue"),
        check("two_sizes", f"kind <> 'arb' OR ({number('buy_size')} > 0 AND {number('sell_size')} > 0)"),
        check("some_size", f"{number('buy_size')} + {number('sell_size')} > 0"),
        check("mark_has_time", "(residual_mark IS NULL) = (mark_ns IS NULL)"),
        check("waterfall_whole", _WHOLE),
        check("waterfall_adds_up", f"{' + '.join(WATERFALL[:-1])} = {WATERFALL[-1]}"),
        check(
            "earned_when_finished",
            "kind <> 'arb' OR state NOT IN ('completed', 'unwound') OR realised_net_e8 IS NOT NULL",
        ),
        *not_negative("buy_size", "sell_size", "residual_mark", "exposure_quote_s"),
        Index(None, "symbol", "decided_ns"),
        Index(None, "decided_ns"),
        Index(None, "state"),
        Index(None, "run_id"),
        Index(None, "opportunity_id"),
        {"comment": "pair trades, with the exact causes of their profit or loss"},
    )

    id: Mapped[int] = _id()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), comment="the run that decided it")
    opportunity_id: Mapped[int | None] = mapped_column(comment="the opportunity it took")
    kind: Mapped[str] = mapped_column(
        comment="arb, dust (selling the dust of closed pairs), flatten (asked by the user) or test (an order of a drill)"
    )
    symbol: Mapped[str] = mapped_column(comment="for instance BTC/USDT")
    quote: Mapped[str] = mapped_column(comment="quote asset: values and profits are stated in it")
    buy_venue: Mapped[str] = mapped_column(comment="venue of the buy leg")
    sell_venue: Mapped[str] = mapped_column(comment="venue of the sell leg")
    state: Mapped[str] = mapped_column(comment="opening, repairing, completed, unwound, carried, halted or abandoned")
    decided_ns: Mapped[int] = mapped_column(comment="decision, ns UTC")
    closed_ns: Mapped[int | None] = mapped_column(comment="end, ns UTC")
    buy_size: Mapped[Decimal] = mapped_column(comment="planned size of the buy leg, in base")
    sell_size: Mapped[Decimal] = mapped_column(comment="planned size of the sell leg, in base")
    residual_size: Mapped[Decimal] = mapped_column(
        comment="residual (R): base bought less base sold, negative when short"
    )
    residual_mark: Mapped[Decimal | None] = mapped_column(comment="quote value of one base of residual (m1)")
    mark_ns: Mapped[int | None] = mapped_column(comment="instant of residual_mark, ns UTC")
    exposure_quote_s: Mapped[Decimal] = mapped_column(comment="unhedged value over time, quote times seconds")
    expected_net_e8: Mapped[int | None] = mapped_column(comment="profit expected at decision, 1e-8 of the quote")
    buy_slippage_e8: Mapped[int | None] = mapped_column(
        comment="result of the buy leg's fill prices against the plan, 1e-8 of the quote"
    )
    sell_slippage_e8: Mapped[int | None] = mapped_column(
        comment="result of the sell leg's fill prices against the plan, 1e-8 of the quote"
    )
    size_shortfall_e8: Mapped[int | None] = mapped_column(
        comment="result of planned sizes that were not filled, 1e-8 of the quote"
    )
    fee_difference_e8: Mapped[int | None] = mapped_column(comment="expected fees minus charged fees, 1e-8 of the quote")
    hedge_cost_e8: Mapped[int | None] = mapped_column(
        comment="result of hedges and unwinds (above zero: gain), 1e-8 of the quote"
    )
    residual_change_e8: Mapped[int | None] = mapped_column(comment="change of the residual's value, 1e-8 of the quote")
    realised_net_e8: Mapped[int | None] = mapped_column(
        comment="profit, the sum of the seven terms before it, 1e-8 of the quote"
    )
    buy_frame_ns: Mapped[int | None] = mapped_column(
        comment="receipt of the newest frame of the buy venue's book at decision, ns UTC"
    )
    sell_frame_ns: Mapped[int | None] = mapped_column(
        comment="receipt of the newest frame of the sell venue's book at decision, ns UTC"
    )
    leg_cost_e8: Mapped[int | None] = mapped_column(
        comment="expected cost of partly filled legs at decision, not a term of realised_net_e8, 1e-8 of the quote"
    )
    identity: Mapped[str | None] = mapped_column(
        comment="unproved: the coins are not proved to be the same at both venues, and sums exclude the pair; else null"
    )
    fees_e8: Mapped[int] = mapped_column(
        server_default=text("0"), comment="fees of its fills, sum of fee_quote_value_e8, 1e-8 of the quote"
    )
    fills: Mapped[int] = mapped_column(server_default=text("0"), comment="number of fills of its orders")


class TradeLeg(Base):
    """One leg of a pair as it was planned; derived from the pair and its entry orders (`writer.py`)."""

    __tablename__ = "trade_legs"
    __table_args__ = (
        among("side", Side),
        check("numbered_from_one", "n > 0"),
        check("limit_has_tif", "(limit_price IS NULL) = (tif IS NULL)"),
        check("reduce_only_is_a_flag", "reduce_only IN (0, 1)"),
        *above_zero("size", "limit_price"),
        {"comment": "planned legs of pair trades, one row each: instrument, side, size and limit"},
    )

    pair_trade_id: Mapped[int] = mapped_column(
        RowId, ForeignKey("pair_trades.id"), primary_key=True, autoincrement=False, comment="the pair"
    )
    n: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, comment="number of the leg within its pair, from 1"
    )
    role: Mapped[str] = mapped_column(comment="entry, dust, unwind (a residual traded away) or test")
    venue: Mapped[str] = mapped_column(comment="venue of the leg")
    symbol: Mapped[str] = mapped_column(comment="for instance BTC/USDT")
    side: Mapped[str] = mapped_column(comment="buy or sell")
    size: Mapped[Decimal] = mapped_column(comment="planned size, in base")
    limit_price: Mapped[Decimal | None] = mapped_column(
        comment="limit of its order, quote per base; null for a residual, of which each order has its own"
    )
    tif: Mapped[str | None] = mapped_column(comment="time in force of its order; null without limit_price")
    reduce_only: Mapped[int] = mapped_column(Integer, comment="1 if its order may not open a position, else 0")


class PairClosing(Base):
    """The result booked by one closing of a pair; a reopened pair has several, and their sum is its result."""

    __tablename__ = "pair_closings"
    __table_args__ = (
        check("numbered_from_one", "n > 0"),
        check("waterfall_adds_up", f"{' + '.join(WATERFALL[:-1])} = {WATERFALL[-1]}"),
        Index(None, "closed_ns"),
        {
            "comment": "result of each closing of a pair, as the difference from the one before; daily profits are sums of them"
        },
    )

    pair_trade_id: Mapped[int] = mapped_column(
        RowId, ForeignKey("pair_trades.id"), primary_key=True, autoincrement=False, comment="the pair"
    )
    n: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, comment="number of the closing within its pair, from 1"
    )
    closed_ns: Mapped[int] = mapped_column(comment="time of the closing, ns UTC")
    expected_net_e8: Mapped[int] = mapped_column(
        comment="change of the column of this name in pair_trades, 1e-8 of the quote"
    )
    buy_slippage_e8: Mapped[int] = mapped_column(
        comment="change of the column of this name in pair_trades, 1e-8 of the quote"
    )
    sell_slippage_e8: Mapped[int] = mapped_column(
        comment="change of the column of this name in pair_trades, 1e-8 of the quote"
    )
    size_shortfall_e8: Mapped[int] = mapped_column(
        comment="change of the column of this name in pair_trades, 1e-8 of the quote"
    )
    fee_difference_e8: Mapped[int] = mapped_column(
        comment="change of the column of this name in pair_trades, 1e-8 of the quote"
    )
    hedge_cost_e8: Mapped[int] = mapped_column(
        comment="change of the column of this name in pair_trades, 1e-8 of the quote"
    )
    residual_change_e8: Mapped[int] = mapped_column(
        comment="change of the column of this name in pair_trades, 1e-8 of the quote"
    )
    realised_net_e8: Mapped[int] = mapped_column(
        comment="change of the column of this name in pair_trades, 1e-8 of the quote"
    )
    fees_e8: Mapped[int] = mapped_column(
        server_default=text("0"), comment="fees of its fills since the closing before, 1e-8 of the quote"
    )


class Order(Base):
    """One order, from intent to its end; foreign ones are kept to explain balances."""

    __tablename__ = "orders"
    __table_args__ = (
        among("side", Side),
        among("outcome", Outcome),
        check("own_has_name", "role = 'foreign' OR client_order_id IS NOT NULL"),
        check("foreign_has_no_pair", "role <> 'foreign' OR pair_trade_id IS NULL"),
        check("attempt_not_negative", "attempt >= 0"),
        check("own_has_price", f"role = 'foreign' OR {number('price')} > 0"),
        check("filled_within_size", f"{number('filled')} <= {number('size')} * 1.000000001"),
        check("intent_was_not_sent", "status <> 'intent' OR sent_ns IS NULL"),
        check("journalled_before_sent", "role = 'foreign' OR sent_ns >= journalled_ns"),
        *above_zero("size"),
        *not_negative("price", "filled", "avg_price"),
        UniqueConstraint("account_id", "client_order_id"),
        Index(None, "pair_trade_id"),
        Index(None, "journalled_ns"),
        Index(None, "account_id", "venue_order_id"),
        Index(None, "status"),
        {"comment": "orders, ours and foreign"},
    )

    id: Mapped[int] = _id()
    pair_trade_id: Mapped[int | None] = mapped_column(ForeignKey("pair_trades.id"), comment="its pair; null if foreign")
    account_id: Mapped[str] = mapped_column(
        comment="venue and the venue's id of the account; the key's fingerprint where the venue reports none"
    )
    venue: Mapped[str] = mapped_column(comment="venue of the order")
    symbol: Mapped[str] = mapped_column(comment="for instance BTC/USDT")
    role: Mapped[str] = mapped_column(comment="entry, hedge, unwind, dust, test or foreign")
    attempt: Mapped[int] = mapped_column(Integer, comment="0 for the first of its role in the pair")
    side: Mapped[str] = mapped_column(comment="buy or sell")
    tif: Mapped[str] = mapped_column(comment="gtc, ioc, fok or post_only")
    price: Mapped[Decimal] = mapped_column(comment="limit, quote per base; 0 for a foreign market order")
    size: Mapped[Decimal] = mapped_column(comment="size, in base")
    filled: Mapped[Decimal] = mapped_column(comment="filled so far, in base")
    avg_price: Mapped[Decimal | None] = mapped_column(comment="average price of its fills, quote per base")
    client_order_id: Mapped[str | None] = mapped_column(comment="our name for it, chosen before sending")
    venue_order_id: Mapped[str | None] = mapped_column(comment="the venue's name for it")
    status: Mapped[str] = mapped_column(comment="state of the order; absent: no venue shows it, see absence")
    outcome: Mapped[str | None] = mapped_column(comment="outcome of the place request: accepted, rejected or unknown")
    reject_code: Mapped[str | None] = mapped_column(comment="the venue's label or code of the rejection")
    journalled_ns: Mapped[int] = mapped_column(comment="written to the journal, ns UTC")
    sent_ns: Mapped[int | None] = mapped_column(comment="passed to the socket, ns UTC; null if never sent")
    acked_ns: Mapped[int | None] = mapped_column(comment="answered, ns UTC")
    first_fill_ns: Mapped[int | None] = mapped_column(comment="first fill, ns UTC")
    done_ns: Mapped[int | None] = mapped_column(comment="ended, ns UTC")
    absence: Mapped[str | None] = mapped_column(
        comment="how its absence was established: proved or presumed; null if not absent, and in rows from before schema 0016"
    )


class Fill(Base):
    """One execution, counted exactly once however often it is reported."""

    __tablename__ = "fills"
    __table_args__ = (
        among("side", Side),
        *above_zero("price", "size"),
        UniqueConstraint("account_id", "symbol", "trade_id", "order_id"),
        Index(None, "order_id"),
        Index(None, "event_ns"),
        {"comment": "executions, each once"},
    )

    id: Mapped[int] = _id()
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), comment="its order")
    account_id: Mapped[str] = mapped_column(
        comment="venue and the venue's id of the account; the key's fingerprint where the venue reports none"
    )
    venue: Mapped[str] = mapped_column(comment="venue of the execution")
    symbol: Mapped[str] = mapped_column(comment="for instance BTC/USDT")
    trade_id: Mapped[str] = mapped_column(comment="the venue's name for the execution")
    side: Mapped[str] = mapped_column(comment="buy or sell")
    price: Mapped[Decimal] = mapped_column(comment="quote per base")
    size: Mapped[Decimal] = mapped_column(comment="in base")
    fee: Mapped[Decimal] = mapped_column(comment="in fee_currency; positive when paid, negative for a rebate")
    fee_currency: Mapped[str] = mapped_column(comment="asset the fee was taken in")
    fee_quote_value: Mapped[Decimal] = mapped_column(comment="value of the fee in quote at the time of the fill")
    liquidity: Mapped[str] = mapped_column(comment="taker, maker or unknown")
    source: Mapped[str] = mapped_column(comment="source of the report: stream or query")
    event_ns: Mapped[int] = mapped_column(comment="the venue's time of the fill, ns UTC")
    received_ns: Mapped[int] = mapped_column(comment="our time of receipt, ns UTC")
    # Written by us, rounded once and half-even: the two databases would round it differently.
    fee_quote_value_e8: Mapped[int] = mapped_column(
        server_default=text("0"), comment="fee_quote_value in 1e-8 of the quote, rounded half-even"
    )
    fee_expected_e8: Mapped[int | None] = mapped_column(
        comment="the planned fee, 1e-8 of the quote; null for foreign orders, and in rows from before schema 0011"
    )


class Balance(Base):
    """A balance as a venue reported it or as we computed it; rows are only added."""

    __tablename__ = "balances"
    __table_args__ = (
        check("told_free_not_negative", f"source <> 'venue' OR {number('free')} >= 0"),
        *not_negative("locked"),
        Index(None, "venue", "asset", "ns"),
        Index(None, "run_id"),
        {"comment": "balances over time"},
    )

    id: Mapped[int] = _id()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), comment="the run that recorded it")
    account_id: Mapped[str] = mapped_column(
        comment="venue and the venue's id of the account; the key's fingerprint where the venue reports none"
    )
    venue: Mapped[str] = mapped_column(comment="venue that holds the balance")
    asset: Mapped[str] = mapped_column(comment="for instance USDT")
    ns: Mapped[int] = mapped_column(comment="instant, ns UTC")
    free: Mapped[Decimal] = mapped_column(comment="available, in the asset")
    locked: Mapped[Decimal] = mapped_column(comment="held by open orders, in the asset")
    source: Mapped[str] = mapped_column(comment="venue or computed")
    cause: Mapped[str] = mapped_column(comment="reason for recording it")
    wallet: Mapped[str] = mapped_column(server_default=text("'spot'"), comment="wallet of the account that holds it")


class Incident(Base):
    """An event that a person should know about."""

    __tablename__ = "incidents"
    __table_args__ = (
        check("kind_not_empty", "kind <> ''"),
        Index(None, "ns"),
        Index(None, "pair_trade_id"),
        Index(None, "run_id"),
        {"comment": "events that a person should know about"},
    )

    id: Mapped[int] = _id()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), comment="the run it happened in")
    ns: Mapped[int] = mapped_column(comment="instant, ns UTC")
    kind: Mapped[str] = mapped_column(comment="code of the kind of incident")
    severity: Mapped[str] = mapped_column(comment="info, warning or critical")
    venue: Mapped[str | None] = mapped_column(comment="the venue concerned; null if there is no single one")
    pair_trade_id: Mapped[int | None] = mapped_column(ForeignKey("pair_trades.id"), comment="its pair, if any")
    cost_e8: Mapped[int | None] = mapped_column(comment="cost of the incident, 1e-8 of the quote")
    text: Mapped[str] = mapped_column(comment="description of the incident")
    acknowledged_ns: Mapped[int | None] = mapped_column(comment="acknowledgement of its alert, ns UTC")


class Alert(Base):
    """Incidents that need a person, of one kind at one venue in one symbol, until they are acknowledged."""

    __tablename__ = "alerts"
    __table_args__ = (
        check("kind_not_empty", "kind <> ''"),
        check("count_above_zero", "count > 0"),
        check("acknowledged_whole", "(acknowledged_ns IS NULL) = (acknowledged_by IS NULL)"),
        check("acknowledged_with_reason", "(acknowledged_ns IS NULL) = (reason IS NULL)"),
        Index(None, "run_id"),
        Index(None, "acknowledged_ns"),
        {"comment": "incidents that need a person, and their acknowledgements"},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False, comment="id of its first incident")
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), comment="the run it began in")
    kind: Mapped[str] = mapped_column(comment="code of the kind of incident, as in incidents")
    venue: Mapped[str | None] = mapped_column(comment="the venue concerned; null if there is no single one")
    symbol: Mapped[str | None] = mapped_column(comment="symbol of the pair concerned, if any")
    first_ns: Mapped[int] = mapped_column(comment="its first incident, ns UTC")
    last_ns: Mapped[int] = mapped_column(comment="its last incident, ns UTC")
    last_incident_id: Mapped[int] = mapped_column(comment="id of its last incident")
    count: Mapped[int] = mapped_column(comment="number of its incidents")
    text: Mapped[str] = mapped_column(
        comment="description of its last incident, then the different descriptions of earlier ones"
    )
    what_to_do: Mapped[str] = mapped_column(comment="recommended action")
    acknowledged_ns: Mapped[int | None] = mapped_column(comment="acknowledgement, ns UTC; null while it is open")
    acknowledged_by: Mapped[str | None] = mapped_column(
        comment="name of the user who acknowledged it, or kind of the incident that ended it"
    )
    reason: Mapped[str | None] = mapped_column(
        comment="reason given by the user, or description of the incident that ended it"
    )


class Alternative(Base):
    """An alternative when a pair was opened or a leg repaired: the one taken, or one that was not."""

    __tablename__ = "alternatives"
    __table_args__ = (
        check("entry_has_two_venues", "stage <> 'entry' OR (buy_venue IS NOT NULL AND sell_venue IS NOT NULL)"),
        check("two_venues", "buy_venue <> sell_venue"),
        check("hold_is_nowhere", "(way = 'hold') = (buy_venue IS NULL AND sell_venue IS NULL)"),
        *above_zero("buy_size", "sell_size", "price"),
        Index(None, "pair_trade_id"),
        {"comment": "alternatives available at a decision about a pair, the one taken included"},
    )

    id: Mapped[int] = _id()
    pair_trade_id: Mapped[int] = mapped_column(ForeignKey("pair_trades.id"), comment="the pair it was decided for")
    ns: Mapped[int] = mapped_column(comment="the decision, ns UTC; journalled_ns of the orders sent instead")
    stage: Mapped[str] = mapped_column(comment="entry (opening the pair) or repair (hedging or unwinding a leg)")
    way: Mapped[str] = mapped_column(
        comment="at entry: route or size; at repair: complete, third_venue, unwind or hold"
    )
    buy_venue: Mapped[str | None] = mapped_column(comment="venue to buy at, if any")
    sell_venue: Mapped[str | None] = mapped_column(comment="venue to sell at, if any")
    buy_size: Mapped[Decimal | None] = mapped_column(comment="size to buy, in base")
    sell_size: Mapped[Decimal | None] = mapped_column(comment="size to sell, in base")
    price: Mapped[Decimal | None] = mapped_column(comment="limit of a repair, quote per base")
    net_e8: Mapped[int | None] = mapped_column(
        comment="expected profit; for a repair, relative to the fill price of its leg; 1e-8 of the quote"
    )
    edge_bps: Mapped[Decimal | None] = mapped_column(
        comment="net_e8 per amount paid, bps; for a route without profit, at the best quotes"
    )
    reason: Mapped[str | None] = mapped_column(comment="code of the reason it was not taken; null for the one taken")


class DecisionBook(Base):
    """One side of a book on which a pair was decided; the view `v_decision_levels` shows it level by level."""

    __tablename__ = "decision_books"
    __table_args__ = (
        among("side", QuoteSide),
        check("levels_not_empty", "substr(levels, 1, 3) = '[[\"'"),
        UniqueConstraint("pair_trade_id", "side"),
        {"comment": "the book sides on which a pair was decided: asks at the buy venue, bids at the sell venue"},
    )

    id: Mapped[int] = _id()
    pair_trade_id: Mapped[int] = mapped_column(ForeignKey("pair_trades.id"), comment="the pair it was decided for")
    ns: Mapped[int] = mapped_column(comment="the decision, ns UTC; decided_ns of the pair")
    venue: Mapped[str] = mapped_column(comment="venue of the book")
    side: Mapped[str] = mapped_column(comment="asks (at the buy venue) or bids (at the sell venue)")
    levels: Mapped[str] = mapped_column(
        comment='best first, as JSON: [["price","size"],...], exact decimals in quote per base and in base; all levels'
        " within the limit of the order, at least 10 if the book has them, at most 50"
    )


class OpportunityDay(Base):
    """Sums of one day's opportunities, updated with them; kept when untraded ones are deleted."""

    __tablename__ = "opportunities_daily"
    __table_args__ = (
        check("opportunities_not_negative", "opportunities >= 0"),
        {"comment": "sums of opportunities by day, run, route, reason and whole bps of edge"},
    )

    day: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, comment="days since 1970-01-01 UTC, of opened_ns"
    )
    run_id: Mapped[int] = mapped_column(
        RowId,
        primary_key=True,
        autoincrement=False,
        comment="the run that saw them; 0 for opportunities deleted before schema 0019",
    )
    symbol: Mapped[str] = mapped_column(primary_key=True, comment="for instance BTC/USDT")
    buy_venue: Mapped[str] = mapped_column(primary_key=True, comment="venue to buy at, with the lower price")
    sell_venue: Mapped[str] = mapped_column(primary_key=True, comment="venue to sell at, with the higher price")
    outcome: Mapped[str] = mapped_column(primary_key=True, comment="traded, refused or vanished")
    reason: Mapped[str] = mapped_column(primary_key=True, comment="code of the reason they were not traded, or traded")
    edge_bps: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, comment="whole part of best_edge_bps, bps"
    )
    quote: Mapped[str] = mapped_column(comment="quote asset: prices and profits are stated in it")
    day_utc: Mapped[str] = mapped_column(comment="the day as YYYY-MM-DD, UTC")
    opportunities: Mapped[int] = mapped_column(
        comment="number of opportunities; 0 if all of them moved to another row with a better edge"
    )
    ticks: Mapped[int] = mapped_column(comment="sum of the book changes during them")
    lived_ns: Mapped[int] = mapped_column(comment="sum of their durations (opened_ns to closed_ns), ns")
    best_net_e8: Mapped[int] = mapped_column(comment="sum of the profits at best_ns, 1e-8 of the quote")


class AccountLease(Base):
    """The engine that trades an account. Only on PostgreSQL, where machines may share a ledger (`store/ledger/lease.py`)."""

    __tablename__ = "account_leases"
    __table_args__ = (
        {"comment": "the engine that trades an account; only on PostgreSQL, which engines of several hosts may share"},
    )

    account_id: Mapped[str] = mapped_column(
        primary_key=True,
        comment="venue and the venue's id of the account; the key's fingerprint where the venue reports none",
    )
    holder: Mapped[str] = mapped_column(comment="random name of the run that holds it")
    place: Mapped[str | None] = mapped_column(
        comment="lock file of its journal, as identified by the kernel of its host"
    )
    host: Mapped[str] = mapped_column(comment="name of its host")
    pid: Mapped[int] = mapped_column(comment="process id on that host")
    acquired_ns: Mapped[int] = mapped_column(comment="start of the lease, by the database's clock, ns UTC")
    renewed_ns: Mapped[int] = mapped_column(comment="last confirmed, by the database's clock, ns UTC")


class Projection(Base):
    """How far the journal has been written into this ledger; changes in the same transaction as the rows."""

    __tablename__ = "projection"
    __table_args__ = ({"comment": "how far the journal has been projected into this ledger"},)

    journal_id: Mapped[str] = mapped_column(primary_key=True, comment="random name of the journal")
    seq: Mapped[int] = mapped_column(comment="sequence number of the last event projected")
    sub: Mapped[int] = mapped_column(Integer, comment="number of the last command projected under it")
    journal_path: Mapped[str | None] = mapped_column(
        comment="path of the journal; the control socket and the halt file are next to it; null before schema 0007"
    )
    alert_rules: Mapped[int | None] = mapped_column(
        Integer,
        comment="version of the rules that made the alerts; null from an upgrade to schema 0014 until alerts are made",
    )
