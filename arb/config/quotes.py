"""Limits are amounts of the quote, and their defaults are meant for dollars: any other quote needs its own limits.

2000 is a modest pair in USDT and a fortune in BTC. Until amounts are converted, such defaults do not trade on real
books.
"""

import tomllib
from pathlib import Path

import msgspec

from arb.config.settings import Mode, Settings
from arb.core.messages.settings import Limits
from arb.errors import ConfigError
from arb.files import whole_text
from arb.market.symbol import Symbol

DOLLARS = frozenset(("USDT", "USDC", "USD", "FDUSD", "DAI", "TUSD", "PYUSD", "USDE"))
MONEY = tuple(field.name for field in msgspec.structs.fields(Limits) if "_quote" in field.name)
"""The keys of `[limits]` that are amounts of the quote."""
SMALL = ("min_net_quote", "dust_max_quote", "dust_total_max_quote", "loss_min_quote", "drift_ignore_quote")
"""Those that follow cents and the venues' least orders, and not the size of pairs."""


def require_own_limits(settings: Settings, mode: Mode, config: Path | None) -> None:
    """Raise `ConfigError` where real books would be traded on in a quote that is no dollar, with limits meant for dollars."""
    quote = settings.run.report_currency if settings.run.chooses else Symbol.of(settings.run.symbols[0]).quote
    if mode is Mode.SANDBOX or quote in DOLLARS:
        return
    tables = {} if config is None or not config.exists() else tomllib.loads(whole_text(config))
    missing = [f"[limits] {name}" for name in MONEY if name not in tables.get("limits", {})]
    if mode is Mode.LIVE:
        if settings.live.ramp_pairs and "ramp_start_quote" not in tables.get("live", {}):
            missing.append("[live] ramp_start_quote")
        for venue in settings.venues.enabled():
            if "max_order_value_quote" not in tables.get("venues", {}).get(venue, {}):
                missing.append(f"[venues.{venue}] max_order_value_quote")
    if missing:
        raise ConfigError(
            f"the quote {quote} is no dollar, and the defaults of limits are meant for dollars: give amounts of {quote} for "
            f"{', '.join(missing)} (`arb init --max-notional` writes them all)"
        )
