"""The doctor's checks of accounts, once there are keys: measured facts in, findings out. Nothing here asks a venue.

Each check reports its facts in the words of the venue or of the settings, and the remedy. `fail` is for a fact that
makes an order refused or endangers funds, `warn` for one that keeps some of the pairs from opening.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

from arb.app.doctor.checks import Check, Finding
from arb.core.messages.events import AssetBalance
from arb.core.messages.incidents import some
from arb.core.messages.recovery_records import AgreedAccount
from arb.core.messages.settings import Limits
from arb.core.state.budget import PlaceRate
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO, plain
from arb.market.order import OrderReport
from arb.market.symbol import Symbol
from arb.venues.kit.dialect import KeyFacts
from arb.venues.kit.rules.key_trouble import Diagnosis

FEE_WARN_BPS = Decimal(30)
"""A taker fee beyond this eats every edge that lasts."""
SHOWN = 4


def check_signature(about: str, diagnosis: Diagnosis | None) -> Finding:
    """Judge whether a signed question is answered; `diagnosis` of one that was not."""
    check = Check(about, "signature")
    if diagnosis is None:
        return check.ok("the venue answers the key")
    return check.fail(f"{diagnosis.trouble}: {diagnosis.found}", diagnosis.remedy)


def check_rights(about: str, facts: KeyFacts) -> Finding:
    check = Check(about, "rights")
    if facts.can_trade is False:
        return check.fail("the key may not trade spot", "allow spot trading for it at the venue")
    if facts.unknown:
        found = f"it has rights that are not known here: {', '.join(facts.unknown)}"
        return check.fail(found, "make a key that may read and trade spot, and nothing else")
    if facts.moves:
        found = f"the key may move funds away ({', '.join(facts.moves)})"
        return check.fail(found, "make a key that may read and trade spot, and nothing else")
    if facts.can_trade is None:
        remedy = "`arb doctor --drill` shows it with one small order"
        return check.warn("the venue does not report whether it may trade spot", remedy)
    return check.ok("it may trade spot")


def check_withdrawal(about: str, facts: KeyFacts, *, confirmed: bool) -> Finding:
    """Judge whether the key may withdraw; `confirmed`: the user has confirmed that it may not."""
    check = Check(about, "withdrawal")
    if facts.can_withdraw:
        return check.fail("the key may withdraw", "make one that may not: a run refuses this one")
    if facts.can_withdraw is None and not confirmed:
        remedy = f"check it at the venue, and confirm it: withdrawal_disabled_confirmed = true in [venues.{about}]"
        return check.fail("the venue does not report whether the key may withdraw", remedy)
    said = "the venue reports that it may not" if facts.can_withdraw is False else "you have confirmed that it may not"
    return check.ok(said)


def check_addresses(about: str, facts: KeyFacts, *, allowed: bool) -> Finding:
    """Judge whether a stolen key could be used from elsewhere; `allowed`: a run takes it all the same."""
    check = Check(about, "ip_list")
    if facts.ip_bound:
        return check.ok("the key is bound to addresses")
    remedy = "bind the key to this machine's address at the venue"
    if facts.ip_bound is None:
        return check.warn("the venue does not report a list of addresses", remedy)
    found = "the key may be used from any address"
    if allowed:
        return check.warn(found, remedy)
    return check.fail(found, f"{remedy}, or set unbound_key_allowed = true in [venues.{about}]")


def check_borrowing(about: str, facts: KeyFacts, *, allowed: bool) -> Finding:
    """Judge whether a short balance would become a loan; `allowed`: a run trades such an account all the same."""
    check = Check(about, "borrowing")
    if not facts.borrows:
        return check.ok("the account borrows nothing on its own")
    found = f"the account borrows on its own ({', '.join(facts.borrows)})"
    if allowed:
        return check.warn(found, "watch the debt: arb does not pay it back")
    return check.fail(found, f"turn that off at the venue, or set borrowing_allowed = true in [venues.{about}]")


def check_account(about: str, facts: KeyFacts) -> Finding:
    """Judge whether the account's mode is supported, and whether its id outlives a key."""
    check = Check(about, "account")
    if facts.mode is None:
        remedy = "choose another mode at the venue: a run refuses this one"
        return check.fail("its mode is not known here: balances may be elsewhere", remedy)
    mode = f", mode {facts.mode}" if facts.mode else ""
    if facts.account is None:
        remedy = "keep the key as long as pairs are open: with another one the account counts as another"
        return check.warn(f"the venue reports no id: it is known by its key{mode}", remedy)
    return check.ok(f"known by the venue's own id, ...{facts.account[-3:]}{mode}")


