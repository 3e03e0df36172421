"""What happened, in the past tense: only events change the decision plane.

Every event is frozen and carries `seq` and `t_ns`. `seq` is its place in the one sequence shared with the frames. `t_ns` is
the instant at which it entered the queue (nanoseconds UTC, our clock). The runner stamps both; the maker of an event sets them
to 0.

Journals and tapes hold an event under its `tag` and its fields under their names. A class may be renamed and keeps its tag; a
field may be renamed and keeps its name on disk by `msgspec.field(name=...)`; see docs/decisions/0002-frozen-names-on-disk.md.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

import msgspec

from arb.core.messages.records import AcknowledgementRecord
from arb.core.messages.recovery_records import OpenPair
from arb.core.messages.settings import Limits
from arb.market.fill import Fill
from arb.market.instrument import Instrument
from arb.market.order import OrderReport, Outcome
from arb.market.wallets import CurrencyChain


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all events; it has no tag, so that each must be given its own."""

    seq: int = 0
    t_ns: int = 0


class RunStarted(Event, frozen=True, kw_only=True, tag="RunStarted"):
    """A process began; `nonce` is the 48 random bits in its client order ids.

    `account_ids` by venue; `former_account_ids`: all former names of accounts, each with its present name. `absent`: the
    venues that did not answer, each with the cause; their accounts have the name known without them.
    """

    run_id: int
    nonce: int
    mode: str
    sandbox_id: str | None
    account_ids: dict[str, str]
    seed: int | None
    version: str
    former_account_ids: dict[str, str] = {}
    absent: dict[str, str] = {}


class VenueArrived(Event, frozen=True, kw_only=True, tag="VenueArrived"):
    """A venue that was absent at the start answers: its data is now as complete as that of the others since the start.

    `instruments`: those traded there; `connections`: the books that each public connection carries (native symbols).
    """

    venue: str
    account_id: str
    former_account_ids: dict[str, str]
    instruments: tuple[Instrument, ...]
    connections: dict[str, tuple[str, ...]]


class VenueExamined(Event, frozen=True, kw_only=True, tag="VenueExamined"):
    """A venue and the account there were examined before or during a start; `failed`: why nothing opens there, None: no
    objection. Repairs continue in either case."""

    venue: str
    failed: str | None


class QueueDrained(Event, frozen=True, kw_only=True, tag="QueueDrained", omit_defaults=True):
    """All received data has been taken: the marked symbols may be acted on, except for books of the connections named.

    `unread`: connections with unread bytes now. `backlogged`: those with unread bytes for so long without a break that they
    are waited for no longer.
    """

    unread: tuple[str, ...] = ()
    backlogged: tuple[str, ...] = ()


# A venue's first connection is implied: its text on disk is the same as before there could be several.
class FeedUp(Event, frozen=True, kw_only=True, tag="FeedUp", omit_defaults=True):
    """A public connection is up; its books wait for their snapshots. `connection`: its name, "" for the venue's first."""

    venue: str
    connection: str = ""

    @property
    def origin(self) -> str:
        return self.connection or self.venue


class FeedDown(Event, frozen=True, kw_only=True, tag="FeedDown", omit_defaults=True):
    """A public connection is lost; none of its books may be used. `connection`: which, "" being the venue's first."""

    venue: str
    cause: str
    connection: str = ""

    @property
    def origin(self) -> str:
        return self.connection or self.venue


class PrivateUp(Event, frozen=True, kw_only=True, tag="PrivateUp"):
    venue: str


class PrivateDown(Event, frozen=True, kw_only=True, tag="PrivateDown"):
    """A venue's private stream is lost; fills may have been missed until it is up and asked."""

    venue: str
    cause: str


class ClockMeasured(Event, frozen=True, kw_only=True, tag="ClockMeasured"):
    """A venue's clock was compared: venue time = ours + `offset_ns`, known to within +- `error_ns` (half the round trip)."""

    venue: str
    offset_ns: int
    error_ns: int


class ClockSuspected(Event, frozen=True, kw_only=True, tag="ClockDoubted"):
    """A venue called a request of ours out of time, or its offset was found wrong: its clock must be measured again."""

    venue: str


