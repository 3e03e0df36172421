"""The judges of the profit: what the ledger calls realised is what the venues' balances changed by, and a day's loss stops.

`realised_net = change of quote - X + R*m1`: the quote that a pair's fills at the venues brought and took, less fees in other
assets at their quote value (`X`), plus its residual, the base it leaves (`R`), at the mark at its close (`m1`). A pair that
took over base from earlier ones pays what those had booked it at, and what others took over of its own stays booked at that.
And all pairs together changed the quote the venues hold.

Beside it the judge of the threshold, which allows for legs that fall short; and that of fees in assets of the venues' own,
which must be payable.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from arb.clock import NS_PER_S
from arb.core.messages.settings import OFF, Limits, RepairPolicy
from arb.market.ids import decode
from arb.market.numbers import ZERO
from arb.market.symbol import Symbol
from proofs.faultsim.conduct import entries_of
from proofs.faultsim.plan import Plan
from proofs.faultsim.shares import handed_over

ROUNDED = Decimal("1e-8")
"""The ledger keeps profits in whole 1e-8 of the quote."""
DAY_NS = 86_400 * NS_PER_S

# A repaired leg pays at most `leg_loss_max_bps` from its reference, which may lie as far off the plan as slippage allows,
# and three or four fees, which a fault may double.
FEES_AND_SLIPPAGE_BPS = Decimal(110)

Row = dict[str, Any]


def profit_misstated(
    journal: Path, truth: dict[str, Any], pairs: list[Row], orders: list[Row], fills: list[Row]
) -> Iterator[str]:
    """Every closed pair earned what it says, to the rounding; the venues' quote changed by what all pairs brought and took."""
    moved = _moved(truth, orders)
    other_fees = _other_fees(orders, fills)
    taken_over, handed = dict(_taken_over(journal)), handed_over(journal)
    for pair in pairs:
        if pair["closed_ns"] is None or pair["realised_net_e8"] is None or pair["state"] == "abandoned":
            continue
        base, quote = Symbol.of(pair["symbol"]).base_and_quote
        size, booked = taken_over.get(pair["id"], (ZERO, ZERO)) if pair["kind"] != "arb" else (ZERO, ZERO)
        handed_size, handed_value = handed[pair["id"]]
        left = size + moved[pair["id"], base] - handed_size
        mark = Decimal(pair["residual_mark"] or 0)
        earned = moved[pair["id"], quote] - other_fees[pair["id"]] + left * mark - booked + handed_value
        stated = Decimal(pair["realised_net_e8"]).scaleb(-8)
        if abs(earned - stated) > ROUNDED:
            yield f"profit: pair {pair['id']} states {stated}, the venues' fills and what is left say {earned}"
    yield from _not_the_balances(truth, moved)


def lost_too_much(pairs: list[Row], orders: list[Row], fills: list[Row], repair: RepairPolicy) -> Iterator[str]:
    """No pair loses more of its notional than the cap on repairs, fees and slippage allow.

    What a pair leaves is valued by the depth of one book at one instant, which may be none, as where its own sale took the
    only bid: that is no loss yet. So what is carried is not judged, nor is a fall of what is left, of sold dust only the
    sale, and a flatten by what it traded, valued at its own mark: residuals of two pairs that offset each other, each at its
    own mark, leave the difference to a third.
    """
    notional: dict[int, Decimal] = defaultdict(lambda: ZERO)
    quote: dict[int, Decimal] = defaultdict(lambda: ZERO)
    base: dict[int, Decimal] = defaultdict(lambda: ZERO)
    pair_of = {row["id"]: row["pair_trade_id"] for row in orders}
    for fill in fills:
        pair_id, size = pair_of[fill["order_id"]], Decimal(fill["size"])
        sign = 1 if fill["side"] == "buy" else -1
        notional[pair_id] += Decimal(fill["price"]) * size
        quote[pair_id] -= sign * Decimal(fill["price"]) * size + Decimal(fill["fee_quote_value"])
        base[pair_id] += sign * size
    for pair in pairs:
        taken_over = Decimal(pair["buy_size"]) + Decimal(pair["sell_size"]) if pair["kind"] == "dust" else ZERO
        traded = notional[pair["id"]] + taken_over * Decimal(pair["residual_mark"] or 0)
        bound = traded * (repair.leg_loss_max_bps + FEES_AND_SLIPPAGE_BPS) / 10_000 + Decimal("0.01")
        if pair["realised_net_e8"] is None or pair["state"] == "carried":
            continue
        valued_e8 = pair["residual_change_e8"]
        net_e8 = pair["realised_net_e8"] - (valued_e8 if pair["kind"] == "dust" else min(0, valued_e8))
        if pair["kind"] == "flatten":
            net_e8 = int((quote[pair["id"]] + base[pair["id"]] * Decimal(pair["residual_mark"])).scaleb(8))
        if Decimal(net_e8).scaleb(-8) < -bound:
            yield f"loss: pair {pair['id']} lost {net_e8}e-8, at most {bound:.4f} allowed"


