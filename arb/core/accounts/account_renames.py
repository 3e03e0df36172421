"""Renamed accounts: state journalled under a former name belongs to the present account.

Earlier versions named an account by its key; this one does where the venue reports no account id. Once it does, or the key is
changed, the same account has another name (`arb.market.ids`). Every former name is journalled for good with the present one: a
pair may be open under any of them. The journal is not rewritten; only the state that a start recovers is renamed.
"""

from collections.abc import Iterable, Mapping

import msgspec

from arb.core.accounts.restart import Restored, has_vanished
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.records import FillRecord, OrderRecord
from arb.core.messages.recovery_records import (
    AgreedAccount,
    AgreedRecord,
    ControlRecord,
    FormerAccountsRecord,
    OpenPair,
    Residual,
    ResidualsRecord,
    StoppedAsset,
)
from arb.core.state.engine_state import EngineState
from arb.market.ids import sandbox_of


def present_names(journalled: Mapping[str, str], reported: Mapping[str, str]) -> dict[str, str]:
    """Return each former name with the present one, from the journalled names and the venues' present reports.

    Present reports take precedence. A chain of former names leads to the last one; no name leads to itself.
    """
    known = {**journalled, **reported}
    for present in reported.values():
        known.pop(present, None)
    return {name: last for name in known if (last := _last(name, known)) != name}


def with_present_accounts(restored: Restored, former: Mapping[str, str]) -> Restored:
    """Return the same with every account under its present name; `former` maps former names to it (`present_names`)."""
    if not former:
        return restored
    return msgspec.structs.replace(
        restored,
        control=None if restored.control is None else _control(restored.control, former),
        pairs=tuple(pair_with_present_accounts(pair, former) for pair in restored.pairs),
        residuals=None if restored.residuals is None else _residuals(restored.residuals, former),
        agreed=None if restored.agreed is None else _agreed(restored.agreed, former),
        recent=tuple(pair_with_present_accounts(pair, former) for pair in restored.recent),
        foreign_orders=_orders(restored.foreign_orders, former),
        foreign_fills=_fills(restored.foreign_fills, former),
    )


def journal_renames(state: EngineState, restored: Restored, reported: Mapping[str, str], now_ns: int) -> None:
    """Journal the former names that are new, or lead to another name than before, each with an incident.

    No incident for accounts of sandboxes, which are new with most runs; their names are dropped once their sandbox is gone.
    """
    known = restored.former_accounts
    fresh = {name: present for name, present in sorted(reported.items()) if known.get(name) != present}
    if not fresh:
        return
    kept = {**known, **reported}.items()
    state.out.persist(
        FormerAccountsRecord(present={name: last for name, last in kept if not has_vanished(state, last)})
    )
    for name, present in fresh.items():
        if sandbox_of(present) is None:
            text = f"account {present} was called {name} before: rows under both names belong to it"
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
        record,
        stopped=tuple({(one.account_id, one.asset): one for one in stopped}.values()),
        expiry_proved=_names(record.expiry_proved, former),
        barred=tuple(
            msgspec.structs.replace(held, account_id=former.get(held.account_id, held.account_id))
            for held in record.barred
        ),
    )


def pair_with_present_accounts(pair: OpenPair, former: Mapping[str, str]) -> OpenPair:
    return msgspec.structs.replace(pair, orders=_orders(pair.orders, former), fills=_fills(pair.fills, former))


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
        dust=tuple(_residual(held, former) for held in record.dust),
        carried=tuple(_residual(held, former) for held in record.carried),
    )


def _residual(held: Residual, former: Mapping[str, str]) -> Residual:
    return msgspec.structs.replace(held, account_ids=_names(held.account_ids, former))


def _names(account_ids: Iterable[str], former: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(former.get(name, name) for name in account_ids))


def _agreed(record: AgreedRecord, former: Mapping[str, str]) -> AgreedRecord:
    """Keep the later of two agreements on one account: the earlier one lacks the changes since."""
    latest: dict[str, AgreedAccount] = {}
    for reported in record.accounts:
        name = former.get(reported.account_id, reported.account_id)
        if name not in latest or latest[name].ns < reported.ns:
            latest[name] = AgreedAccount(name, reported.ns, reported.totals)
    return AgreedRecord(accounts=tuple(agreed for _, agreed in sorted(latest.items())))
