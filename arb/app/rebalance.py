"""`arb rebalance`: the moves between venues that would restore the bands of `[inventory]`, and their cost. None is
made.

Balances, open wallets and withdrawal fees are those of a running engine; where none runs, those the journal of the last
run holds.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from arb.app import journals_of, stores
from arb.config import RebalanceOptions, Settings
from arb.config.loader import nearest
from arb.core.accounts.rebalance import AssetPlan, Move, Refused, plan_moves
from arb.core.messages.settings import Band
from arb.core.state.positions.bands import position
from arb.core.state.positions.holdings import Held, KnownInventory
from arb.errors import ConfigError
from arb.live.control import ask
from arb.market.numbers import E8, ZERO, exact, plain
from arb.market.wallets import Wallets
from arb.store.journal.last_inventory import last_inventory
from arb.store.journal.reader import JournalReader
from arb.store.ledger.database import mask_url
from arb.store.ledger.queries import LedgerReader

NOTHING = Held(ZERO, ZERO)


def rebalance(settings: Settings, options: RebalanceOptions) -> dict[str, Any]:
    """Return the plan: `moves`, the bands that stay unmet with the reason (`refused`), and the holdings before and
    after.

    Raises `ConfigError` where no band is stated, or the venues' holdings are not known.
    """
    bands = _bands(settings, options)
    for venue, asset in options.fees:
        if venue not in settings.venues.every():
            raise ConfigError(f"--fee {venue}:{asset}: unknown venue{nearest(venue, settings.venues.every())}")
        if asset not in bands:
            raise ConfigError(f"--fee {venue}:{asset}: no moves of {asset} are planned{nearest(asset, bands)}")
    source, known = _known(settings, options)
    wallets = Wallets()
    for venue, chains in known.chains.items():
        wallets.take(venue, (), chains)
    plans = {asset: _plan(asset, named, settings, options, known, wallets) for asset, named in bands.items()}
    moves = [move for plan in plans.values() for move in plan.moves]
    costs = [_cost(move, known.prices) for move in moves]
    return {
        "source": source,
        "known_ns": known.ns,
        "moves": [_shown(move, cost) for move, cost in zip(moves, costs, strict=True)],
        "refused": [
            {"asset": one.asset, "venue": one.venue, "because": one.because}
            for plan in plans.values()
            for one in plan.refused
        ],
        "cost_quote": None if None in costs else sum((cost for cost in costs if cost is not None), ZERO),
        "inventory": [row for asset, named in bands.items() for row in _rows(asset, named, known, plans[asset])],
    }


def _bands(settings: Settings, options: RebalanceOptions) -> dict[str, dict[str, Band]]:
    found: dict[str, dict[str, Band]] = {}
    for venue, bands in settings.inventory.venue.items():
        for asset, band in bands.items() if venue in settings.venues.enabled() else ():
            found.setdefault(asset, {})[venue] = band
    if not found:
        raise ConfigError(
            "[inventory] states no band: state the share of each venue, for example [inventory.venue.gate.BTC] with "
            'low_share = "15%", target_share = "33%", high_share = "60%" (docs/TRADE.md)'
        )
    if options.asset is None:
        return dict(sorted(found.items()))
    if options.asset not in found:
        raise ConfigError(f"--asset {options.asset}: [inventory] states no band of it{nearest(options.asset, found)}")
    return {options.asset: found[options.asset]}


def _known(settings: Settings, options: RebalanceOptions) -> tuple[str, KnownInventory]:
    url, _ = stores(settings, options.mode, options.db)
    journals = list(journals_of(settings, options.mode, options.db))
    for journal in journals:
        answer = ask(journal, {"do": "inventory"})
        if answer is not None and "inventory" in answer:
            return "the running engine", msgspec.convert(answer["inventory"], KnownInventory, strict=False)
    reader = LedgerReader(url)
    run_id = reader.last_run_id()
    known = None
    if run_id is not None and journals[0].exists():
        with closing(JournalReader.open(journals[0])) as history:
            known = last_inventory(history, run_id, reader.run(run_id)["started_ns"])
    if known is None:
        raise ConfigError(
            f"ledger {mask_url(url)}: the venues' holdings are not known: start an engine with `arb run`, and ask again"
        )
    return "the last run", known


def _plan(
    asset: str,
    bands: Mapping[str, Band],
    settings: Settings,
    options: RebalanceOptions,
    known: KnownInventory,
    wallets: Wallets,
) -> AssetPlan:
    venues = settings.venues.enabled()
    unknown = [venue for venue in venues if venue not in known.held]
    missing = unknown if any(band.of_all for band in bands.values()) else [venue for venue in bands if venue in unknown]
    if missing:
        because = f"what {' and '.join(missing)} {'holds' if len(missing) == 1 else 'hold'} is not known"
        return AssetPlan((), tuple(Refused(asset, venue, because) for venue in bands), {})
    held = {venue: known.held[venue].get(asset, NOTHING) for venue in venues if venue in known.held}
    fees = {venue: fee for (venue, named), fee in options.fees.items() if named == asset}
    return plan_moves(asset, bands, held, lambda one, other: wallets.way(asset, one, other), options.max_cost_bps, fees)


def _cost(move: Move, prices: Mapping[str, Decimal]) -> Decimal | None:
    """Return a move's cost in quote, to 1e-8; None without a price."""
    price = prices.get(move.asset)
    return None if price is None else (move.fee * price).quantize(Decimal(1) / E8)


def _shown(move: Move, cost: Decimal | None) -> dict[str, Any]:
    return {
        "asset": move.asset,
        "from": move.from_venue,
        "to": move.to_venue,
        "chain": move.chain,
        "amount": plain(move.amount),
        "fee": plain(move.fee),
        "arrives": plain(move.arrives),
        "minimum": None if move.minimum is None else plain(move.minimum),
        "confirmations": move.confirmations,
        "about_s": move.arrival_s,
        "cost_quote": cost,
    }


def _rows(asset: str, bands: Mapping[str, Band], known: KnownInventory, plan: AssetPlan) -> Iterator[dict[str, Any]]:
    in_all = sum((held.get(asset, NOTHING).total for held in known.held.values()), ZERO)
    for venue, band in bands.items():
        held = known.held[venue].get(asset, NOTHING) if venue in known.held else None
        low, target, high = (plain(exact(round(edge * E8), 8)) for edge in band.edges(Fraction(in_all)))
        after = plan.after.get(venue)
        yield {
            "asset": asset,
            "venue": venue,
            "held": None if held is None else plain(held.total),
            "free": None if held is None else plain(held.free),
            "low": low,
            "target": target,
            "high": high,
            "position": None
            if held is None
            else round(float(position(band, Fraction(held.total), Fraction(in_all))), 3),
            "after": None if after is None else plain(after),
        }
