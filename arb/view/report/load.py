"""One-line loaders for notebooks: the rows behind the report as pandas data frames, the same on SQLite and PostgreSQL.

Each frame says in `frame.attrs["units"]` what every column is measured in. Columns ending in `_e8` are exact integers in
1e-8 of the quote: add these up. Their twins without the ending are floats for reading, as is everything with a point.
Instants (`*_ns`, integer nanoseconds UTC) have a twin `*_at` of pandas timestamps. The ledger is the one given by URL, else
the one that the environment variable `ARB_DB_URL` names, else `var/sandbox.sqlite`. `since`,
`until`, `run`, `symbol`, `venue` and `kind` select rows, for instance `trades(since="7d", symbol="BTC/USDT")`; instants are
written as on the command line, or in ns. Views and whole tables are in `arb.store.ledger.frames`. Needs pandas.
"""

import os
from pathlib import Path
from typing import Any, TypedDict, Unpack

from arb.clock import SystemClock
from arb.errors import ConfigError
from arb.store.ledger.columns import NAMES, ColumnReader, Columns
from arb.store.ledger.frames import DEFAULT_URL, DataFrame, ledger_url, pandas
from arb.store.ledger.selection import selection_of
from arb.store.ledger.tables import WATERFALL
from arb.view.report.measure import instants, what_if

QUOTE_E8 = "1e-8 of the quote, exact"
TERMS = WATERFALL
UNITS = {
    **dict.fromkeys(("id", "run_id", "pair_trade_id"), "row id in the ledger; 0 for none"),
    **dict.fromkeys(
        ("decided_ns", "closed_ns", "opened_ns", "event_ns", "started_ns", "until_ns", "ns"),
        "ns since 1970, UTC, exact",
    ),
    **dict.fromkeys(("duration_ms", "send_ms", "ack_ms", "fill_ms", "send_skew_ms", "fill_skew_ms"), "ms"),
    **dict.fromkeys((*TERMS, "best_net_e8", "fee_quote_value_e8", "net_e8"), QUOTE_E8),
    **dict.fromkeys(("edge_bps", "best_edge_bps", "slippage_bps", "min_edge_bps"), "bps (1/100 of a percent)"),
    **dict.fromkeys(("bought_quote", "sold_quote", "notional_quote", "cost"), "quote"),
    **dict.fromkeys(("fill_ratio", "buy_fill_ratio", "sell_fill_ratio"), "share of the size ordered, 0 to 1"),
    **dict.fromkeys(("free", "locked"), "the asset"),
    **dict.fromkeys(("repairs", "pairs", "seen"), "count"),
    **dict.fromkeys(NAMES, "name"),
    "exposure_quote_s": "quote times seconds",
    "price": "quote per base",
    "size": "base",
    "fee": "fee_currency; below zero for a rebate",
}


class Wanted(TypedDict, total=False):
    """Which rows a loader loads; see `arb.store.ledger.selection`."""

    since: str
    until: str
    run: int
    symbol: str
    venue: str
    kind: str


def trades(db_url: str | None = None, **wanted: Unpack[Wanted]) -> DataFrame:
    """Load finished pair trades in the order of their end: waterfall in quote, `edge_bps` at decision, `*_skew_ms`."""
    return _frame(_reader(db_url, wanted).trades())


def legs(db_url: str | None = None, **wanted: Unpack[Wanted]) -> DataFrame:
    """Load entry orders: waits in ms, `slippage_bps` (below zero: worse than decided), `fill_ratio`, `notional_quote`."""
    return _frame(_reader(db_url, wanted).legs())


def episodes(db_url: str | None = None, **wanted: Unpack[Wanted]) -> DataFrame:
    """Load opportunities: `duration_ms`, `best_edge_bps`, `best_net` in quote; `reason` is `traded` for those taken."""
    return _frame(_reader(db_url, wanted).episodes())


def executions(db_url: str | None = None, **wanted: Unpack[Wanted]) -> DataFrame:
    """Load fills, foreign ones too: price in quote per base, size in base, fee in `fee_currency` and in quote."""
    return _frame(_reader(db_url, wanted).executions())


def runs(db_url: str | None = None, **wanted: Unpack[Wanted]) -> DataFrame:
    """Load the time traded: from when until when each run lasted; one that was killed until its last row."""
    return _frame(_reader(db_url, wanted).runs())


def holdings(db_url: str | None = None, **wanted: Unpack[Wanted]) -> DataFrame:
    """Load balances as they were noted, `free` and `locked` in their asset."""
    return _frame(_reader(db_url, wanted).holdings())


def incidents(db_url: str | None = None, **wanted: Unpack[Wanted]) -> DataFrame:
    """Load incidents, `cost` in quote where it is known; `pair_trade_id` is 0 where there is no pair."""
    return _frame(_reader(db_url, wanted).incidents())


def thresholds(db_url: str | None = None, **wanted: Unpack[Wanted]) -> DataFrame:
    """Load what other thresholds would have kept: `pairs` and their `net`, `seen` and its `best_net`, money in quote."""
    reader = _reader(db_url, wanted)
    rows = what_if(reader.trades(), reader.offers())
    names = ("quote", "min_edge_bps", "pairs", "net_e8", "seen", "best_net_e8")
    return _frame({name: [_plain(getattr(row, name)) for row in rows] for name in names})


def ledger(place: str | None = None) -> str:
    """Return the URL of a ledger: of a file by its path (`~` is the home), of a database by its URL.

    Without a place that of `ARB_DB_URL`, else the sandbox's; a notebook started beside itself finds `var/` one folder up.
    Raises `ConfigError` for a path where no file is.
    """
    if place is not None:
        if "://" in place:
            return place
        path = Path(place).expanduser().resolve()
        if not path.is_file():
            raise ConfigError(f"no ledger at {path}: `arb run` makes one, as var/MODE.sqlite where it is started")
        return f"sqlite:///{path}"
    if "ARB_DB_URL" not in os.environ and not Path("var").exists() and Path("../var").exists():
        return DEFAULT_URL.replace("///", "///../")
    return ledger_url()


def _reader(db_url: str | None, wanted: Wanted) -> ColumnReader:
    return ColumnReader(db_url or ledger(), selection_of(SystemClock().wall_ns(), **wanted))


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int) else float(value)


def _frame(columns: Columns | dict[str, list[Any]]) -> DataFrame:
    """Return columns as a data frame, each exact sum and instant beside its readable twin, units in `attrs`."""
    pd = pandas()
    frame, units = pd.DataFrame(columns), {name: UNITS[name] for name in columns}
    for name in columns:
        if name.endswith("_e8"):
            frame[name.removesuffix("_e8")] = frame[name] / 1e8
            units[name.removesuffix("_e8")] = "quote"
        elif name.endswith("_ns") or name == "ns":
            twin = name.removesuffix("ns") + "at"
            frame[twin] = pd.to_datetime(instants(frame[name]), utc=True)
            units[twin] = "timestamp, UTC"
    frame.attrs["units"] = units
    return frame
