"""The venues of the sandbox: rules, fees, start balances, latencies. Venues differ on purpose."""

import random
import string
from dataclasses import replace
from decimal import Decimal

from arb.errors import require
from arb.sandbox.registry import SPECS
from arb.sandbox.spec import SimSpec
from arb.sandbox.values import SimInstrument, VenueProfile

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "DOGE/USDT", "NOVA/USDT")
"""NOVA is the new listing: thin, wide and wild."""
QUOTE = "USDT"
SYMBOLS_MAX = 500

_BALANCES = {
    "USDT": "400000",
    "BTC": "6",
    "ETH": "120",
    "SOL": "2500",
    "DOGE": "2500000",
    "NOVA": "400000",
}

_FEE_ASSET_BALANCE = Decimal(10_000)


def listed_symbols(count: int, quote: str = QUOTE) -> tuple[str, ...]:
    """Return `count` symbols: the five, then copies of them in turn (`BTC2/USDT` ... `NOVA2/USDT`, `BTC3/USDT` ...)."""
    require(1 <= count <= SYMBOLS_MAX, f"a sandbox lists 1 to {SYMBOLS_MAX} symbols")
    names = []
    for number in range(count):
        copy, place = divmod(number, len(SYMBOLS))
        base = SYMBOLS[place].partition("/")[0]
        names.append(f"{base}{copy + 1 if copy else ''}/{quote}")
    return tuple(names)


def model_of(symbol: str) -> str:
    """Return which of the five symbols gives this one its rules and market; the quote does not matter."""
    return f"{symbol.partition('/')[0].rstrip(string.digits)}/{QUOTE}"


def is_copy(symbol: str) -> bool:
    return symbol.partition("/")[0][-1] in string.digits


def make_profile(name: str, rng: random.Random, start_ns: int, symbols: tuple[str, ...] = SYMBOLS) -> VenueProfile:
    """Return the profile of a venue, with throw-away credentials drawn from `rng`.

    Each base is held in the amount of its model, and the quote grows with every five symbols.
    """
    spec = SPECS[name]
    balances = {asset: Decimal(amount) for asset, amount in _BALANCES.items()}
    for quote in {symbol.partition("/")[2] for symbol in symbols}:
        balances[quote] = Decimal(_BALANCES[QUOTE]) * -(-len(symbols) // len(SYMBOLS))
    for symbol in symbols:
        balances[symbol.partition("/")[0]] = Decimal(_BALANCES[model_of(symbol).partition("/")[0]])
    balances |= {of.asset: _FEE_ASSET_BALANCE for of in spec.fee_assets}
    return VenueProfile(
        name=name,
        key=_letters(rng, 32),
        secret=_letters(rng, 64),
        passphrase=_letters(rng, 12),
        user_id=rng.randrange(10_000_000, 99_999_999),
        buy_fee_in=spec.buy_fee_in,
        instruments=tuple(_instrument(spec, symbol, start_ns) for symbol in symbols),
        balances=balances,
        feed_delay_ms=spec.feed_ms,
        order_delay_ms=spec.order_ms,
        account_modes=spec.account_modes,
    )


def with_another_key(profile: VenueProfile, rng: random.Random) -> VenueProfile:
    """Return the same account with another key, drawn from `rng`: the key before it is no longer valid."""
    return replace(profile, key=_letters(rng, 32), secret=_letters(rng, 64), passphrase=_letters(rng, 12))


def _instrument(spec: SimSpec, symbol: str, start_ns: int) -> SimInstrument:
    tick, lot, min_size, min_notional = (Decimal(text) for text in spec.rules[model_of(symbol)])
    is_new = model_of(symbol) == SYMBOLS[-1]
    maker, taker = spec.maker_fee, spec.taker_fee
    if is_new and spec.new_listing_fees is not None:
        maker, taker = spec.new_listing_fees
    age_ns = 3_600_000_000_000 if is_new else 5 * 365 * 86_400_000_000_000
    return SimInstrument(
        symbol=symbol,
        tick=tick,
        lot=lot,
        min_size=min_size,
        min_notional=min_notional,
        maker_fee=Decimal(maker),
        taker_fee=Decimal(taker),
        band=Decimal("0.2") if is_new else Decimal("0.1"),
        listed_ns=start_ns - age_ns,
    )


def _letters(rng: random.Random, count: int) -> str:
    alphabet = string.ascii_lowercase + string.digits
    return "".join(rng.choice(alphabet) for _ in range(count))
