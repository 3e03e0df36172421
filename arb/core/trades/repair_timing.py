"""When the next repair of a pair may leave: its deadline, the pauses after failed repairs, the wait for account snapshots.

A failed repair is not repeated at once: its cause most likely persists, and each try spends rate budget. After a refusal for
lack of funds, or one that bars the instrument, another venue is tried at once. A recovered pair waits for snapshots of the
accounts that may hold a repair which the journal lost: a second one would double it.
"""

from arb.clock import NS_PER_MS
from arb.core.messages.events import NOT_JOURNALLED
from arb.core.messages.records import PairKind, PairState
from arb.core.state.blocks import Source
from arb.core.state.engine_state import EngineState
from arb.core.trades.trade import PairTrade
from arb.market.order import Outcome

RETRY_MS = 50
HALTED_RETRY_MS = 500
# A repair that the journal could not take did not leave, yet its rows are written once the journal can: tries are few.
NOT_JOURNALLED_RETRY_MS = 500
# A halted pair's exit that keeps failing is tried ever less often, so that a venue that is down for a day is not
# flooded. The pause doubles after each such number of tries, up to half a minute. The exit of a flatten, or of a drill,
# does so from the halted pause as well, after the first such number of failures.
TRIES_PER_PAUSE = 16
PAUSE_DOUBLINGS_MAX = 6
# A venue is tried after the others when this many repairs in a row did not leave for it.
UNSENT_BEFORE_OTHERS = 2
PASSED_OVER_MS = 2000


def deadline_ns(pair: PairTrade, times: int = 1) -> int:
    """Return when an unhedged pair has been so for `times` times its deadline, counted from its first uneven fill."""
    return (pair.unhedged_since_ns or 0) + times * pair.trade.policy.deadline_ms * NS_PER_MS


def half_time_over(pair: PairTrade, now_ns: int) -> bool:
    return pair.unhedged_since_ns is not None and now_ns >= pair.unhedged_since_ns + _half_ns(pair)


def ready_ns(state: EngineState, pair: PairTrade, now_ns: int) -> int:
    """Return when the next repair may be tried; an instant in the past: now."""
    after_pause_ns = _paused_until_ns(pair)
    if _short_of_funds(pair) or _barred_since(state, pair):
        after_pause_ns = 0  # another venue may have the funds or the instrument
    if _not_journalled(pair) and state.blocks.get(Source.JOURNAL) is None:
        after_pause_ns = 0  # the journal refused the last one and takes rows again
    return max(after_pause_ns, snapshots_awaited_until_ns(state, pair, now_ns))


def only_elsewhere(pair: PairTrade, now_ns: int) -> bool:
    """Return whether venues that are `passed_over` must not be tried now: one has just refused for lack of funds."""
    return _short_of_funds(pair) and now_ns < _paused_until_ns(pair)


def pause_ms(pair: PairTrade) -> int:
    doublings = min(_failed_in_a_row(pair) // TRIES_PER_PAUSE, PAUSE_DOUBLINGS_MAX)
    if pair.state is PairState.HALTED or (pair.kind in (PairKind.FLATTEN, PairKind.TEST) and doublings):
        return HALTED_RETRY_MS << doublings
    return NOT_JOURNALLED_RETRY_MS if _not_journalled(pair) else RETRY_MS


def snapshots_awaited_until_ns(state: EngineState, pair: PairTrade, now_ns: int) -> int:
    """Return until when repairs of a pair wait for missing account snapshots; 0 without such a wait.

    The venues where the pair has traded, or was meant to, are awaited until `pair.await_snapshots_until_ns`, and no longer if
    they did not answer at the start: that may take hours. Others that list the symbol are awaited for half of the deadline: a
    lost repair is unlikely to be there. No repair is sent to a venue before its snapshot.
    """
    own = pair.involved
    missing = venues_without_snapshot(state, pair, now_ns)
    if not missing and (own.isdisjoint(state.absent) or now_ns >= pair.await_snapshots_until_ns):
        return 0
    if not own.isdisjoint(missing):
        return pair.await_snapshots_until_ns
    return min(pair.await_snapshots_until_ns, (pair.unhedged_since_ns or now_ns) + _half_ns(pair))


def venues_without_snapshot(state: EngineState, pair: PairTrade, now_ns: int) -> list[str]:
    """Return the venues that may hold an order of a recovered pair which the journal lost; none after the wait for them."""
    if now_ns >= pair.await_snapshots_until_ns:
        return []
    return [venue for venue in state.venues_of(pair.plan.symbol) if not state.venues[venue].snapshot_taken]


def passed_over(pair: PairTrade, venue: str, now_ns: int) -> bool:
    """Return whether other venues are tried before this one, because of the pair's repairs there within the last 2 s.

    The last was refused for lack of funds, or the last two did not leave (connection refused, no rate budget).
    """
    since_ns = now_ns - PASSED_OVER_MS * NS_PER_MS
    last = [order for order in pair.repairs() if order.venue == venue and (order.done_ns or now_ns) >= since_ns]
    last = last[-UNSENT_BEFORE_OTHERS:]
    if last and last[-1].short_of_funds:
        return True
    return len(last) == UNSENT_BEFORE_OTHERS and all(
        order.outcome is Outcome.REJECTED and order.sent_ns is None and order.reject_code != NOT_JOURNALLED
        for order in last
    )


def _half_ns(pair: PairTrade) -> int:
    return pair.trade.policy.deadline_ms * NS_PER_MS // 2


def _failed_in_a_row(pair: PairTrade) -> int:
    repairs = pair.repairs()
    return next((count for count, order in enumerate(reversed(repairs)) if order.filled), len(repairs))


def _paused_until_ns(pair: PairTrade) -> int:
    """Return when the pause after the last repair ends if that filled nothing, else an instant in the past."""
    failed_ns = (pair.repairs()[-1].done_ns or 0) if _failed_in_a_row(pair) else 0
    return failed_ns + pause_ms(pair) * NS_PER_MS


def _short_of_funds(pair: PairTrade) -> bool:
    repairs = pair.repairs()
    return bool(repairs) and repairs[-1].short_of_funds


def _barred_since(state: EngineState, pair: PairTrade) -> bool:
    """Return whether the venue of the last repair has barred the instrument, so that the next one uses another venue."""
    repairs = pair.repairs()
    return bool(repairs) and state.is_barred(repairs[-1].venue, pair.plan.symbol)


def _not_journalled(pair: PairTrade) -> bool:
    repairs = pair.repairs()
    return bool(repairs) and repairs[-1].reject_code == NOT_JOURNALLED
