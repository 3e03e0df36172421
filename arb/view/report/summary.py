"""The report as one document: every sum of money exact, every measured time a percentile.

`summarise` knows what is shown and in which order; the command line decides how it looks.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from arb.clock import NS_PER_DAY
from arb.market.numbers import exact, round_ratio
from arb.store.ledger.columns import ColumnReader, Columns, offers_of
from arb.store.ledger.database import mask_url
from arb.store.ledger.domains import note_on
from arb.store.ledger.queries import LedgerReader, RowDict
from arb.store.ledger.selection import ALL, Selection
from arb.store.ledger.short_ids import ShortIds
from arb.store.ledger.sums import Sums, added, counted, of_venues, read_sums
from arb.store.ledger.tables import WATERFALL
from arb.view.plain import average_exposure
from arb.view.report.measure import chosen_rows, mean, percentile, rounded, run_ns, what_if, whole_sum

TERMS = tuple(column.removesuffix("_e8") for column in WATERFALL)
ROWS_DRAWN = 50_000
"""About so many opportunities, or legs, show how long something takes and how large it is, however many there were."""
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class Sources:
    """The selected rows of a ledger that a report is made of, each part read once, when it is asked for.

    The parts are those of `ColumnReader`, by the same names, and the sums of `read_sums`.
    """

    def __init__(self, db_url: str, selection: Selection = ALL) -> None:
        """Raise `ConfigError` when there is no usable ledger."""
        self._columns, self._url = ColumnReader(db_url, selection), db_url
        self.turn = Lock()
        self.db = mask_url(db_url)
        self.selection = selection

    @cached_property
    def sums(self) -> Sums:
        return read_sums(self._url, self.selection)

    @cached_property
    def short_ids(self) -> ShortIds:
        return LedgerReader(self._url).short_ids()

    @cached_property
    def offers(self) -> Columns:
        return offers_of(self.sums.offers)

    @cached_property
    def trades(self) -> Columns:
        return self._columns.trades()

    @cached_property
    def runs(self) -> Columns:
        return self._columns.runs()

    @cached_property
    def legs_every(self) -> int:
        """Of how many pairs one shows means and percentiles of legs, where there are very many; sums are of all."""
        return max(1, sum(int(row["orders"]) for row in self.sums.orders) // ROWS_DRAWN)

    @cached_property
    def legs(self) -> Columns:
        return self._columns.legs(self.legs_every)

    @cached_property
    def episodes_every(self) -> int:
        """Of how many opportunities one is drawn."""
        return max(1, whole_sum(self.offers["opportunities"]) // ROWS_DRAWN)

    @cached_property
    def episodes(self) -> Columns:
        """See `ColumnReader.episodes`; of very many a sample, each of which counts for as many as `opportunities` says."""
        found = self._columns.episodes(self.episodes_every)
        return found | {"opportunities": np.full(len(found["id"]), self.episodes_every)}

    @cached_property
    def _from_run_before(self) -> ColumnReader:
        return self._columns.from_run_before()

    @cached_property
    def holdings(self) -> Columns:
        """Balances from the last run before the selection on."""
        return self._from_run_before.holdings()

    @cached_property
    def moves(self) -> Columns:
        """Fills from the last run before the selection on: with the holdings they give each balance at each instant."""
        return self._from_run_before.executions()

    @property
    def executions(self) -> Columns:
        since_ns = self.selection.since_ns
        return chosen_rows(self.moves, self.moves["event_ns"] >= since_ns) if since_ns else self.moves


def summarise(sources: Sources) -> dict[str, Any]:
    """Return the report as plain values: money and sizes as `Decimal`, times in ms, rates in bps."""
    sums = sources.sums
    by_quote = _grouped(sums.pairs, "quote")
    return note_on(str(row["mode"]) for row in sums.runs) | {
        "db": sources.db,
        "selected": sources.selection.shown(),
        "from_ns": sums.span_ns and sums.span_ns[0],
        "to_ns": sums.span_ns and sums.span_ns[1],
        "run_seconds": (run_seconds := _seconds(run_ns(sources.runs))),
        "runs": [_run(row, sources.short_ids) for row in sums.runs],
        "net": {row["quote"]: row["net"] for row in by_quote},
        "unproved": _grouped(sums.unproved, "quote", "symbol", "buy_venue", "sell_venue"),
        "finished": {row["quote"]: row["finished"] for row in added(sums.pairs, "quote")},
        "expected": {row["quote"]: row["expected"] for row in by_quote},
        "kept_percent": {row["quote"]: row["kept_percent"] for row in by_quote},
        "fees": sums.fees,
        "fees_in_quote": {row["quote"]: row["fees"] for row in by_quote},
        "fees_planned": [_planned(row) for row in sums.fees_planned],
        "exposure_quote_s": sums.exposure_quote_s,
        "unhedged_average": {
            quote: average_exposure(quote_s, run_seconds) for quote, quote_s in sums.exposure_quote_s.items()
        },
        "pairs": counted(sums.pairs, "state", "pairs"),
        "repaired_pairs": sum(row["repaired"] for row in sums.pairs),
        "orders": sum(row["orders"] for row in sums.orders),
        "fills": sums.fills,
        "opportunities": counted(sums.opportunities, "outcome", "opportunities"),
        "waterfall": {row["quote"]: _waterfall(row) for row in added(sums.pairs, "quote")},
        "leg_cost": {row["quote"]: _leg_cost(row) for row in added(_of_edges(sums.pairs), "quote")},
        "days": _days(sums.days, sources.runs),
        "venue_pairs": _grouped(sums.pairs, "quote", "buy_venue", "sell_venue"),
        "venues": _grouped(of_venues(sums.pairs), "quote", "venue"),
        "symbols": _grouped(sums.pairs, "symbol"),
        "refused": _refused(sums.opportunities),
        "what_if": [_what_if(row) for row in what_if(sources.trades, sources.offers)],
        "execution": [_venue(row, sources.legs) for row in sums.orders],
        "leg_skew": _skew(sources.trades),
        "moved": [{"venue": venue, "asset": asset, "change": amount} for (venue, asset), amount in sums.moved.items()],
        "incidents": [_with_cost(row) for row in sums.incidents],
        "latest_incidents": [
            _with_cost(row) | {"pair": sources.short_ids.of(row["pair_trade_id"]) if row["pair_trade_id"] else None}
            for row in sums.latest_incidents
        ],
    }


def money(amount_e8: int) -> Decimal:
    """Return an amount kept in 1e-8 of its quote."""
    return exact(amount_e8, 8)


def _grouped(rows: Iterable[RowDict], *names: str) -> list[RowDict]:
    return sorted((_earned(row, names) for row in added(rows, *names)), key=lambda row: -row["net"])


def _earned(row: RowDict, names: tuple[str, ...]) -> RowDict:
    expected, net = row["expected_net_e8"], row["realised_net_e8"]
    return {name: row[name] for name in names} | {
        "pairs": row["pairs"],
        "repaired": row["repaired"],
        "expected": money(expected),
        "net": money(net),
        "kept_percent": round_ratio(100 * net, expected, 1) if expected > 0 else None,
        "fees": money(row["fees_e8"]),
        "hedge_cost": money(row["hedge_cost_e8"]),
    }


def _planned(row: RowDict) -> RowDict:
    """Return what fees were planned and charged at a venue, in quote, where they were taken in one asset."""
    named = {name: row[name] for name in ("quote", "venue", "asset", "fills")}
    return named | {"expected": money(row["expected_e8"]), "charged": money(row["charged_e8"])}


def _waterfall(row: RowDict) -> dict[str, Decimal]:
    return {term: money(row[f"{term}_e8"]) for term in TERMS}


def _of_edges(rows: list[RowDict]) -> list[RowDict]:
    return [row for row in rows if row["kind"] == "arb"]


def _leg_cost(row: RowDict) -> dict[str, Decimal]:
    """Return what finished pairs were expected to lose by legs that fall short, and what they did; no waterfall terms."""
    return {"expected": money(row["leg_cost_e8"]), "realised": money(-row["size_shortfall_e8"] - row["hedge_cost_e8"])}


def _days(days: list[RowDict], runs: Columns) -> list[RowDict]:
    """Return what each day earned, and for how many seconds of it something ran."""
    return [
        {
            "day_utc": date.fromordinal(_EPOCH_DAY + row["day"]).isoformat(),
            "run_seconds": _seconds(run_ns(runs, row["day"] * NS_PER_DAY, (row["day"] + 1) * NS_PER_DAY)),
        }
        | _earned(row, ("quote",))
        for row in days
    ]


def _seconds(ns: int) -> Decimal:
    return round(exact(ns, 9), 3)


def _refused(opportunities: list[RowDict]) -> list[RowDict]:
    rows = [
        {name: row[name] for name in ("quote", "reason", "outcome", "opportunities")}
        | {"best_net": money(row["best_net_e8"])}
        for row in opportunities
        if row["reason"] is not None
    ]
    return sorted(rows, key=lambda row: -row["best_net"])


def _what_if(row: Any) -> RowDict:
    return {
        "quote": row.quote,
        "min_edge_bps": row.min_edge_bps,
        "pairs": row.pairs,
        "net": money(row.net_e8),
        "seen": row.seen,
        "best_net": money(row.best_net_e8),
    }


def _venue(row: RowDict, legs: Columns) -> RowDict:
    """Return how a venue executed: counts of all own orders, times and prices of entry legs."""
    mine = legs["venue"] == row["venue"]
    times = {
        f"{name}_ms_p{share}": rounded(percentile(legs[f"{name}_ms"][mine], share))
        for name in ("send", "ack", "fill")
        for share in (50, 95)
    }
    return row | {
        "fill_percent": rounded(_times_100(mean(legs["fill_ratio"][mine])), 1),
        **times,
        "slippage_bps": rounded(mean(legs["slippage_bps"][mine])),
        "worst_slippage_bps": rounded(percentile(legs["slippage_bps"][mine], 5)),
    }


def _times_100(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _skew(trades: Columns) -> dict[str, Decimal | None]:
    arb = trades["kind"] == "arb"
    return {
        f"{name}_ms_p{share}": rounded(percentile(trades[f"{name}_skew_ms"][arb], share))
        for name in ("send", "fill")
        for share in (50, 95)
    }


def _with_cost(row: RowDict) -> RowDict:
    cost = row["cost_e8"]
    return {name: value for name, value in row.items() if name != "cost_e8"} | {
        "cost": None if cost is None else money(cost)
    }


def _run(row: RowDict, short_ids: ShortIds) -> RowDict:
    return {"run_id": row["id"], "run_number": short_ids.number(row["id"])} | {
        name: value for name, value in row.items() if name != "id"
    }
