"""The page OUTCOMES.md of the site, made from the outcome tables of the venues. `make docs` runs this."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from arb.market.order import Outcome
from arb.venues.kit.rules.outcome import Rule
from arb.venues.registry import SPECS

_HEAD = """\
# Outcomes of orders

Made by `make docs` from the outcome tables in `arb/venues/`.

Every order and every cancel has one of three outcomes. *Accepted*: the venue took it. *Rejected*: it certainly does not
exist, or ended with nothing filled. *Unknown*: it may exist, now or later. Its symbol is frozen at that venue until it is
found or its absence is proved. Nothing is ever sent twice. A wrong "rejected" doubles an order, a wrong "unknown" costs a
query, so every unlisted code is unknown.

## By the fate of the request

| event | outcome | why |
|---|---|---|
| never signed: our guard refused it, or it could not be signed | rejected | nothing was sent |
| no rate slot, expired before sending, the other leg could not be sent | rejected | nothing was sent |
| no connection could be made | rejected | not a byte of the request can have been sent |
| connection lost, no answer in time, answer too large | unknown | the request may have arrived |
| stopped while waiting for the answer | unknown | the request may have arrived |
| answer that names another order, symbol, side or size | unknown | it is no proof about our order |

## Over an order socket

With `order_entry = "websocket"` the same tables judge. Gate's result frame carries status, label and message as REST does,
OKX's the same envelope. These cases differ:

| event | outcome | why |
|---|---|---|
| the socket is down before the frame is passed on | sent over REST | not a byte can have been sent |
| Gate's first answer, `ack: true` | none yet | a receipt of the frame, no outcome of the order |
| the result, with or without a first answer, before or after a fill | by status and code | see the tables |
| a second result, or one with an unknown id | ignored | an answer counts once, by the exact id of its request |
| no result in time, though the frame was received | unknown | a receipt proves nothing more |
| the connection ends, or a frame cannot be read | unknown, for all open requests | nothing is sent again over the next one |
| `event: error` of OKX, which names no request | unknown, for all open requests | it may be about any of them |
| status 401 of Gate | rejected | not logged in; the connection is renewed |

Gate checks an order's expiry when its websocket receives the frame, and not again. So an order without outcome on that socket
is presumed absent, never proved so by its expiry.

## Cancels in a batch

Several cancels of one decision are one request (Gate, OKX and Bitget). Each has its outcome.

| the answer | outcome of one cancel | why |
|---|---|---|
| success in the order's own row | accepted | the venue reports it |
| a code in the order's own row | by the code | HTTP 200 and an outer success do not count |
| no row names the order; the whole succeeded or is unclear | unknown | the answer does not mention it |
| no row names the order; the whole was refused | rejected, by the code | nothing of it was executed |
| no answer, 5xx, unreadable | unknown, for all | the request may have arrived |

## By HTTP status

The status is read together with the body. "Readable" is a body in the venue's own form.

| status | body | outcome | why |
|---|---|---|---|
| 2xx | readable success that names the order | accepted | the venue reports it |
| 2xx | readable error code (OKX, Bitget and Bybit) | by the code | see the venue's table |
| 2xx | unreadable, empty, cut, HTML | unknown | nothing is proved |
| 3xx | any | unknown | never followed: a redirect would carry key and signature to a foreign host |
| 4xx | readable error code | by the code | see the venue's table |
| 4xx | unreadable | unknown | an answer of a proxy, not of the venue |
| 418, 429 | with the venue's own code for it | by the code: rejected | limited before it was executed |
| 418, 429 | anything else | unknown | it proves nothing about the order |
| 5xx | any, even with a code that means a refusal | unknown | the fault may have happened after the order was taken |
| any | an unlisted code | unknown | a wrong "no" doubles an order |
| any | an envelope without a cause, or with two that contradict each other | unknown | the failure is not named |

Only the code is read, as text or as a number; the words next to it differ by language. In OKX's answer the code is the
`sCode` of its one item; the outer 1 or 2 is only a sum.
"""


def render() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for spec in SPECS:
        parts.append(f"## {spec.title}\n\n{_table(spec.code_word, spec.outcomes.table)}")
    return "\n".join(parts)


def _table(title: str, table: Mapping[str, Rule]) -> str:
    lines = [f"| {title} | outcome | then | why |", "|---|---|---|---|"]
    lines += [f"| `{rule.code}` | {rule.outcome} | {rule.trouble} | {rule.why} |" for rule in _ordered(table.values())]
    return "\n".join(lines) + "\n"


def _ordered(rules: Iterable[Rule]) -> list[Rule]:
    # Unknown first: readers look for it. Within an outcome the rows keep their groups.
    return sorted(rules, key=lambda rule: (rule.outcome is not Outcome.UNKNOWN, rule.outcome))


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(), encoding="utf-8")
