"""State the comments of tables and columns in plain English. SQLite keeps no comments, so there nothing changes.

Revision 0020, after 0019.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

COMMENTS: tuple[tuple[str, str, str], ...] = (
    (
        "opportunities",
        "episodes in which a profit after fees existed, whatever became of them",
        "episodes with a profit after fees, traded or not",
    ),
    (
        "opportunities.quote opportunities_daily.quote",
        "asset the prices are in",
        "quote asset: prices and profits are stated in it",
    ),
    (
        "opportunities.buy_venue opportunities_daily.buy_venue",
        "where it was cheap",
        "venue to buy at, with the lower price",
    ),
    (
        "opportunities.sell_venue opportunities_daily.sell_venue",
        "where it was dear",
        "venue to sell at, with the higher price",
    ),
    (
        "opportunities.reason",
        "code of why it was not traded; null iff traded",
        "code of the reason it was not traded; null if and only if traded",
    ),
    (
        "opportunities.required_edge_bps",
        "edge after fees that a pair had to have at best_ns, bps; null without bands of the inventory, and before 0013",
        "net edge required of a pair at best_ns, bps; null without inventory bands, and in rows from before schema 0013",
    ),
    (
        "pair_trades",
        "pair trades with the exact causes of what they earned",
        "pair trades, with the exact causes of their profit or loss",
    ),
    ("pair_trades.quote", "asset the money is in", "quote asset: values and profits are stated in it"),
    (
        "pair_trades.buy_slippage_e8",
        "from the buy's price, 1e-8 of the quote",
        "result of the buy leg's fill prices against the plan, 1e-8 of the quote",
    ),
    (
        "pair_trades.sell_slippage_e8",
        "from the sell's price, 1e-8 of the quote",
        "result of the sell leg's fill prices against the plan, 1e-8 of the quote",
    ),
    (
        "pair_trades.size_shortfall_e8",
        "from sizes not filled, 1e-8 of the quote",
        "result of planned sizes that were not filled, 1e-8 of the quote",
    ),
    (
        "pair_trades.fee_difference_e8",
        "fees expected less charged, 1e-8 of the quote",
        "expected fees minus charged fees, 1e-8 of the quote",
    ),
    (
        "pair_trades.hedge_cost_e8",
        "from hedges and unwinds, 1e-8 of the quote",
        "result of hedges and unwinds (above zero: gain), 1e-8 of the quote",
    ),
    (
        "pair_trades.residual_change_e8",
        "from the residual's value, 1e-8 of the quote",
        "change of the residual's value, 1e-8 of the quote",
    ),
    (
        "pair_trades.buy_frame_ns",
        "newest frame of the buy venue's book when it was decided, received, ns UTC",
        "receipt of the newest frame of the buy venue's book at decision, ns UTC",
    ),
    (
        "pair_trades.sell_frame_ns",
        "newest frame of the sell venue's book when it was decided, received, ns UTC",
        "receipt of the newest frame of the sell venue's book at decision, ns UTC",
    ),
    (
        "pair_trades.leg_cost_e8",
        "what legs falling short were expected to cost at decision, no term of the sum, 1e-8 of the quote",
        "expected cost of partly filled legs at decision, not a term of realised_net_e8, 1e-8 of the quote",
    ),
    (
        "pair_trades.identity",
        "unproved: its coins are not proved to be the same at both venues, and sums leave it out; null for all others",
        "unproved: the coins are not proved to be the same at both venues, and sums exclude the pair; else null",
    ),
    ("pair_trades.fills", "how many fills its orders have", "number of fills of its orders"),
    (
        "pair_closings",
        "what each closing of a pair booked, as the difference to the one before; the days' profit sums these",
        "result of each closing of a pair, as the difference from the one before; daily profits are sums of them",
    ),
    ("pair_closings.n", "which of its closings, from 1 on", "number of the closing within its pair, from 1"),
    ("pair_closings.closed_ns", "the closing, ns UTC", "time of the closing, ns UTC"),
    (
        (
            "pair_closings.expected_net_e8 pair_closings.buy_slippage_e8 pair_closings.sell_slippage_e8 "
            "pair_closings.size_shortfall_e8 pair_closings.fee_difference_e8 pair_closings.hedge_cost_e8 "
            "pair_closings.residual_change_e8 pair_closings.realised_net_e8"
        ),
        "change of that term of pair_trades, 1e-8 of the quote",
        "change of the column of this name in pair_trades, 1e-8 of the quote",
    ),
    (
        "orders.account_id fills.account_id balances.account_id",
        "venue and its own id of the account, else the key's fingerprint",
        "venue and the venue's id of the account; the key's fingerprint where the venue reports none",
    ),
    ("orders.venue", "where it was sent", "venue of the order"),
    (
        "orders.status",
        "where it stands; absent: no venue shows it, see absence",
        "state of the order; absent: no venue shows it, see absence",
    ),
    (
        "orders.outcome",
        "of the place request: accepted, rejected or unknown",
        "outcome of the place request: accepted, rejected or unknown",
    ),
    ("orders.reject_code", "the venue's own label or code", "the venue's label or code of the rejection"),
    (
        "orders.sent_ns",
        "handed to the socket, ns UTC; null if never sent",
        "passed to the socket, ns UTC; null if never sent",
    ),
    (
        "orders.absence",
        "how its absence was found: proved or presumed; null if it is not absent, and before 0016",
        "how its absence was established: proved or presumed; null if not absent, and in rows from before schema 0016",
    ),
    ("fills.venue", "where it happened", "venue of the execution"),
    ("fills.fee_quote_value", "the fee in quote at the time", "value of the fee in quote at the time of the fill"),
    ("fills.source", "stream or query: where we learnt of it", "source of the report: stream or query"),
    ("fills.event_ns", "the venue's time, ns UTC", "the venue's time of the fill, ns UTC"),
    ("fills.received_ns", "our time, ns UTC", "our time of receipt, ns UTC"),
    (
        "fills.fee_expected_e8",
        "the fee that was planned for it, 1e-8 of the quote; null for foreign orders and for fills of before 0011",
        "the planned fee, 1e-8 of the quote; null for foreign orders, and in rows from before schema 0011",
    ),
    ("balances.run_id", "the run that noted it", "the run that recorded it"),
    ("balances.venue", "where it lies", "venue that holds the balance"),
    ("balances.cause", "why it was noted", "reason for recording it"),
    ("incidents", "what a person should know of", "events that a person should know about"),
    ("incidents.kind", "code of what happened", "code of the kind of incident"),
    ("incidents.severity", "how bad it is", "info, warning or critical"),
    ("incidents.venue alerts.venue", "where, if at one venue", "the venue concerned; null if there is no single one"),
    ("incidents.cost_e8", "what it cost, 1e-8 of the quote", "cost of the incident, 1e-8 of the quote"),
    ("incidents.text", "what happened, in words", "description of the incident"),
    ("incidents.acknowledged_ns", "when a person took note, ns UTC", "acknowledgement of its alert, ns UTC"),
    (
        "alerts",
        "incidents that need a person, and who has taken note of them",
        "incidents that need a person, and their acknowledgements",
    ),
    ("alerts.kind", "code of what happened, as in incidents", "code of the kind of incident, as in incidents"),
    ("alerts.symbol", "symbol of the pair it happened to, if any", "symbol of the pair concerned, if any"),
    ("alerts.count", "how many incidents", "number of its incidents"),
    (
        "alerts.text",
        "what happened, in words; the last incident's first, then what others said",
        "description of its last incident, then the different descriptions of earlier ones",
    ),
    ("alerts.what_to_do", "what a person is to do, in words", "recommended action"),
    (
        "alerts.acknowledged_ns",
        "when somebody took note, ns UTC; null while it is open",
        "acknowledgement, ns UTC; null while it is open",
    ),
    (
        "alerts.acknowledged_by",
        "who took note: a user's name, or the kind of the incident that ended it",
        "name of the user who acknowledged it, or kind of the incident that ended it",
    ),
    (
        "alerts.reason",
        "why it needs nobody any more, in words",
        "reason given by the user, or description of the incident that ended it",
    ),
    (
        "alternatives",
        "what else could have been done: ways open at a decision about a pair",
        "alternatives available at a decision about a pair, the one taken included",
    ),
    (
        "alternatives.way",
        "route or size; complete, third_venue, unwind or hold",
        "at entry: route or size; at repair: complete, third_venue, unwind or hold",
    ),
    ("alternatives.buy_venue", "where it would have bought", "venue to buy at, if any"),
    ("alternatives.sell_venue", "where it would have sold", "venue to sell at, if any"),
    (
        "alternatives.net_e8",
        "profit expected; of a repair, against the price its leg filled at; 1e-8 of the quote",
        "expected profit; for a repair, relative to the fill price of its leg; 1e-8 of the quote",
    ),
    (
        "alternatives.edge_bps",
        "that per amount paid, bps; of a route without profit, at the best quotes",
        "net_e8 per amount paid, bps; for a route without profit, at the best quotes",
    ),
    (
        "alternatives.reason",
        "code of why it was passed over; null for the one taken",
        "code of the reason it was not taken; null for the one taken",
    ),
    (
        "decision_books",
        "the two sides of books that a pair was decided on: asks where it was to buy, bids where it was to sell",
        "the book sides on which a pair was decided: asks at the buy venue, bids at the sell venue",
    ),
    ("decision_books.venue", "whose book", "venue of the book"),
    (
        "decision_books.side",
        "asks (the pair was to buy there) or bids (to sell)",
        "asks (at the buy venue) or bids (at the sell venue)",
    ),
    (
        "decision_books.levels",
        (
            'best first, as JSON: [["price","size"],...], exact decimals in quote per base and in base; '
            "those within the limit of the order, at least 10 where there were so many, at most 50"
        ),
        (
            'best first, as JSON: [["price","size"],...], exact decimals in quote per base and in base; '
            "all levels within the limit of the order, at least 10 if the book has them, at most 50"
        ),
    ),
    (
        "opportunities_daily.run_id",
        "the run that saw them; 0 for those deleted before 0019",
        "the run that saw them; 0 for opportunities deleted before schema 0019",
    ),
    (
        "opportunities_daily.reason",
        "code of why they were not traded; traded for the others",
        "code of the reason they were not traded, or traded",
    ),
    (
        "opportunities_daily.opportunities",
        "how many there were; 0 where those there were got a better edge later",
        "number of opportunities; 0 if all of them moved to another row with a better edge",
    ),
    ("opportunities_daily.ticks", "book changes during all of them", "sum of the book changes during them"),
    (
        "opportunities_daily.lived_ns",
        "from opened_ns to closed_ns, all of them together, ns",
        "sum of their durations (opened_ns to closed_ns), ns",
    ),
    (
        "account_leases",
        "which engine trades an account; on PostgreSQL, which engines of other hosts may share",
        "the engine that trades an account; only on PostgreSQL, which engines of several hosts may share",
    ),
    (
        "account_leases.account_id",
        "venue and its own id, or the key's fingerprint",
        "venue and the venue's id of the account; the key's fingerprint where the venue reports none",
    ),
    (
        "account_leases.place",
        "the file its journal's lock is, as its host's kernel names it",
        "lock file of its journal, as identified by the kernel of its host",
    ),
    ("account_leases.pid", "number of its process there", "process id on that host"),
    (
        "account_leases.acquired_ns",
        "since when, by the database's clock, ns UTC",
        "start of the lease, by the database's clock, ns UTC",
    ),
    ("projection.journal_id", "the journal's own random name", "random name of the journal"),
    (
        "projection.journal_path",
        "where the journal lies, the control socket and the halt file beside it; null before schema 0007",
        "path of the journal; the control socket and the halt file are next to it; null before schema 0007",
    ),
    (
        "projection.alert_rules",
        "version of the rules that alerts were made by; null: not yet, since an upgrade to schema 0014",
        "version of the rules that made the alerts; null from an upgrade to schema 0014 until alerts are made",
    ),
)
"""Columns and tables, the comment before and the one from here on."""


def upgrade() -> None:
    for places, _, after in COMMENTS:
        _comment(places, after)


def downgrade() -> None:
    for places, before, _ in COMMENTS:
        _comment(places, before)


def _comment(places: str, comment: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for place in places.split():
        table, _, column = place.partition(".")
        if column:
            op.alter_column(table, column, comment=comment)
        else:
            op.create_table_comment(table, comment)
