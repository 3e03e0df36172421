"""The page OUTCOMES.md of the site, made from the outcome tables of the venues. `make docs` runs this."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from arb.market.order import Outcome
from arb.venues.kit.rules.outcome import Rule
from arb.venues.registry import SPECS

_HEAD = """\
# Outcomes: what an answer proves about an order

Made by `make docs` from the outcome tables in `arb/venues/`.

Every order and every cancel has one of three outcomes. *Accepted*: the venue took it. *Rejected*: it certainly does not
exist, or ended with nothing filled. *Unknown*: it may exist, now or a little later; its symbol is frozen at that venue until
it is found or its absence is proved, and nothing is ever sent twice. A wrong "rejected" doubles an order, a wrong "unknown"
costs a query: so whatever is not listed is unknown.

## By what happened to the request

| what happened | outcome | why |
|---|---|---|
| never signed: refused by our own guard, or could not be signed | rejected | nothing left the process |
| no rate slot, expired before it was sent, other leg could not leave | rejected | nothing left the process |
| no connection could be made | rejected | not a byte of the request can have left |
| connection lost, no answer in time, answer too large | unknown | the request may have arrived |
| stopped while waiting for the answer | unknown | the request may have arrived |
| answer that names another order, symbol, side or size | unknown | whatever it is about, it is not proof about ours |

## Over an order socket

With `order_entry = "websocket"` the same tables judge: Gate's result frame carries status, label and message as REST does,
OKX's the same envelope. What is different is how an answer may fail to come.

| what happened | outcome | why |
|---|---|---|
| the socket is down before the frame is handed over | sent over REST | not a byte can have left: another way is free |
| Gate's first answer, `ack: true`, whatever it holds | none yet | the frame was received: nothing of the order |
| the result, with or without a first answer, before or after a fill | by status and code | see the tables |
| a second result, or one under an id nobody waits for | ignored | answers count once, by the exact id of their request |
| no result in time, though it was received | unknown | taken or not, it was only received |
| the connection ends, or a frame cannot be read | unknown, for all under way | nothing is sent again over the next one |
| `event: error` of OKX, which names no request | unknown, for all under way | it may be about any of them |
| status 401 on Gate's | rejected | not logged in: refused at the door; the connection is made anew |

Gate checks an order's expiry when its websocket receives the frame, and not again. So an order without outcome on that socket
is not proved absent by its expiry, be it that the receipt was lost: it is presumed absent, as at a venue without one.

## Cancels in a batch

Several cancels of one decision go as one request (Gate, OKX and Bitget), and each has an outcome of its own.

| what the answer says | outcome of one cancel | why |
|---|---|---|
| success in the order's own row | accepted | the venue says so |
| a code in the order's own row | by the code | see the tables; HTTP 200 and an outer success say nothing about it |
| no row names the order, the whole succeeded or is not clear | unknown | nothing is said about it |
| no row names the order, the whole was refused | rejected, by the code | nothing of it was executed |
| no answer, 5xx, unreadable | unknown, for all | the request may have arrived |

## By HTTP status

The status is read together with the body; "readable" is a body in the venue's own form.

| status | body | outcome | why |
|---|---|---|---|
| 2xx | readable success that names the order | accepted | the venue says so |
| 2xx | readable error code (OKX, Bitget and Bybit answer so) | by the code | see the venue's table |
| 2xx | unreadable, empty, cut, HTML | unknown | nothing is proved |
| 3xx | any | unknown | never followed: a redirect would carry key and signature to a foreign host |
| 4xx | readable error code | by the code | see the venue's table |
| 4xx | unreadable | unknown | an answer of a proxy, not of the venue |
| 418, 429 | with the venue's own code for it | by the code: rejected | limited before it was executed |
| 418, 429 | anything else | unknown | whoever answered, it proves nothing about the order |
| 5xx | any, even with a code that means a refusal | unknown | the fault may have struck after the order was taken |
| any | a code that is not listed | unknown | a wrong "no" doubles an order |
| any | an envelope without a cause, or with two that contradict each other | unknown | it does not say what failed |

The code alone is read, be it written as text or as a number: the words beside it differ by language and change, and no other
member of an error has to be there. In OKX's answer to an order the code is the `sCode` of its one item; the outer 1 or 2 is but
a sum.
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
    # Unknown first: it is what a reader comes for. Within an outcome the order of the rows tells which belong together.
    return sorted(rules, key=lambda rule: (rule.outcome is not Outcome.UNKNOWN, rule.outcome))


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(), encoding="utf-8")