class ClockAnchored(Event, frozen=True, kw_only=True, tag="ClockAnchored"):
    """Our clock was compared with the time that the venues agree on, and moved by `shifted_ns`, forward while a run lasts.

    Their time is ours + `left_ns` now; beyond a second only where ours is ahead, for it never moves back. `text` describes all
    of it.
    """

    shifted_ns: int
    left_ns: int
    text: str


class ExpiryProved(Event, frozen=True, kw_only=True, tag="ExpiryProved"):
    """The venue refused an expired order of this account: its documented expiry holds.

    Unless it `holds`, the venue documents none for an account of this kind: earlier observations no longer count.
    """

    venue: str
    holds: bool = True


class InstrumentListed(Event, frozen=True, kw_only=True, tag="InstrumentListed"):
    instrument: Instrument


class InstrumentUnlisted(Event, frozen=True, kw_only=True, tag="InstrumentUnlisted"):
    """The venue's listing was read, and a symbol that it held before is not in it, or not in a form that can be read."""

    venue: str
    symbol: str


class VenueListed(Event, frozen=True, kw_only=True, tag="VenueListed"):
    """The rules and fees of all that is traded at a venue were read at the start; in older journals, one event for each."""

    venue: str
    instruments: tuple[Instrument, ...]


class CurrenciesListed(Event, frozen=True, kw_only=True, tag="CurrenciesListed"):
    """A venue's currency list was read for `assets`; it replaces all that it listed of them before."""

    venue: str
    assets: tuple[str, ...]
    chains: tuple[CurrencyChain, ...]

    def by_asset(self) -> dict[str, list[CurrencyChain]]:
        found: dict[str, list[CurrencyChain]] = {asset: [] for asset in self.assets}
        for chain in self.chains:
            found[chain.asset].append(chain)
        return found


class AssetBalance(msgspec.Struct, frozen=True):
    free: Decimal
    locked: Decimal


class SymbolsChosen(Event, frozen=True, kw_only=True, tag="SymbolsChosen"):
    """The traded symbols were chosen again during the run.

    `instruments`: the books to add, with the rules and fees read for them; `connections`: the books that each public
    connection carries of them (native symbols). `dropped`: the traded symbols that are no longer chosen.
    """

    instruments: tuple[Instrument, ...]
    connections: dict[str, tuple[str, ...]]
    dropped: tuple[str, ...]


class BalancesReported(Event, frozen=True, kw_only=True, tag="BalancesReported"):
    """A venue reported balances. `complete`: assets not named are zero. `asked_ns`: when the request left (0: pushed)."""

    venue: str
    balances: dict[str, AssetBalance]
    complete: bool
    asked_ns: int


class OrderAccepted(Event, frozen=True, kw_only=True, tag="OrderAccepted"):
    """The venue took the order; `report` is its answer's content on the order, if any. IOC answers may already be final."""

    venue: str
    client_order_id: str
    report: OrderReport | None
    sent_ns: int
    acked_ns: int


NOT_SENT = "not_sent"
"""The code of an order that never left because no connection took it."""
NOT_JOURNALLED = "not_journalled"
"""The code of an order that never left because the journal could not take it."""


class OrderRejected(Event, frozen=True, kw_only=True, tag="OrderRejected"):
    """The order certainly does not exist: refused by the venue's own rule (`code`), or never sent (`sent_ns` 0).

    `retry_after_s`: no request should be sent before. `entries_stop_s`: for this long the venue takes repairs but punishes
    entries. `short_of_funds`: the venue reports that the balance does not cover the order. `off_steps`: the price or the size
    is not on its steps, so its rules have changed since they were read. `bars`: the account may not trade the instrument,
    for any order.
    """

    venue: str
    client_order_id: str
    code: str
    message: str
    sent_ns: int
    acked_ns: int
    retry_after_s: float | None = None
    entries_stop_s: float | None = None
    short_of_funds: bool = False
    off_steps: bool = False
    bars: bool = False


