"""From judged answers to the events they mean, for one order or cancel."""

from collections.abc import Mapping

from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import CancelAnswered, OrderAccepted, OrderRejected, OutcomeUnknown
from arb.errors import VenueProtocolError
from arb.market.order import OrderReport, Outcome
from arb.venues.kit.base import PlaceAnswer
from arb.venues.kit.dialect import TradeDialect
from arb.venues.kit.rules.outcome import VenueReply, Verdict
from arb.venues.kit.rules.pacing import FILL_RATIO_STOP_S
from arb.venues.transport.http import HttpAnswer


def answered(dialect: TradeDialect, command: PlaceOrder, answer: HttpAnswer, verdict: Verdict) -> PlaceAnswer:
    """Return the event of a judged answer to an order; one that names another order keeps the outcome unknown."""
    venue = dialect.venue
    if verdict.outcome is Outcome.REJECTED:
        return OrderRejected(
            venue=venue,
            client_order_id=command.client_order_id,
            code=verdict.code,
            message=verdict.message,
            sent_ns=answer.sent_ns,
            acked_ns=answer.received_ns,
            retry_after_s=verdict.retry_after_s,
            entries_stop_s=FILL_RATIO_STOP_S if verdict.low_fill_ratio else None,
            short_of_funds=verdict.short_of_funds,
            off_steps=verdict.off_steps,
            bars=verdict.bars,
        )
    if verdict.outcome is Outcome.UNKNOWN:
        cause = f"{verdict.code} {verdict.message}".strip()
        return unknown(venue, command, answer.sent_ns, cause, answer.status, refused=verdict.unlisted)
    try:
        report = _checked(venue, command, dialect.placed(command, verdict.body))
    except VenueProtocolError as error:
        return unknown(venue, command, answer.sent_ns, str(error))
    return OrderAccepted(
        venue=venue,
        client_order_id=command.client_order_id,
        report=report,
        sent_ns=answer.sent_ns,
        acked_ns=answer.received_ns,
    )


def _checked(venue: str, command: PlaceOrder, report: OrderReport) -> OrderReport:
    same = (report.symbol, report.side, report.size) == (command.symbol, command.side, command.size)
    if not same or report.client_order_id != command.client_order_id:
        text = (
            f"placed {command.side} {command.size} {command.symbol} {command.client_order_id}, answered with {report}"
        )
        raise VenueProtocolError(venue, text)
    return report


def not_sent(venue: str, command: PlaceOrder, code: str, message: str) -> OrderRejected:
    return OrderRejected(
        venue=venue,
        client_order_id=command.client_order_id,
        code=code,
        message=message,
        sent_ns=0,
        acked_ns=0,
    )


def unknown(
    venue: str, command: PlaceOrder, sent_ns: int, cause: str, status: int | None = None, *, refused: bool = False
) -> OutcomeUnknown:
    return OutcomeUnknown(
        venue=venue,
        client_order_id=command.client_order_id,
        cause=cause,
        sent_ns=sent_ns,
        status=status,
        refused=refused,
    )


def cancel_answer(venue: str, command: CancelOrder, outcome: Outcome, code: str | None) -> CancelAnswered:
    return CancelAnswered(venue=venue, client_order_id=command.client_order_id, outcome=outcome, code=code)


def named(reported: Mapping[str, VenueReply], command: CancelOrder) -> VenueReply | None:
    """Return the reply about the order of a cancel, by the venue's number for it or by our name; None when there is none."""
    by_number = reported.get(command.venue_order_id) if command.venue_order_id is not None else None
    return by_number if by_number is not None else reported.get(command.client_order_id)
