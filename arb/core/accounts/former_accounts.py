"""Accounts that were called otherwise before: what was written under a former name is taken for the present account's.

Earlier versions called an account by its key, and so does this one where the venue tells no id. Once the venue does, or the
key is changed, the same account has another name (`arb.market.account`). Every former name is journalled with the present
one for ever: a pair may be left open under any of them. Nothing in the journal is rewritten; what a start takes up is.
"""

from collections.abc import Iterable, Mapping

import msgspec

from arb.core.accounts.restart import OpenPair, Restored, has_vanished
from arb.core.incidents import IncidentKind, Severity
from arb.core.records import (
    AgreedAccount,
    AgreedRecord,
    ControlRecord,
    FillRecord,
    FormerAccountsRecord,
    OrderRecord,
    Residual,
    ResidualsRecord,
    StoppedAsset,
)
from arb.core.state import EngineState
from arb.market.account import sandbox_of


def settled(remembered: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    """Return each former name with the present one, out of what was journalled and what the venues tell now.

    What is told now counts for more. A name that led to another one, which has itself become a former one, leads on to the
    last; a name never leads to itself.
    """
    known = {**remembered, **told}
    for present in told.values():
        known.pop(present, None)
    return {name: last for name in known if (last := _last(name, known)) != name}


def with_present_accounts(restored: Restored, former: Mapping[str, str]) -> Restored:
    """Return the same with every account called by its present name; `former` gives it for each former one (`settled`)."""
    if not former:
        return restored
    return msgspec.structs.replace(
        restored,
        control=None if restored.control is None else _control(restored.control, former),
        pairs=tuple(_pair(left, former) for left in restored.pairs),
        residuals=None if restored.residuals is None else _residuals(restored.residuals, former),
        agreed=None if restored.agreed is None else _agreed(restored.agreed, former),
        recent=tuple(_pair(closed, former) for closed in restored.recent),
        foreign_orders=_orders(restored.foreign_orders, former),
        foreign_fills=_fills(restored.foreign_fills, former),
    )


def keep_former(state: EngineState, restored: Restored, told: Mapping[str, str], now_ns: int) -> None:
    """Journal the former names that the journal did not know, or knew otherwise, and tell whoever reads the ledger.

    Accounts of sandboxes, of which there is a new one with most runs, are not told; and forgotten once their sandbox is gone.
    """
    known = restored.former_accounts
    fresh = {name: present for name, present in sorted(told.items()) if known.get(name) != present}
    if not fresh:
        return
    kept = {**known, **told}.items()
    state.out.persist(
        FormerAccountsRecord(present={name: last for name, last in kept if not has_vanished(state, last)})
    )
    for name, present in fresh.items():
        if sandbox_of(present) is None:
            text = f"account {present} was called {name} before: rows under both names are one account's"
            state.incident(IncidentKind.ACCOUNT_RENAMED, text, now_ns, severity=Severity.INFO)


def _last(name: str, known: Mapping[str, str]) -> str:
    seen = {name}
    while (following := known.get(name)) is not None and following not in seen:
        seen.add(following)
        name = following
    return name


def _control(record: ControlRecord, former: Mapping[str, str]) -> ControlRecord:
    stopped = (
        StoppedAsset(former.get(held.account_id, held.account_id), held.asset, held.text) for held in record.stopped
    )
    return msgspec.structs.replace(
        record, stopped=tuple({(one.account_id, one.asset): one for one in stopped}.values())
    )


def _pair(left: OpenPair, former: Mapping[str, str]) -> OpenPair:
    return msgspec.structs.replace(left, orders=_orders(left.orders, former), fills=_fills(left.fills, former))


def _orders(orders: Iterable[OrderRecord], former: Mapping[str, str]) -> tuple[OrderRecord, ...]:
    return tuple(
        msgspec.structs.replace(order, account_id=former[order.account_id]) if order.account_id in former else order
        for order in orders
    )


def _fills(fills: Iterable[FillRecord], former: Mapping[str, str]) -> tuple[FillRecord, ...]:
    return tuple(
        msgspec.structs.replace(fill, account_id=former[fill.account_id]) if fill.account_id in former else fill
        for fill in fills
    )


def _residuals(record: ResidualsRecord, former: Mapping[str, str]) -> ResidualsRecord:
    return ResidualsRecord(
        account_ids=_names(record.account_ids, former),
        dust=tuple(_pooled(held, former) for held in record.dust),
        carried=tuple(_pooled(held, former) for held in record.carried),
    )


def _pooled(held: Residual, former: Mapping[str, str]) -> Residual:
    return msgspec.structs.replace(held, account_ids=_names(held.account_ids, former))


def _names(account_ids: Iterable[str], former: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(former.get(name, name) for name in account_ids))


def _agreed(record: AgreedRecord, former: Mapping[str, str]) -> AgreedRecord:
    """Keep the later of two agreements on what is one account: the earlier one lacks what happened since."""
    latest: dict[str, AgreedAccount] = {}
    for told in record.accounts:
        name = former.get(told.account_id, told.account_id)
        if name not in latest or latest[name].ns < told.ns:
            latest[name] = AgreedAccount(name, told.ns, told.totals)
    return AgreedRecord(accounts=tuple(agreed for _, agreed in sorted(latest.items())))
