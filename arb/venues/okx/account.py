"""The owner and rights of an OKX key, and how its account trades (API v5, "Get account configuration").

The account's mode decides how spot orders are placed (`tdMode`: "Place order", "Trade Mode"). In the modes `Spot` and
`Futures` they trade in cash. In `Multi-currency margin` and `Portfolio margin` they trade against the margin of all
assets. `autoLoan` borrows in these last two ("Only applicable to ..."), `enableSpotBorrow` in `Spot`. `feeType` is the
side in which a buy pays its fee.
"""

from arb.market.ids import plain_id
from arb.market.instrument import FeeIn
from arb.venues.kit.dialect import KeyFacts
from arb.venues.kit.fields import Fields
from arb.venues.okx.outcomes import RIGHTS

_MODES = {"1": "spot", "2": "futures", "3": "multi-currency margin", "4": "portfolio margin"}
_MARGIN = frozenset({"3", "4"})
_SPOT = "1"
CASH, CROSS = "cash", "cross"
_BUY_FEES = {"0": FeeIn.BASE, "1": FeeIn.QUOTE}
_KINDS = {
    "0": "main account",
    "1": "standard sub-account",
    "2": "managed trading sub-account",
    "5": "custody sub-account (Copper)",
    "9": "managed trading sub-account (Copper)",
    "12": "custody sub-account (Komainu)",
}


class OkxAccount:
    """The account of one key; in cash, and with fees in the received asset, until its configuration shows otherwise."""

    def __init__(self) -> None:
        self.trade_mode = CASH
        self.buy_fee_in: FeeIn | None = None
        """The side in which a buy pays its fee; None where the venue does not report it."""

    def facts(self, config: Fields) -> KeyFacts:
        """Read `GET /account/config`, and remember how to trade.

        `perm` is comma-separated out of `read_only`, `trade`, `withdraw`. `uid` is the account's own id, `mainUid` that of the
        main account it may be a sub-account of. Older answers lack `feeType` and `enableSpotBorrow`: there was no choice.
        """
        self.note_fees(config)
        level = config.maybe_text("acctLv") or ""
        self.trade_mode = CROSS if level in _MARGIN else CASH
        reported = config.maybe_text("perm")
        perms = None if reported is None else {perm.strip() for perm in reported.split(",")}
        account, main = plain_id(config.raw("uid")), plain_id(config.raw("mainUid"))
        return KeyFacts(
            can_trade=RIGHTS.can_trade(perms),
            can_withdraw=RIGHTS.can_withdraw(perms),
            ip_bound=config.maybe_text("ip") is not None,
            account=account,
            main_account=None if account is None or main == account else main,
            mode=_MODES.get(level),
            borrows=_borrows(config, level),
            more=_more(config),
        )

    def note_fees(self, config: Fields) -> None:
        """Remember the side in which a buy pays its fee, which the user may change at any time."""
        self.buy_fee_in = _BUY_FEES.get(config.maybe_text("feeType") or "")


def _borrows(config: Fields, level: str) -> tuple[str, ...]:
    """Return the parts that borrow automatically; a margin mode always, for its losses may become a loan."""
    found = []
    if level in _MARGIN:
        found.append(f"mode {_MODES[level]}")
        if config.flag("autoLoan"):
            found.append("autoLoan")
    if level == _SPOT and config.flag("enableSpotBorrow"):
        found.append("enableSpotBorrow")
    return tuple(found)


def _more(config: Fields) -> tuple[tuple[str, str], ...]:
    fee_in = {"0": "the received asset", "1": "quote"}
    named: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("kind", "type", _KINDS),
        ("fee of a buy in", "feeType", fee_in),
        ("self-trade prevention", "acctStpMode", {}),
        ("fee level", "level", {}),
    )
    return tuple(
        (name, words.get(value, value)) for name, key, words in named if (value := config.maybe_text(key)) is not None
    )