def check_fees(
    about: str,
    instruments: Sequence[Instrument],
    limits: Limits,
    balances: Mapping[str, AssetBalance],
    valued: Collection[str],
) -> Finding:
    """Judge the taker fees and their assets against the required edge; `valued`: assets whose price is known."""
    check = Check(about, "fees")
    unknown = sorted(i.symbol for i in instruments if i.taker_fee is None)
    if unknown:
        remedy = "give the key the right to read fees: nothing opens in symbols without a known fee"
        return check.fail(f"not read of {_some(unknown)}", remedy)
    rates = {(i.taker_fee or ZERO) * 10_000 for i in instruments}
    assets = sorted({str(i.buy_fee_in) for i in instruments})
    spread = plain(min(rates)) if len(rates) == 1 else f"{plain(min(rates))} to {plain(max(rates))}"
    found = f"{spread} bps taker; a buy's fee is taken in {' or '.join(assets)}"
    own_coins = sorted({i.fee_asset for i in instruments if i.fee_asset})
    for coin in own_coins:
        found += f"; from {coin} while it lasts, {plain(_total(balances, coin))} are there"
    if not_valued := [coin for coin in own_coins if coin not in valued]:
        remedy = (
            f"state its price in [venues.{about}] fee_asset_prices_quote, or have fees taken from the traded assets"
        )
        found += f"; the price of {' and '.join(not_valued)} is not known, and nothing opens"
        return check.warn(found, remedy)
    elsewhere = sorted(i.symbol for i in instruments if i.buy_fee_in is FeeIn.OTHER and not i.fee_asset)
    if elsewhere:
        remedy = "have fees taken from the traded assets: nothing opens while the fee asset is unknown"
        return check.warn(f"{found} ({_some(elsewhere)})", remedy)
    if max(rates) > FEE_WARN_BPS:
        return check.warn(found, "another tier or venue: few edges are wider than that")
    return check.ok(f"{found}; asked of a pair besides: {plain(limits.min_edge_bps)} bps")


def check_funds(
    about: str, balances: Mapping[str, AssetBalance], wanted: Mapping[str, tuple[Decimal, Decimal]]
) -> Finding:
    """Judge whether the funds suffice; `wanted`: of each symbol the notional in quote, and the price (0: not known)."""
    check = Check(about, "funds")
    short: list[str] = []
    for symbol, (notional, price) in sorted(wanted.items()):
        base, quote = Symbol.of(symbol).base_and_quote
        has_quote, has_base = _free(balances, quote), _free(balances, base)
        if has_quote < notional:
            short.append(f"{symbol}: buys for {plain(has_quote)} of {plain(notional)} {quote}")
        if price and has_base * price < notional:
            short.append(f"{symbol}: sells {plain(has_base)} of {_about(notional / price)} {base}")
    if not short:
        return check.ok("both sides of every symbol cover a whole pair")
    remedy = "transfer coins to the spot account, or lower max_notional_quote: until then smaller pairs open, or none"
    return check.warn(_some(short), remedy)


def check_minimums(
    about: str, instruments: Sequence[Instrument], wanted: Mapping[str, tuple[Decimal, Decimal]]
) -> Finding:
    """Judge whether a pair of the greatest size allowed, in live mode at first, is a legal order at all."""
    check = Check(about, "minimums")
    over: list[str] = []
    for instrument in instruments:
        notional, price = wanted.get(instrument.symbol, (ZERO, ZERO))
        least = max(instrument.min_notional, instrument.min_size * price)
        if notional and least > notional:
            over.append(f"{instrument.symbol}: at least {_about(least)} {instrument.quote}, allowed {plain(notional)}")
    if not over:
        return check.ok("the smallest orders are within the limit of a pair")
    remedy = "raise max_notional_quote or [live] ramp_start_quote for it, or take the symbol out of [run] symbols"
    judged = check.fail if len(over) == len(instruments) else check.warn
    return judged(_some(over), remedy)


def check_rate(about: str, rate: PlaceRate, guard_per_minute: int, open_pairs_max: int, tokens: int) -> Finding:
    """Judge how many orders the venue and our guard take against the need of all pairs open at once, `tokens` each."""
    check = Check(about, "rate")
    per = "of each symbol" if rate.per_symbol else "of all symbols"
    window = rate.count * 60_000 / rate.window_ms
    found = f"the venue takes {window:.0f} orders a minute {per}, the guard {guard_per_minute} of all"
    need = open_pairs_max * tokens
    if rate.count < tokens or guard_per_minute < tokens:
        return check.fail(found, f"raise [venues.{about}] max_orders_per_minute: no pair would ever open")
    if guard_per_minute < need:
        remedy = f"raise [venues.{about}] max_orders_per_minute to {need} at least, or lower max_open_pairs"
        found += f"; {open_pairs_max} open pairs may need {need}"
        return check.warn(found, remedy)
    return check.ok(f"{found}; {open_pairs_max} open pairs may need {need}")


def check_dead_man(about: str, *, has_switch: bool, dedicated: bool) -> Finding:
    check = Check(about, "dead_man")
    if not has_switch:
        return check.ok("the venue has no switch; our orders are not meant to rest")
    if not dedicated:
        remedy = f"give the engine a separate account, and set dedicated_account = true in [venues.{about}]"
        return check.warn("the venue's switch is not used: it would cancel other orders resting on the account", remedy)
    return check.ok("the venue cancels resting orders once we fall silent")


