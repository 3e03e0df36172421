"""One-line loaders for notebooks: views and tables as pandas data frames, the same on SQLite and PostgreSQL.

Columns ending in `_e8` are exact integers in 1e-8 of the quote: add these up. Their twins without the ending are floats
for charts. Prices, sizes and fees are floats too, with the exact value in the ledger; instants (`*_ns`, nanoseconds
UTC) have a twin `*_at`, `datetime64[ns, UTC]`. Needs pandas (the extra `notebooks`).
"""

import os
from typing import Any

from sqlalchemy import text

from arb.errors import ConfigError
from arb.store.ledger.domains import ExactNumber, at_of
from arb.store.ledger.migrate import Reader
from arb.store.ledger.tables import Base
from arb.store.ledger.views import VIEWS
from arb.store.tapes.parquet import library

# A pandas.DataFrame. Imported when asked for: the engine itself runs without pandas, and pandas ships no types.
DataFrame = Any
DEFAULT_URL = "sqlite:///var/sandbox.sqlite"


def ledger_url() -> str:
    """Return the ledger to look at: the environment variable `ARB_DB_URL`, else the sandbox's."""
    return os.environ.get("ARB_DB_URL", DEFAULT_URL)


def pair_trades(db_url: str | None = None) -> DataFrame:
    """Load pair trades with their waterfall and fees (in quote), latest last; view `v_pair_trades`."""
    return load("v_pair_trades", db_url, order_by="id")


def opportunities(db_url: str | None = None) -> DataFrame:
    """Load opportunities, sizes in base, edges in bps, `best_net` in quote; view `v_opportunities`."""
    return load("v_opportunities", db_url, order_by="id")


def daily_pnl(db_url: str | None = None) -> DataFrame:
    """Load the earnings of each UTC day, in quote; view `v_daily_pnl`."""
    return load("v_daily_pnl", db_url, order_by="day_utc, quote")


def venue_quality(db_url: str | None = None) -> DataFrame:
    """Load how orders fared by venue and symbol, times in ms; view `v_venue_quality`."""
    return load("v_venue_quality", db_url, order_by="venue, symbol")


def reasons(db_url: str | None = None) -> DataFrame:
    """Load why opportunities were not taken, by run and symbol; view `v_reasons`."""
    return load("v_reasons", db_url, order_by="run_id, symbol, reason")


def orders(db_url: str | None = None) -> DataFrame:
    """Load orders, prices in quote per base, sizes in base; table `orders`."""
    return load("orders", db_url, order_by="id")


def fills(db_url: str | None = None) -> DataFrame:
    """Load fills, fees in `fee_currency` and, as `fee_quote_value`, in quote; table `fills`."""
    return load("fills", db_url, order_by="id")


def balances(db_url: str | None = None) -> DataFrame:
    """Load balances over time, in their asset; table `balances`."""
    return load("balances", db_url, order_by="id")


def incidents(db_url: str | None = None) -> DataFrame:
    """Load incidents, `cost` in quote where known; table `incidents`."""
    return load("incidents", db_url, order_by="id")


def alerts(db_url: str | None = None) -> DataFrame:
    """Load the incidents that need a person, acknowledged or not; table `alerts`."""
    return load("alerts", db_url, order_by="id")


def runs(db_url: str | None = None) -> DataFrame:
    return load("runs", db_url, order_by="id")


def load(name: str, db_url: str | None = None, *, order_by: str) -> DataFrame:
    """Load one table or view by name; raise `ConfigError` when it, the ledger or pandas is not there."""
    if name not in VIEWS and name not in Base.metadata.tables:
        known = ", ".join([*VIEWS, *Base.metadata.tables])
        raise ConfigError(f"no table or view {name!r} in the ledger; there are {known}")
    pd = pandas()
    with Reader(db_url or ledger_url()).transaction() as connection:
        result = connection.execute(text(f"SELECT * FROM {name} ORDER BY {order_by}"))
        columns, rows = list(result.keys()), result.all()
    return _typed(pd, pd.DataFrame([tuple(row) for row in rows], columns=columns))


_EXACT = {
    column.name
    for table in Base.metadata.tables.values()
    for column in table.columns
    if isinstance(column.type, ExactNumber)
}
_RATIOS = {"duration_ms", "fill_ratio", "ack_ms", "first_fill_ms"}


def _typed(pd: Any, frame: DataFrame) -> DataFrame:
    """Turn exact numbers and averages into floats, and give every instant a readable twin."""
    twins = {column.removesuffix("_e8") for column in frame.columns if column.endswith("_e8")}
    for column in list(frame.columns):
        if column.endswith("_e8"):
            frame[column] = frame[column].astype("Int64")
        elif (twin := at_of(column)) is not None:
            frame[column] = frame[column].astype("Int64")
            exact = pd.to_datetime(frame[column], unit="ns", utc=True)
            if twin in frame.columns:  # a view has it as text, to the microsecond
                frame[twin] = exact
            else:
                frame.insert(int(frame.columns.get_loc(column)) + 1, twin, exact)
        elif column in _EXACT | _RATIOS | twins:
            frame[column] = pd.to_numeric(frame[column]).astype("float64")
    return frame


def pandas() -> Any:
    """Return the library that makes data frames; raises `ConfigError` where it is not installed."""
    return library("pandas", "data frames need", "notebooks")