def opened_past_the_loss(journal: Path, most: Decimal) -> Iterator[str]:
    """No pair opens once closed pairs have lost `most` quote, in a day (UTC), but within a new allowance.

    What a pair brought counts until it has ended again, where a late fill reopened it.
    """
    booked: dict[int, int] = {}
    seen: set[int] = set()
    floor_e8, reached, today = -int(most.scaleb(8)), False, 0
    for _, t_ns, kind, payload in entries_of(journal):
        if today != (today := t_ns // DAY_NS):
            floor_e8, reached = sum(booked.values()) - int(most.scaleb(8)), False
        if kind not in ("Persist", "ResumeAsked"):
            continue
        message = json.loads(payload)
        if kind == "ResumeAsked":
            if message.get("allow_loss") is not None:
                floor_e8, reached = sum(booked.values()) - int(Decimal(message["allow_loss"]).scaleb(8)), False
            continue
        row: Row = message["record"]
        if row["type"] != "PairRecord":
            continue
        opens = row["kind"] == "arb" and row["opportunity_id"] is not None and row["id"] not in seen
        if opens and reached:
            yield f"opened: pair {row['id']}, after {sum(booked.values())}e-8 at the most {floor_e8}e-8"
        seen.add(row["id"])
        if row["state"] in ("completed", "unwound", "carried") and row["waterfall"]:
            booked[row["id"]] = row["waterfall"]["realised_net_e8"]
        reached = reached or sum(booked.values()) <= floor_e8


def _moved(truth: dict[str, Any], orders: list[Row]) -> dict[tuple[int | None, str], Decimal]:
    """Return what the venues' fills did to each asset, by pair; None: what is ours and of no pair."""
    pair_of = {(row["venue"], row["client_order_id"]): row["pair_trade_id"] for row in orders}
    moved: dict[tuple[int | None, str], Decimal] = defaultdict(lambda: ZERO)
    for venue, ledger in truth.items():
        for fill in ledger["fills"]:
            name = str(fill["client_id"]).removeprefix("t-")
            if decode(name) is None:
                continue
            for asset, amount in changes(fill):
                moved[pair_of.get((venue, name)), asset] += amount
    return moved


def ran_out(plan: Plan, journal: Path, orders: list[Row], fills: list[Row]) -> Iterator[str]:
    """No leg that was planned with its fee in such an asset was charged in another: the balance was there for it.

    Where faults change what is charged, or somebody else's trades use the asset up, nothing is said. Nor of a fill that comes
    after the venue has reported the order's end: the fee that was reserved for it is free by then.
    """
    foreign = plan.scarce or any(
        strike.foreign or strike.name in ("fee_in_points", "foreign_order") for strike in plan.strikes
    )
    if foreign or not any(mode.asset for mode in plan.fee_modes):
        return
    some_late = any(strike.name == "late_fill" for strike in plan.strikes)
    plans: dict[int, Row] = {}
    ended_ns: dict[str, int] = {}
    for _, t_ns, kind, payload in entries_of(journal):
        if kind == "Persist":
            row = json.loads(payload).get("record", {})
            if row.get("type") == "PlanRecord":
                plans[row["pair_id"]] = row
        elif some_late and kind in ("OrderAccepted", "OrderUpdated", "OrderQueried"):
            report = json.loads(payload).get("report")
            if report is not None and not report["is_open"]:
                ended_ns.setdefault(report["client_order_id"], t_ns)
    entries = {row["id"]: row for row in orders if row["role"] == "entry"}
    for fill in fills:
        order = entries.get(fill["order_id"])
        if order is None or fill["event_ns"] > ended_ns.get(order["client_order_id"], fill["event_ns"]):
            continue
        made = plans.get(order["pair_trade_id"], {})
        held = {hold["venue"]: hold["asset"] for hold in made.get("fee_holds", ())}
        asset = held.get(fill["venue"])
        if asset is not None and fill["fee_currency"] != asset:
            yield f"fees: a leg at {fill['venue']} was planned in {asset} and charged in {fill['fee_currency']}"


def _other_fees(orders: list[Row], fills: list[Row]) -> dict[int, Decimal]:
    """Return the quote value of the fees that were neither in base nor in quote, by pair."""
    pair_of = {row["id"]: row["pair_trade_id"] for row in orders}
    fees: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        if fill["fee_currency"] not in Symbol.of(fill["symbol"]).base_and_quote:
            fees[pair_of[fill["order_id"]]] += Decimal(fill["fee_quote_value"])
    return fees


def _taken_over(journal: Path) -> Iterator[tuple[int, tuple[Decimal, Decimal]]]:
    """Yield, by pair, the base that a plan without legs sets out to trade away, and the quote it was booked at."""
    for _, _, kind, payload in entries_of(journal):
        if kind == "Persist" and '"PlanRecord"' in payload:
            plan = json.loads(payload)["record"]
            if plan["type"] == "PlanRecord":
                yield plan["pair_id"], (Decimal(plan["residual"]), Decimal(plan["residual"]) * Decimal(plan["mark"]))


def _not_the_balances(truth: dict[str, Any], moved: dict[tuple[int | None, str], Decimal]) -> Iterator[str]:
    """Compare the venues' balances, less what bills besides trades and others did, with what all our pairs did."""
    left: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for ledger in truth.values():
        for asset, balance in ledger["balances"].items():
            left[asset] += Decimal(balance["free"]) + Decimal(balance["locked"])
        for asset, amount in ledger["initial_balances"].items():
            left[asset] -= Decimal(amount)
        for asset, amount in billed(ledger):
            left[asset] -= amount
        for fill in ledger["fills"]:
            if decode(str(fill["client_id"]).removeprefix("t-")) is None:
                for asset, amount in changes(fill):
                    left[asset] -= amount
    for (pair, asset), amount in moved.items():
        if pair is not None:
            left[asset] -= amount
    yield from (f"profit: {amount} {asset} at the venues came from no pair" for asset, amount in left.items() if amount)


def billed(ledger: Row) -> Iterator[tuple[str, Decimal]]:
    """Yield what the bills of a venue that are no trade's did to which asset: deposits, transfers, interest."""
    for bill in ledger["bills"]:
        if bill["kind"] != "trade":
            yield bill["asset"], Decimal(bill["amount"])


def changes(fill: Row) -> Iterator[tuple[str, Decimal]]:
    """Yield what one fill did to which asset of its account."""
    base, quote = Symbol.of(fill["symbol"]).base_and_quote
    sign = 1 if fill["side"] == "buy" else -1
    price, size = Decimal(fill["price"]), Decimal(fill["size"])
    yield base, sign * size
    yield quote, -sign * size * price
    yield fill["fee_currency"], -Decimal(fill["fee"])


def below_the_threshold(journal: Path, limits: Limits, skew_max_bps: Decimal) -> Iterator[str]:
    """Every pair opened on an edge that leaves `min_edge_bps` after what its legs are expected to cost, as bands skew it."""
    plans: dict[int, Row] = {}
    opened: set[int] = set()
    expected = Fraction(0 if limits.leg_cost == OFF else limits.leg_cost.removesuffix("bps"))
    for _, _, kind, payload in entries_of(journal):
        row = json.loads(payload)["record"] if kind == "Persist" else {}
        if row.get("type") == "PlanRecord":
            plans[row["pair_id"]] = row
        if row.get("type") != "PairRecord" or row["kind"] != "arb" or row["opportunity_id"] is None:
            continue
        if row["id"] not in opened:
            opened.add(row["id"])
            yield from _too_low(plans[row["id"]], expected, limits, skew_max_bps)


def _too_low(plan: Row, expected: Fraction, limits: Limits, skew_max_bps: Decimal) -> Iterator[str]:
    stated, name = Fraction(plan["leg_cost_bps"]), f"threshold: pair {plan['pair_id']}"
    if stated != expected:
        yield f"{name} allows {float(stated):.3f} bps for its legs, the limits {float(expected):.3f}"
    paid = _cost(plan) * (1 if plan["buy_fee_in"] == "base" else 1 + Fraction(plan["buy_fee"]))
    skew = Fraction(plan["skew_bps"])
    least = Fraction(limits.min_edge_bps) + skew
    if abs(skew) > skew_max_bps or (skew < 0 and least <= 0):
        yield f"{name} had its threshold moved by {float(skew):.3f} bps, to {float(least):.3f}"
    if 10_000 * Fraction(plan["net"]) / paid < least + stated - Fraction(1, 10**6):
        yield f"{name} opened on too little, with legs expected to cost {float(stated):.3f} bps"


def _cost(plan: Row) -> Fraction:
    return Fraction(plan["buy_size"]) * Fraction(plan["buy_vwap"])
