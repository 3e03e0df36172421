"""What ccxt's error classes prove about an order, for venues that have no table of their own.

Classes lie: an order that met a 500 with an unmapped label is an `ExchangeError`, which looks like a refusal, and a repeated
id is an `InvalidOrder` at Gate. So only classes that ccxt raises before it sends anything, or for refusals that no venue
gives to an order it has taken, count as rejected; all others are unknown. The nearest listed ancestor of a class decides.
"""

import ccxt

from arb.market.order import Outcome
from arb.venues.rules.outcome import Row, Rule, table_of
from arb.venues.rules.retry import Trouble

CCXT_ROWS: tuple[Row, ...] = (
    (
        "BaseError ExchangeError",
        Outcome.UNKNOWN,
        Trouble.REFUSED,
        "also what an unmapped label at any status becomes, a 500 included",
    ),
    (
        "OperationFailed NetworkError",
        Outcome.UNKNOWN,
        Trouble.UNREACHABLE,
        "the connection failed: the request may have arrived",
    ),
    (
        "RequestTimeout",
        Outcome.UNKNOWN,
        Trouble.UNREACHABLE,
        "no answer in time: the order may exist, now or a little later",
    ),
    (
        "ExchangeNotAvailable OnMaintenance",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "a 5xx: the fault may have struck after the order was taken",
    ),
    ("BadResponse NullResponse", Outcome.UNKNOWN, Trouble.FAULT, "an answer that cannot be read proves nothing"),
    (
        "DDoSProtection",
        Outcome.UNKNOWN,
        Trouble.BUSY,
        "an answer of whatever stands before the venue, not of the venue",
    ),
    (
        "RateLimitExceeded",
        Outcome.UNKNOWN,
        Trouble.BUSY,
        "a 429 is a refusal only with the venue's own code, which a class does not show",
    ),
    (
        "InvalidOrder",
        Outcome.UNKNOWN,
        Trouble.REFUSED,
        "repeated client order ids are filed here, too: an earlier request got through",
    ),
    ("DuplicateOrderId", Outcome.UNKNOWN, Trouble.REFUSED, "an earlier request with this id got through"),
    ("CancelPending OrderNotCached", Outcome.UNKNOWN, Trouble.REFUSED, "nothing is said about the order"),
    (
        "ExchangeClosedByUser UnsubscribeError ChecksumError",
        Outcome.UNKNOWN,
        Trouble.UNREACHABLE,
        "concerns a stream: a request under way on it has no answer",
    ),
    ("AuthenticationError", Outcome.REJECTED, Trouble.AUTH, "key or signature is missing or refused at the door"),
    (
        "PermissionDenied AccountNotEnabled AccountSuspended",
        Outcome.REJECTED,
        Trouble.AUTH,
        "the key or the account may not trade",
    ),
    (
        "InvalidNonce",
        Outcome.REJECTED,
        Trouble.CLOCK,
        "late, or clocks apart: refused at the door, though filed under network errors",
    ),
    (
        "ArgumentsRequired NotSupported InvalidProxySettings",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "raised before anything is sent",
    ),
    (
        "BadRequest BadSymbol",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "malformed, or no such symbol: refused before matching",
    ),
    ("InsufficientFunds", Outcome.REJECTED, Trouble.REFUSED, "the balance does not cover it"),
    (
        "InvalidAddress AddressPending",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "concerns withdrawals, which are never made here",
    ),
    (
        (
            "OperationRejected NoChange MarginModeAlreadySet MarketClosed ManualInteractionNeeded "
            "RestrictedLocation ContractUnavailable"
        ),
        Outcome.REJECTED,
        Trouble.REFUSED,
        "understood and refused before matching",
    ),
    (
        "OrderImmediatelyFillable OrderNotFillable",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "may not take, or must fill whole, and could not: ended with nothing filled",
    ),
    (
        "OrderNotFound",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "no such order: for a cancel it may have ended, so its fill is asked for",
    ),
)
CCXT_TABLE = table_of(CCXT_ROWS)
NOT_OURS = Rule("", Outcome.UNKNOWN, Trouble.FAULT, "not an error of ccxt's: nothing is proved")


def judge_error(error: BaseException) -> Rule:
    """Return what an error raised by ccxt while an order was being placed proves; anything else proves nothing."""
    if not isinstance(error, ccxt.BaseError):
        return NOT_OURS
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((CCXT_TABLE[name] for name in names if name in CCXT_TABLE), NOT_OURS)
