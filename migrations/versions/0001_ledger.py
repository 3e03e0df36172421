"""Make the ledger's tables.

Revision 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite has no decimal type, and lets only INTEGER stand for its own row number.
EXACT = sa.Text().with_variant(sa.Numeric(), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "projection",
        sa.Column("journal_id", sa.String(), nullable=False, comment="the journal's own random name"),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="sequence number of the last event projected"),
        sa.Column("sub", sa.Integer(), nullable=False, comment="number of the last command projected under it"),
        sa.PrimaryKeyConstraint("journal_id", name=op.f("pk_projection")),
        comment="how far the journal has been projected into this ledger",
    )
    op.create_table(
        "runs",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False, comment="row id, given by the engine"),
        sa.Column("mode", sa.String(), nullable=False, comment="sandbox, paper, live, replay or sim"),
        sa.Column("sandbox_id", sa.String(), nullable=True, comment="which sandbox the run traded on, if any"),
        sa.Column("seed", sa.BigInteger(), nullable=True, comment="the seed of a seeded run"),
        sa.Column("version", sa.String(), nullable=False, comment="version of arb"),
        sa.Column("started_ns", sa.BigInteger(), nullable=False, comment="start, ns UTC"),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True, comment="end, ns UTC; null while running or when killed"),
        sa.Column("exit_code", sa.Integer(), nullable=True, comment="exit code of the process"),
        sa.Column("halted", sa.String(), nullable=True, comment="why trading halted itself, if it did"),
        sa.CheckConstraint("mode IN ('sandbox', 'paper', 'live', 'replay', 'sim')", name=op.f("ck_runs_mode_known")),
        sa.CheckConstraint("ended_ns >= started_ns", name=op.f("ck_runs_ends_after_start")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        comment="one run of the engine process",
    )
    op.create_table(
        "balances",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False, comment="row id, given by the engine"),
        sa.Column("run_id", ROW_ID, nullable=False, comment="the run that noted it"),
        sa.Column("account_id", sa.String(), nullable=False, comment="venue and key fingerprint"),
        sa.Column("venue", sa.String(), nullable=False, comment="where it lies"),
        sa.Column("asset", sa.String(), nullable=False, comment="for instance USDT"),
        sa.Column("ns", sa.BigInteger(), nullable=False, comment="instant, ns UTC"),
        sa.Column("free", EXACT, nullable=False, comment="available"),
        sa.Column("locked", EXACT, nullable=False, comment="held by open orders"),
        sa.Column("source", sa.String(), nullable=False, comment="venue or computed"),
        sa.Column("cause", sa.String(), nullable=False, comment="why it was noted"),
        sa.CheckConstraint(
            "source <> 'venue' OR CAST(free AS DOUBLE PRECISION) >= 0", name=op.f("ck_balances_told_free_not_negative")
        ),
        sa.CheckConstraint("source IN ('venue', 'computed')", name=op.f("ck_balances_source_known")),
        sa.CheckConstraint("CAST(locked AS DOUBLE PRECISION) >= 0", name=op.f("ck_balances_locked_not_negative")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_balances_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balances")),
        comment="balances over time",
    )
    op.create_index(op.f("ix_balances_run_id"), "balances", ["run_id"], unique=False)
    op.create_index(op.f("ix_balances_venue_asset_ns"), "balances", ["venue", "asset", "ns"], unique=False)
    op.create_table(
        "opportunities",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False, comment="row id, given by the engine"),
        sa.Column("run_id", ROW_ID, nullable=False, comment="the run that saw it"),
        sa.Column("symbol", sa.String(), nullable=False, comment="for instance BTC/USDT"),
        sa.Column("quote", sa.String(), nullable=False, comment="asset the prices are in"),
        sa.Column("buy_venue", sa.String(), nullable=False, comment="where it was cheap"),
        sa.Column("sell_venue", sa.String(), nullable=False, comment="where it was dear"),
        sa.Column("opened_ns", sa.BigInteger(), nullable=False, comment="first instant with a profit, ns UTC"),
        sa.Column("best_ns", sa.BigInteger(), nullable=False, comment="instant of the best profit, ns UTC"),
        sa.Column("closed_ns", sa.BigInteger(), nullable=False, comment="last instant, ns UTC"),
        sa.Column("best_buy_size", EXACT, nullable=False, comment="size to buy at best_ns, in base"),
        sa.Column("best_sell_size", EXACT, nullable=False, comment="size to sell at best_ns, in base"),
        sa.Column(
            "best_net_e8", sa.BigInteger(), nullable=False, comment="profit after fees at best_ns, 1e-8 of the quote"
        ),
        sa.Column("best_edge_bps", EXACT, nullable=False, comment="profit after fees per amount paid at best_ns, bps"),
        sa.Column("best_gross_edge_bps", EXACT, nullable=False, comment="price difference before fees at best_ns, bps"),
        sa.Column("ticks", sa.BigInteger(), nullable=False, comment="book changes during the episode"),
        sa.Column("outcome", sa.String(), nullable=False, comment="traded, refused or vanished"),
        sa.Column("reason", sa.String(), nullable=True, comment="code of why it was not traded; null iff traded"),
        sa.CheckConstraint(
            "(outcome = 'traded') = (reason IS NULL)", name=op.f("ck_opportunities_reason_iff_not_traded")
        ),
        sa.CheckConstraint("outcome IN ('traded', 'refused', 'vanished')", name=op.f("ck_opportunities_outcome_known")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_opportunities_reason_not_empty")),
        sa.CheckConstraint(
            "CAST(best_buy_size AS DOUBLE PRECISION) > 0", name=op.f("ck_opportunities_best_buy_size_above_zero")
        ),
        sa.CheckConstraint(
            "CAST(best_sell_size AS DOUBLE PRECISION) > 0", name=op.f("ck_opportunities_best_sell_size_above_zero")
        ),
        sa.CheckConstraint("best_net_e8 >= 0", name=op.f("ck_opportunities_best_net_not_negative")),
        sa.CheckConstraint("buy_venue <> sell_venue", name=op.f("ck_opportunities_two_venues")),
        sa.CheckConstraint(
            "opened_ns <= best_ns AND best_ns <= closed_ns", name=op.f("ck_opportunities_times_in_order")
        ),
        sa.CheckConstraint("ticks > 0", name=op.f("ck_opportunities_ticks_above_zero")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_opportunities_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opportunities")),
        comment="episodes in which a profit after fees existed, whatever became of them",
    )
    op.create_index(op.f("ix_opportunities_run_id_opened_ns"), "opportunities", ["run_id", "opened_ns"], unique=False)
    op.create_index(op.f("ix_opportunities_symbol_opened_ns"), "opportunities", ["symbol", "opened_ns"], unique=False)
    op.create_table(
        "pair_trades",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False, comment="row id, given by the engine"),
        sa.Column("run_id", ROW_ID, nullable=False, comment="the run that decided it"),
        sa.Column("opportunity_id", sa.BigInteger(), nullable=True, comment="the opportunity it took"),
        sa.Column(
            "kind",
            sa.String(),
            nullable=False,
            comment="arb, dust (selling pooled remainders) or flatten (asked by the user)",
        ),
        sa.Column("symbol", sa.String(), nullable=False, comment="for instance BTC/USDT"),
        sa.Column("quote", sa.String(), nullable=False, comment="asset the money is in"),
        sa.Column("buy_venue", sa.String(), nullable=False, comment="venue of the buy leg"),
        sa.Column("sell_venue", sa.String(), nullable=False, comment="venue of the sell leg"),
        sa.Column(
            "state",
            sa.String(),
            nullable=False,
            comment="opening, repairing, completed, unwound, carried, halted or abandoned",
        ),
        sa.Column("decided_ns", sa.BigInteger(), nullable=False, comment="decision, ns UTC"),
        sa.Column("closed_ns", sa.BigInteger(), nullable=True, comment="end, ns UTC"),
        sa.Column("buy_size", EXACT, nullable=False, comment="planned size of the buy leg, in base"),
        sa.Column("sell_size", EXACT, nullable=False, comment="planned size of the sell leg, in base"),
        sa.Column("residual_size", EXACT, nullable=False, comment="base left over (R), negative when short"),
        sa.Column("residual_mark", EXACT, nullable=True, comment="quote value of one base of residual (m1)"),
        sa.Column("mark_ns", sa.BigInteger(), nullable=True, comment="instant of residual_mark, ns UTC"),
        sa.Column("exposure_quote_s", EXACT, nullable=False, comment="unhedged value over time, quote times seconds"),
        sa.Column(
            "expected_net_e8", sa.BigInteger(), nullable=True, comment="profit expected at decision, 1e-8 of the quote"
        ),
        sa.Column("buy_slippage_e8", sa.BigInteger(), nullable=True, comment="from the buy's price, 1e-8 of the quote"),
        sa.Column(
            "sell_slippage_e8", sa.BigInteger(), nullable=True, comment="from the sell's price, 1e-8 of the quote"
        ),
        sa.Column(
            "size_shortfall_e8", sa.BigInteger(), nullable=True, comment="from sizes not filled, 1e-8 of the quote"
        ),
        sa.Column(
            "fee_difference_e8", sa.BigInteger(), nullable=True, comment="fees expected less charged, 1e-8 of the quote"
        ),
        sa.Column(
            "hedge_cost_e8", sa.BigInteger(), nullable=True, comment="from hedges and unwinds, 1e-8 of the quote"
        ),
        sa.Column(
            "residual_change_e8", sa.BigInteger(), nullable=True, comment="from the residual's value, 1e-8 of the quote"
        ),
        sa.Column(
            "realised_net_e8", sa.BigInteger(), nullable=True, comment="profit, the sum of the seven terms before it"
        ),
        sa.CheckConstraint(
            "kind <> 'arb' OR (CAST(buy_size AS DOUBLE PRECISION) > 0 AND CAST(sell_size AS DOUBLE PRECISION) > 0)",
            name=op.f("ck_pair_trades_two_sizes"),
        ),
        sa.CheckConstraint("kind <> 'arb' OR buy_venue <> sell_venue", name=op.f("ck_pair_trades_two_venues")),
        sa.CheckConstraint(
            "kind <> 'arb' OR state NOT IN ('completed', 'unwound') OR realised_net_e8 IS NOT NULL",
            name=op.f("ck_pair_trades_earned_when_finished"),
        ),
        sa.CheckConstraint("kind IN ('arb', 'dust', 'flatten')", name=op.f("ck_pair_trades_kind_known")),
        sa.CheckConstraint(
            "state IN ('opening', 'repairing', 'completed', 'unwound', 'carried', 'halted', 'abandoned')",
            name=op.f("ck_pair_trades_state_known"),
        ),
        sa.CheckConstraint(
            "state IN ('opening', 'repairing', 'halted') OR closed_ns IS NOT NULL",
            name=op.f("ck_pair_trades_closed_when_finished"),
        ),
        sa.CheckConstraint(
            "(realised_net_e8 IS NULL) = (expected_net_e8 IS NULL)"
            " AND (realised_net_e8 IS NULL) = (buy_slippage_e8 IS NULL)"
            " AND (realised_net_e8 IS NULL) = (sell_slippage_e8 IS NULL)"
            " AND (realised_net_e8 IS NULL) = (size_shortfall_e8 IS NULL)"
            " AND (realised_net_e8 IS NULL) = (fee_difference_e8 IS NULL)"
            " AND (realised_net_e8 IS NULL) = (hedge_cost_e8 IS NULL)"
            " AND (realised_net_e8 IS NULL) = (residual_change_e8 IS NULL)",
            name=op.f("ck_pair_trades_waterfall_whole"),
        ),
        sa.CheckConstraint("(residual_mark IS NULL) = (mark_ns IS NULL)", name=op.f("ck_pair_trades_mark_has_time")),
        sa.CheckConstraint(
            "CAST(buy_size AS DOUBLE PRECISION) + CAST(sell_size AS DOUBLE PRECISION) > 0",
            name=op.f("ck_pair_trades_some_size"),
        ),
        sa.CheckConstraint(
            "CAST(buy_size AS DOUBLE PRECISION) >= 0", name=op.f("ck_pair_trades_buy_size_not_negative")
        ),
        sa.CheckConstraint(
            "CAST(exposure_quote_s AS DOUBLE PRECISION) >= 0", name=op.f("ck_pair_trades_exposure_quote_s_not_negative")
        ),
        sa.CheckConstraint(
            "CAST(residual_mark AS DOUBLE PRECISION) >= 0", name=op.f("ck_pair_trades_residual_mark_not_negative")
        ),
        sa.CheckConstraint(
            "CAST(sell_size AS DOUBLE PRECISION) >= 0", name=op.f("ck_pair_trades_sell_size_not_negative")
        ),
        sa.CheckConstraint("closed_ns >= decided_ns", name=op.f("ck_pair_trades_closes_after_decision")),
        sa.CheckConstraint(
            "expected_net_e8 + buy_slippage_e8 + sell_slippage_e8 + size_shortfall_e8 + fee_difference_e8"
            " + hedge_cost_e8 + residual_change_e8 = realised_net_e8",
            name=op.f("ck_pair_trades_waterfall_adds_up"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_pair_trades_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pair_trades")),
        comment="pair trades with the exact causes of what they earned",
    )
    op.create_index(op.f("ix_pair_trades_decided_ns"), "pair_trades", ["decided_ns"], unique=False)
    op.create_index(op.f("ix_pair_trades_opportunity_id"), "pair_trades", ["opportunity_id"], unique=False)
    op.create_index(op.f("ix_pair_trades_run_id"), "pair_trades", ["run_id"], unique=False)
    op.create_index(op.f("ix_pair_trades_state"), "pair_trades", ["state"], unique=False)
    op.create_index(op.f("ix_pair_trades_symbol_decided_ns"), "pair_trades", ["symbol", "decided_ns"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False, comment="row id, given by the engine"),
        sa.Column("run_id", ROW_ID, nullable=False, comment="the run it happened in"),
        sa.Column("ns", sa.BigInteger(), nullable=False, comment="instant, ns UTC"),
        sa.Column("kind", sa.String(), nullable=False, comment="code of what happened"),
        sa.Column("severity", sa.String(), nullable=False, comment="how bad it is"),
        sa.Column("venue", sa.String(), nullable=True, comment="where, if at one venue"),
        sa.Column("pair_trade_id", ROW_ID, nullable=True, comment="its pair, if any"),
        sa.Column("cost_e8", sa.BigInteger(), nullable=True, comment="what it cost, 1e-8 of the quote"),
        sa.Column("text", sa.String(), nullable=False, comment="what happened, in words"),
        sa.Column("acknowledged_ns", sa.BigInteger(), nullable=True, comment="when a person took note, ns UTC"),
        sa.CheckConstraint("kind <> ''", name=op.f("ck_incidents_kind_not_empty")),
        sa.CheckConstraint("severity <> ''", name=op.f("ck_incidents_severity_not_empty")),
        sa.ForeignKeyConstraint(["pair_trade_id"], ["pair_trades.id"], name=op.f("fk_incidents_pair_trade_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_incidents_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        comment="what a person should know of",
    )
    op.create_index(op.f("ix_incidents_ns"), "incidents", ["ns"], unique=False)
    op.create_index(op.f("ix_incidents_pair_trade_id"), "incidents", ["pair_trade_id"], unique=False)
    op.create_index(op.f("ix_incidents_run_id"), "incidents", ["run_id"], unique=False)
    op.create_table(
        "orders",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False, comment="row id, given by the engine"),
        sa.Column("pair_trade_id", ROW_ID, nullable=True, comment="its pair; null if foreign"),
        sa.Column("account_id", sa.String(), nullable=False, comment="venue and key fingerprint"),
        sa.Column("venue", sa.String(), nullable=False, comment="where it was sent"),
        sa.Column("symbol", sa.String(), nullable=False, comment="for instance BTC/USDT"),
        sa.Column("role", sa.String(), nullable=False, comment="entry, hedge, unwind, dust or foreign"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="0 for the first of its role in the pair"),
        sa.Column("side", sa.String(), nullable=False, comment="buy or sell"),
        sa.Column("tif", sa.String(), nullable=False, comment="gtc, ioc, fok or post_only"),
        sa.Column("price", EXACT, nullable=False, comment="limit, quote per base; 0 for a foreign market order"),
        sa.Column("size", EXACT, nullable=False, comment="size, in base"),
        sa.Column("filled", EXACT, nullable=False, comment="filled so far, in base"),
        sa.Column("avg_price", EXACT, nullable=True, comment="average price of its fills, quote per base"),
        sa.Column("client_order_id", sa.String(), nullable=True, comment="our name for it, chosen before sending"),
        sa.Column("venue_order_id", sa.String(), nullable=True, comment="the venue's name for it"),
        sa.Column(
            "status", sa.String(), nullable=False, comment="where it stands; absent: proved never to have existed"
        ),
        sa.Column("outcome", sa.String(), nullable=True, comment="of the place request: accepted, rejected or unknown"),
        sa.Column("reject_code", sa.String(), nullable=True, comment="the venue's own label or code"),
        sa.Column("journalled_ns", sa.BigInteger(), nullable=False, comment="written to the journal, ns UTC"),
        sa.Column(
            "sent_ns", sa.BigInteger(), nullable=True, comment="handed to the socket, ns UTC; null if never sent"
        ),
        sa.Column("acked_ns", sa.BigInteger(), nullable=True, comment="answered, ns UTC"),
        sa.Column("first_fill_ns", sa.BigInteger(), nullable=True, comment="first fill, ns UTC"),
        sa.Column("done_ns", sa.BigInteger(), nullable=True, comment="ended, ns UTC"),
        sa.CheckConstraint("outcome IN ('accepted', 'rejected', 'unknown')", name=op.f("ck_orders_outcome_known")),
        sa.CheckConstraint("role <> 'foreign' OR pair_trade_id IS NULL", name=op.f("ck_orders_foreign_has_no_pair")),
        sa.CheckConstraint(
            "role = 'foreign' OR CAST(price AS DOUBLE PRECISION) > 0", name=op.f("ck_orders_own_has_price")
        ),
        sa.CheckConstraint("role = 'foreign' OR client_order_id IS NOT NULL", name=op.f("ck_orders_own_has_name")),
        sa.CheckConstraint(
            "role = 'foreign' OR sent_ns >= journalled_ns", name=op.f("ck_orders_journalled_before_sent")
        ),
        sa.CheckConstraint(
            "role IN ('entry', 'hedge', 'unwind', 'dust', 'foreign')", name=op.f("ck_orders_role_known")
        ),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_orders_side_known")),
        sa.CheckConstraint("status <> 'intent' OR sent_ns IS NULL", name=op.f("ck_orders_intent_was_not_sent")),
        sa.CheckConstraint(
            "status IN ('intent', 'sent', 'open', 'filled', 'partial_cancelled', 'cancelled', 'rejected', 'unknown',"
            " 'absent')",
            name=op.f("ck_orders_status_known"),
        ),
        sa.CheckConstraint("tif IN ('gtc', 'ioc', 'fok', 'post_only')", name=op.f("ck_orders_tif_known")),
        sa.CheckConstraint("CAST(avg_price AS DOUBLE PRECISION) >= 0", name=op.f("ck_orders_avg_price_not_negative")),
        sa.CheckConstraint(
            "CAST(filled AS DOUBLE PRECISION) <= CAST(size AS DOUBLE PRECISION) * 1.000000001",
            name=op.f("ck_orders_filled_within_size"),
        ),
        sa.CheckConstraint("CAST(filled AS DOUBLE PRECISION) >= 0", name=op.f("ck_orders_filled_not_negative")),
        sa.CheckConstraint("CAST(price AS DOUBLE PRECISION) >= 0", name=op.f("ck_orders_price_not_negative")),
        sa.CheckConstraint("CAST(size AS DOUBLE PRECISION) > 0", name=op.f("ck_orders_size_above_zero")),
        sa.CheckConstraint("attempt >= 0", name=op.f("ck_orders_attempt_not_negative")),
        sa.ForeignKeyConstraint(["pair_trade_id"], ["pair_trades.id"], name=op.f("fk_orders_pair_trade_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("account_id", "client_order_id", name=op.f("uq_orders_account_id_client_order_id")),
        comment="orders, ours and foreign",
    )
    op.create_index(
        op.f("ix_orders_account_id_venue_order_id"), "orders", ["account_id", "venue_order_id"], unique=False
    )
    op.create_index(op.f("ix_orders_pair_trade_id"), "orders", ["pair_trade_id"], unique=False)
    op.create_index(op.f("ix_orders_status"), "orders", ["status"], unique=False)
    op.create_index(op.f("ix_orders_venue_journalled_ns"), "orders", ["venue", "journalled_ns"], unique=False)
    op.create_table(
        "fills",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False, comment="row id, given by the engine"),
        sa.Column("order_id", ROW_ID, nullable=False, comment="its order"),
        sa.Column("account_id", sa.String(), nullable=False, comment="venue and key fingerprint"),
        sa.Column("venue", sa.String(), nullable=False, comment="where it happened"),
        sa.Column("symbol", sa.String(), nullable=False, comment="for instance BTC/USDT"),
        sa.Column("trade_id", sa.String(), nullable=False, comment="the venue's name for the execution"),
        sa.Column("side", sa.String(), nullable=False, comment="buy or sell"),
        sa.Column("price", EXACT, nullable=False, comment="quote per base"),
        sa.Column("size", EXACT, nullable=False, comment="in base"),
        sa.Column("fee", EXACT, nullable=False, comment="in fee_currency; positive when paid, negative for a rebate"),
        sa.Column("fee_currency", sa.String(), nullable=False, comment="asset the fee was taken in"),
        sa.Column("fee_quote_value", EXACT, nullable=False, comment="the fee in quote at the time"),
        sa.Column("liquidity", sa.String(), nullable=False, comment="taker, maker or unknown"),
        sa.Column("source", sa.String(), nullable=False, comment="stream or query: where we learnt of it"),
        sa.Column("event_ns", sa.BigInteger(), nullable=False, comment="the venue's time, ns UTC"),
        sa.Column("received_ns", sa.BigInteger(), nullable=False, comment="our time, ns UTC"),
        sa.CheckConstraint("liquidity IN ('taker', 'maker', 'unknown')", name=op.f("ck_fills_liquidity_known")),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_fills_side_known")),
        sa.CheckConstraint("source IN ('stream', 'query')", name=op.f("ck_fills_source_known")),
        sa.CheckConstraint("CAST(price AS DOUBLE PRECISION) > 0", name=op.f("ck_fills_price_above_zero")),
        sa.CheckConstraint("CAST(size AS DOUBLE PRECISION) > 0", name=op.f("ck_fills_size_above_zero")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_fills_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fills")),
        sa.UniqueConstraint(
            "account_id", "symbol", "trade_id", "order_id", name=op.f("uq_fills_account_id_symbol_trade_id_order_id")
        ),
        comment="executions, each once",
    )
    op.create_index(op.f("ix_fills_order_id"), "fills", ["order_id"], unique=False)
    op.create_index(op.f("ix_fills_venue_event_ns"), "fills", ["venue", "event_ns"], unique=False)


def downgrade() -> None:
    op.drop_table("fills")
    op.drop_table("orders")
    op.drop_table("incidents")
    op.drop_table("pair_trades")
    op.drop_table("opportunities")
    op.drop_table("balances")
    op.drop_table("runs")
    op.drop_table("projection")