class OutcomeUnknown(Event, frozen=True, kw_only=True, tag="OutcomeUnknown"):
    """The order was sent and no certain answer arrived: it may exist, now or a little later.

    `status` is the HTTP status of an answer that proved nothing. `refused`: a refusal by a code that the venue's table of
    outcomes does not know.
    """

    venue: str
    client_order_id: str
    cause: str
    sent_ns: int
    status: int | None = None
    refused: bool = False


class OrderUpdated(Event, frozen=True, kw_only=True, tag="OrderUpdated"):
    report: OrderReport


class OrderFilled(Event, frozen=True, kw_only=True, tag="OrderFilled"):
    """The private stream reported a fill, ours or foreign; the same fill may be reported again."""

    fill: Fill


class OrderQueried(Event, frozen=True, kw_only=True, tag="OrderLooked"):
    """An order query was answered from the open orders, the finished orders and the fills.

    `complete`: every page from `since_ns` on was read without error, so that finding nothing means something. `listed`: our
    client order ids in the lists of orders; None where they were not read. `out_of_reach`: the order's fills are older than
    any list that the venue gives; only the report is left.
    """

    venue: str
    symbol: str
    client_order_id: str
    attempt: int = msgspec.field(name="look")
    complete: bool
    report: OrderReport | None
    fills: tuple[Fill, ...]
    started_ns: int
    cause: str | None = None
    listed: tuple[str, ...] | None = None
    out_of_reach: bool = False


class Transfer(msgspec.Struct, frozen=True):
    """A change of a balance that is no trade, by its bill: a deposit, a transfer between own accounts, interest; fees included.

    `transfer_id`: the bill's id. `event_ns`: the venue's own instant. `kind`: the venue's word; "" in older journals, which
    hold deposits and withdrawals.
    """

    transfer_id: str
    asset: str
    amount: Decimal
    event_ns: int
    kind: str = ""


class AccountSnapshotTaken(Event, frozen=True, kw_only=True, tag="AccountSurveyed"):
    """Everything of an account since some instant was read; `started_ns` is when the first request left (our clock).

    `complete`: every page of orders and fills was read. `transfers_complete`: the same for bills, which a key may not be
    allowed to read. `more`: this is one part, and the next follows at once (`parts_of`).
    """

    venue: str
    complete: bool
    orders: tuple[OrderReport, ...]
    fills: tuple[Fill, ...]
    transfers: tuple[Transfer, ...]
    transfers_complete: bool
    started_ns: int
    cause: str | None = None
    more: bool = False

    @classmethod
    def unread(
        cls, venue: str, started_ns: int, cause: str | None = None, *, more: bool = False
    ) -> "AccountSnapshotTaken":
        return cls(
            venue=venue,
            complete=False,
            orders=(),
            fills=(),
            transfers=(),
            transfers_complete=False,
            started_ns=started_ns,
            cause=cause,
            more=more,
        )


SNAPSHOT_PART = 300
"""The most orders or fills in one event: each may lead to several rows, and the journal takes 4095 rows at a time."""


def parts_of(event: AccountSnapshotTaken) -> Iterator[AccountSnapshotTaken]:
    """Yield an account snapshot in parts that the journal takes: orders, then fills; the last holds the outcome."""
    part = AccountSnapshotTaken.unread(event.venue, event.started_ns, more=True)
    orders, fills = event.orders, event.fills
    while len(orders) + len(fills) > SNAPSHOT_PART:
        if orders:
            yield msgspec.structs.replace(part, orders=orders[:SNAPSHOT_PART])
            orders = orders[SNAPSHOT_PART:]
        else:
            yield msgspec.structs.replace(part, fills=fills[:SNAPSHOT_PART])
            fills = fills[SNAPSHOT_PART:]
    yield msgspec.structs.replace(event, orders=orders, fills=fills)


class OrdersRecalled(Event, frozen=True, kw_only=True, tag="OrdersRecalled"):
    """The journal was searched for orders with our prefix, as `RecallOrders` asked.

    `pairs`: those they belong to, by their own names or by the number of a pair in them. `lost`: the client order ids that
    follow the last one that the journal has of their process: a power cut may have taken them from it. `strangers`: those of
    processes that never wrote into this journal.
    """

    venue: str
    orders: tuple[tuple[str, str | None], ...]
    pairs: tuple[OpenPair, ...]
    lost: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()


