"""The owner and rights of a Gate key: its mode, rights, addresses and pairs (Gate APIv4, "Account", "Unified").

A key of mode 2 trades the legacy unified account. One of mode 1 trades in the account's own mode: classic, or unified
with a margin of one currency, of several, or of a portfolio. A unified account's funds are in `/unified/accounts`, and
`/spot/accounts` and `spot.balances` show wrong amounts of it.

Several currencies and a portfolio may go below zero, which is a loan ("negative balance borrowing ... 0 in other modes
such as single-currency margin mode"). An order borrows only with `auto_borrow`, which arb never sends.
"""

from typing import Any

from arb.errors import VenueAuthError
from arb.market.ids import plain_id
from arb.venues.gate.outcomes import RIGHTS
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import KeyFacts
from arb.venues.kit.fields import Fields
from arb.venues.kit.rules.outcome import VenueReply

VENUE = "gate"
CLASSIC, LEGACY_UNIFIED = "classic", "legacy unified"
_UNIFIED_MODES = {
    "single_currency": "unified, single-currency margin",
    "multi_currency": "unified, multi-currency margin",
    "portfolio": "unified, portfolio margin",
}
_BORROWING = frozenset({LEGACY_UNIFIED, _UNIFIED_MODES["multi_currency"], _UNIFIED_MODES["portfolio"]})
_NORMAL = 1
_OF_THE_ACCOUNT, _LEGACY = 1, 2


class GateAccount:
    """The account of one key; classic until its answers show another mode."""

    def __init__(self, key: str = "") -> None:
        self._key = key
        self.is_unified = False
        self.pairs: frozenset[str] = frozenset()
        """The pairs that the key may trade, by Gate's names; none: all."""

        self.in_orders = "spot"
        """The account named in orders. `spot` is right for a unified account, too ("SPOT Trading"), except a legacy one."""

    def calls(self) -> tuple[Call, ...]:
        return (_read("account", "main_keys"), _read("account", "detail"), _read("unified", "unified_mode"))

    def facts(self, bodies: tuple[Any, ...]) -> KeyFacts:
        """Read the answers to `calls`, and remember the mode and the pairs.

        All keys of the account may be listed, theirs masked; those that cannot be ours do not count. Withdrawal is not among
        the permissions; a writable `wallet` is the nearest to it. A permission's name is a text in the documented example and
        a list in the official models. `main_keys` is refused to the key of a sub-account: then its rights are not reported.

        Raises `VenueAuthError` where the key may not ask whose it is, `VenueProtocolError`.
        """
        keys, detail, unified = bodies
        if isinstance(detail, VenueReply):
            raise _may_not_ask("Account", "whose it is", detail)
        fields = Fields(VENUE, "account detail", detail)
        mode = _mode(fields, unified)
        self.is_unified = mode not in (CLASSIC, None)
        self.in_orders = "unified" if mode == LEGACY_UNIFIED else "spot"
        self.pairs = frozenset(fields.names("currency_pairs"))
        perms, more = self._perms(keys)
        if self.pairs:
            more.append(("pairs", ", ".join(sorted(self.pairs))))
        if fields.has("tier"):
            more.append(("VIP tier", fields.text("tier")))
        writable = {name for perm in perms if perm.raw("read_only") is not True for name in perm.names("name")}
        return KeyFacts(
            can_trade=RIGHTS.can_trade(writable) if perms else None,
            can_withdraw=RIGHTS.can_withdraw(writable) if perms else None,
            ip_bound=bool(fields.rows("ip_whitelist")) if "ip_whitelist" in detail else None,
            account=plain_id(fields.raw("user_id")),
            mode=mode,
            borrows=(f"{mode}: below zero",) if mode in _BORROWING else (),
            more=tuple(more),
        )

    def _perms(self, keys: Any) -> tuple[list[Fields], list[tuple[str, str]]]:
        """Return the permissions of the keys that may be ours, and further facts to show; raises for a locked key."""
        if isinstance(keys, VenueReply):
            return [], [("rights", "not reported, as for the key of a sub-account")]
        rows = keys if isinstance(keys, list) else [keys]
        ours = [
            Fields(VENUE, "key", key) for key in rows if isinstance(key, dict) and self._may_be_ours(key.get("key"))
        ]
        if len(ours) == 1 and ours[0].raw("state") not in (None, _NORMAL):
            raise VenueAuthError(
                VENUE, "the key is locked or frozen (`state`): see the venue's page of keys", code="key_locked"
            )
        return [perm for key in ours for perm in key.objects("perms")], []

    def _may_be_ours(self, masked: Any) -> bool:
        if not isinstance(masked, str) or "*" not in masked:
            return True
        head, tail = masked.split("*")[0], masked.split("*")[-1]
        return self._key.startswith(head) and self._key.endswith(tail)


def _mode(detail: Fields, unified: Any) -> str | None:
    """Return the account's mode, None for one that is not known here; raises where the key may not ask for it."""
    of_key = detail.object("key").raw("mode") if detail.has("key") else None
    if of_key == _LEGACY:
        return LEGACY_UNIFIED
    if of_key not in (None, _OF_THE_ACCOUNT):
        return None
    if not isinstance(unified, VenueReply):
        mode = Fields(VENUE, "unified mode", unified).text("mode")
        return CLASSIC if mode == CLASSIC else _UNIFIED_MODES.get(mode)
    if unified.code in ("USER_NOT_FOUND", "NOT_FOUND"):
        return CLASSIC  # it was never made a unified one, or cannot be in this environment
    raise _may_not_ask("Unified account", "whether the account is a unified one", unified)


def _may_not_ask(permission: str, what: str, refused: VenueReply) -> VenueAuthError:
    text = f"the key may not ask {what} ({refused.code}): give it the permission {permission!r}, for reading only"
    return VenueAuthError(VENUE, text, code="key_unreadable")


def _read(section: str, path: str) -> Call:
    return Call(scope=f"GET {section}/{path}", api=("private", section), method="GET", path=path, params={})