def check_dedicated(about: str, foreign: Sequence[OrderReport], *, dedicated: bool) -> Finding:
    check = Check(about, "foreign_orders")
    if not foreign:
        return check.ok("no order of anybody else is open")
    found = f"{len(foreign)} orders of others are open: {_some(sorted({order.symbol for order in foreign}))}"
    if dedicated:
        remedy = (
            f"the dead-man switch would cancel them: cancel them yourself, or unset [venues.{about}] dedicated_account"
        )
        return check.fail(found, remedy)
    return check.warn(found, "trade on a separate account: others' orders change balances between two reads of them")


def check_left_orders(about: str, left: Sequence[OrderReport], known: Iterable[str]) -> Finding:
    """Judge orders with our prefix that are open; `known`: those of pairs that the journal knows as open."""
    check = Check(about, "left_orders")
    if not left:
        return check.ok("none of our orders is open")
    names = {order.client_order_id or "" for order in left}
    lost = sorted(names.difference(known))
    if lost:
        remedy = "another engine trades on this account, or a journal is lost: stop that one; a run recovers and cancels them"
        return check.fail(f"open, and not in this journal: {_some(lost)}", remedy)
    return check.warn(f"open: {_some(sorted(names))}", "the next run settles and cancels them")


def check_agreed(
    about: str, agreed: AgreedAccount | None, balances: Mapping[str, AssetBalance], assets: Iterable[str]
) -> Finding:
    """Judge whether the account holds the last explained balances."""
    check = Check(about, "agreed_balances")
    if agreed is None:
        return check.ok("no earlier run: the first one takes balances as they are")
    totals = agreed.totals
    moved = [
        f"{asset} {plain(totals[asset])}, now {plain(total)}"
        for asset in sorted(assets)
        if asset in totals and (total := _total(balances, asset)) != totals[asset]
    ]
    if moved:
        remedy = (
            "a start explains it by the venue's bills (deposits, transfers, manual trades); any rest is an incident"
        )
        return check.warn(f"changed since the last run: {_some(moved)}", remedy)
    return check.ok("unchanged since the last run")


def check_coins(about: str, unproved: Sequence[str] | None, symbols: int) -> Finding:
    """Judge whether symbols of one name here and at the other venues are proved to be one coin; None: not required.

    This judges by the tables only: a run also reads the venues' lists, so this blocks no venue.
    """
    check = Check(about, "coins")
    if unproved is None:
        return check.ok("a sandbox's coins are made up: no proof is needed")
    if unproved:
        remedy = "live refuses coins that the venues' own lists do not prove either: see docs/COINS.md, or remove the symbols"
        return check.warn(f"no table proves these to be the same coin elsewhere: {_some(unproved)}", remedy)
    return check.ok(f"{symbols} symbols are proved to be the same coins at another venue")


def check_expiry(about: str, *, enforces: bool, proved: bool, by_socket: bool, presumed_ms: int) -> Finding:
    """Judge whether an order without answer is proved absent, or only presumed."""
    check = Check(about, "expiry")
    if not enforces:
        found = (
            f"no expiry is enforced here: an order without answer is presumed absent after {presumed_ms} ms, not proved"
        )
        rest = f'[venues.{about}] order_entry = "rest", or ' if by_socket else "no kind of order here has one: "
        return check.warn(found, f"{rest}allow for it in [timing] leg_deadline_ms")
    if not proved:
        found = f"not seen to refuse an expired order: one without answer is presumed absent after {presumed_ms} ms, not proved"
        return check.warn(found, "run `arb doctor --drill` once on this account")
    return check.ok("the venue has refused an expired order of this account")


def check_private_stream(about: str, why: str, waited_s: float) -> Finding:
    """Judge whether the private stream accepts the key; `why` not, "" if it does."""
    check = Check(about, "private_stream")
    if why:
        remedy = (
            "websockets may be blocked on the way, or the key may not read: orders would be followed only by queries"
        )
        return check.fail(why, remedy)
    return check.ok(f"logged in after {waited_s * 1000:.0f} ms")


def check_instruments_barred(about: str, barred: Sequence[str]) -> Finding:
    check = Check(about, "barred")
    if barred:
        remedy = "take it out of [run] symbols; it opens again once the venue's listing of it changes"
        return check.warn(_some(barred), remedy)
    return check.ok("no symbol is barred for this account")


def not_asked(about: str, check: str, why: str) -> Finding:
    return Check(about, check).fail(f"not looked at: {why}", "see the finding of `signature`")


def _free(balances: Mapping[str, AssetBalance], asset: str) -> Decimal:
    return balances[asset].free if asset in balances else ZERO


def _total(balances: Mapping[str, AssetBalance], asset: str) -> Decimal:
    return balances[asset].free + balances[asset].locked if asset in balances else ZERO


def _about(amount: Decimal) -> str:
    return plain(Decimal(f"{amount:.6g}"))


def _some(texts: Sequence[str]) -> str:
    return some(texts, "; ", SHOWN)