class CancelAnswered(Event, frozen=True, kw_only=True, tag="CancelAnswered"):
    """A cancel was answered. The order's cumulative fill must still be queried, with any outcome."""

    venue: str
    client_order_id: str
    outcome: Outcome
    code: str | None


class TimerFired(Event, frozen=True, kw_only=True, tag="TimerFired"):
    timer: str


class StoreStateChanged(Event, frozen=True, kw_only=True, tag="StoreStateChanged"):
    """The ledger or the journal stopped (or resumed) taking rows: while blocked no new pair may open."""

    store: Literal["ledger", "journal"]
    blocked: bool
    cause: str


class TroubleReported(Event, frozen=True, kw_only=True, tag="TroubleReported"):
    """The shell met an event that a person should know of; `executor_error` is our own bug and halts trading.

    `venue`: the venue that did not answer, where it is one's fault.
    """

    kind: str
    text: str
    venue: str | None = None


class Request(Event, frozen=True, kw_only=True):
    """A person's request, with the `reason`, and `by` whom: a user of this machine, "" in older journals."""

    reason: str
    by: str = ""

    @property
    def text(self) -> str:
        return f"{self.reason} (by {self.by})" if self.by else self.reason


class HaltAsked(Request, frozen=True, kw_only=True, tag="HaltAsked"):
    pass


class ResumeAsked(Request, frozen=True, kw_only=True, tag="ResumeAsked"):
    """The user allows new pairs again.

    `allow_loss`: the loss allowed from now until the UTC day ends, in quote, > 0; None does not change the day's limit.
    """

    allow_loss: Decimal | None = None


class FlattenAsked(Request, frozen=True, kw_only=True, tag="FlattenAsked"):
    pass


class LimitsChanged(Event, frozen=True, kw_only=True, tag="LimitsChanged"):
    """The settings were read again, `by` whose request: these limits hold from now on.

    `changes`: each setting that changed, with its value before and now, for people.
    """

    limits: Limits
    changes: tuple[str, ...]
    by: str


class AlertAcknowledged(Event, frozen=True, kw_only=True, tag="AlertAcknowledged"):
    """A person has acknowledged the alert `alert_id`, up to its incident `seen_id`; `by` whom and for what `reason`."""

    alert_id: int
    seen_id: int
    by: str
    reason: str

    def record(self) -> AcknowledgementRecord:
        return AcknowledgementRecord(
            id=self.alert_id, seen_id=self.seen_id, ns=self.t_ns, by=self.by, reason=self.reason
        )


class ShutdownAsked(Event, frozen=True, kw_only=True, tag="ShutdownAsked"):
    """The process is to end: open nothing, finish open pairs until `deadline_ns`. `by`: a signal, "" for none, or not known."""

    deadline_ns: int
    by: str = ""


class RunEnded(Event, frozen=True, kw_only=True, tag="RunEnded"):
    exit_code: int
    fatal: str | None = None


AnyEvent = (
    RunStarted
    | VenueArrived
    | VenueExamined
    | QueueDrained
    | FeedUp
    | FeedDown
    | PrivateUp
    | PrivateDown
    | ClockMeasured
    | ClockSuspected
    | ClockAnchored
    | ExpiryProved
    | InstrumentListed
    | InstrumentUnlisted
    | VenueListed
    | CurrenciesListed
    | SymbolsChosen
    | BalancesReported
    | OrderAccepted
    | OrderRejected
    | OutcomeUnknown
    | OrderUpdated
    | OrderFilled
    | OrderQueried
    | AccountSnapshotTaken
    | OrdersRecalled
    | CancelAnswered
    | TimerFired
    | StoreStateChanged
    | TroubleReported
    | HaltAsked
    | ResumeAsked
    | FlattenAsked
    | LimitsChanged
    | AlertAcknowledged
    | ShutdownAsked
    | RunEnded
)
