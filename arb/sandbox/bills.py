"""The bills of one account: every change of a balance, one row for each asset, numbered once and for all.

A venue writes a bill where money moved. A trade has one for each asset, with the fee if it was charged in that asset.
Every deposit, withdrawal, transfer between the holder's own accounts and credit of interest has one, too. Locking and
releasing an order's amount moves nothing. A change that no history of the venue shows has no bill either.
"""

from dataclasses import dataclass
from decimal import Decimal

from arb.clock import NS_PER_US
from arb.sandbox.accounts import Account
from arb.sandbox.exact import ZERO, mul
from arb.sandbox.values import SimFill

TRADE, DEPOSIT, WITHDRAW, TRANSFER, INTEREST = "trade", "deposit", "withdraw", "transfer", "interest"


@dataclass(frozen=True, slots=True)
class Bill:
    """One change of one asset's balance (free plus locked): it grew by `amount` less `fee`."""

    id: int
    ns: int
    kind: str
    """`trade`, `deposit`, `withdraw`, `transfer` (between own accounts) or `interest`."""
    asset: str
    amount: Decimal
    fee: Decimal
    """Positive when paid; 0 where the fee was charged in another asset."""
    balance: Decimal
    """Free plus locked after the change."""
    fill: SimFill | None = None
    """The fill of a trade's bill."""


class BillBook:
    """All bills, oldest first. Their ids are separate from those of orders and trades."""

    def __init__(self, account: Account, start_ns: int) -> None:
        self._account = account
        self._first_id = start_ns // NS_PER_US
        self.rows: list[Bill] = []

    @property
    def next_id(self) -> int:
        """Return the id of the next bill; a fill carries the id of its first bill."""
        return self._first_id + len(self.rows)

    def note(self, kind: str, asset: str, amount: Decimal, ns: int) -> None:
        """Write the bill of a change that is no trade, after the money moved."""
        self._write(kind, asset, amount, ZERO, ns)

    def note_trade(self, fill: SimFill) -> None:
        base, quote = fill.symbol.split("/")
        cost = mul(fill.price, fill.size)
        got, paid = (fill.size, cost.copy_negate()) if fill.side == "buy" else (fill.size.copy_negate(), cost)
        moved = {base: got, quote: paid}
        if fill.fee_currency not in moved:
            moved[fill.fee_currency] = ZERO
        for asset, amount in moved.items():
            fee = fill.fee if asset == fill.fee_currency else ZERO
            self._write(TRADE, asset, amount, fee, fill.ns, fill)

    def _write(
        self, kind: str, asset: str, amount: Decimal, fee: Decimal, ns: int, fill: SimFill | None = None
    ) -> None:
        balance = self._account.balance(asset).total
        self.rows.append(Bill(self.next_id, ns, kind, asset, amount, fee, balance, fill))
