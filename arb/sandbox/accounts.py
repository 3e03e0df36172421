"""Balances of one account at one venue: free and locked, holds, fees, transfers. Exact decimals throughout.

Money is only moved by the methods below; free and locked can never become negative. The amount that an order locks is
decided here too, since it is the venue's rule. A limit order locks its limit, not its average. A buy whose fee is
charged in quote locks the fee on top. A sell locks its base and pays its fee out of the proceeds.
"""

from dataclasses import dataclass
from decimal import Decimal

from arb.errors import require
from arb.sandbox.exact import ONE, ZERO, add, mul, sub
from arb.sandbox.values import Refusal, Refused, Transfer


@dataclass(slots=True)
class Balance:
    free: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return add(self.free, self.locked)


class Account:
    def __init__(self, initial: dict[str, Decimal]) -> None:
        self.initial = dict(initial)
        self.balances = {asset: Balance(free=amount) for asset, amount in initial.items()}
        self.transfers: list[Transfer] = []

    def begin_with(self, asset: str, amount: Decimal) -> None:
        """Set the first balance of an asset; nothing may have happened before."""
        self.initial[asset] = amount
        self.balances[asset] = Balance(amount, ZERO)

    def balance(self, asset: str) -> Balance:
        return self.balances.setdefault(asset, Balance())

    def lock(self, asset: str, amount: Decimal) -> None:
        """Move `amount` from free to locked; raises `Refused(INSUFFICIENT_BALANCE)` when free is short."""
        require(amount >= 0, f"cannot lock {amount} {asset}")
        balance = self.balance(asset)
        if balance.free < amount:
            raise Refused(Refusal.INSUFFICIENT_BALANCE, f"not enough {asset}", asset)
        balance.free = sub(balance.free, amount)
        balance.locked = add(balance.locked, amount)

    def release(self, asset: str, amount: Decimal) -> None:
        balance = self.balance(asset)
        require(ZERO <= amount <= balance.locked, f"cannot release {amount} {asset} of {balance.locked}")
        balance.locked = sub(balance.locked, amount)
        balance.free = add(balance.free, amount)

    def spend_locked(self, asset: str, amount: Decimal) -> None:
        balance = self.balance(asset)
        require(ZERO <= amount <= balance.locked, f"cannot spend {amount} {asset} of locked {balance.locked}")
        balance.locked = sub(balance.locked, amount)

    def credit(self, asset: str, amount: Decimal) -> None:
        """Receive `amount` as free; a negative amount (such as a fee in another asset) may not overdraw."""
        balance = self.balance(asset)
        after = add(balance.free, amount)
        require(after >= 0, f"{asset} would be overdrawn to {after}")
        balance.free = after

    def transfer(self, transfer_id: int, asset: str, free: Decimal, now_ns: int) -> Transfer:
        """Set the free balance by a booked deposit or withdrawal, and return it."""
        require(free >= 0, f"a free balance cannot be {free}")
        balance = self.balance(asset)
        booked = Transfer(transfer_id, now_ns, asset, sub(free, balance.free))
        balance.free = free
        self.transfers.append(booked)
        return booked

    def adjust(self, asset: str, free: Decimal) -> Decimal:
        """Set the free balance without any record, and return by how much it changed."""
        require(free >= 0, f"a free balance cannot be {free}")
        balance = self.balance(asset)
        change, balance.free = sub(free, balance.free), free
        return change


def buy_hold(quote_amount: Decimal, fee_rate: Decimal, buy_fee_in: str) -> Decimal:
    """Return the amount a buy of `quote_amount` at its limit locks; a rebate (negative rate) locks nothing extra."""
    if buy_fee_in == "quote" and fee_rate > 0:
        return mul(quote_amount, add(ONE, fee_rate))
    return quote_amount
