"""The page `docs/OUTCOMES.md`, written from the tables the code is driven by.

`python -m arb.venues.outcome_doc > docs/OUTCOMES.md` writes it anew; a test compares the two.
"""

import sys
from collections.abc import Iterable, Mapping

from arb.market.order import Outcome
from arb.venues.outcome import Rule
from arb.venues.outcome_ccxt import CCXT_TABLE
from arb.venues.outcome_more import ALL_POLICIES

_NAMES = {
    "gate": "Gate APIv4",
    "okx": "OKX API v5",
    "bitget": "Bitget API v2",
    "bybit": "Bybit API v5",
    "binance": "Binance spot",
}
_CODES = {"gate": "label", "bybit": "`retCode`"}

_HEAD = """\
# Outcomes: what an answer proves about an order

Written by `python -m arb.venues.outcome_doc` from the tables that the code is driven by (`arb/venues/outcome*.py`).

Every order and every cancel has one of three outcomes. *Accepted*: the venue took it. *Rejected*: it certainly does not
exist, or ended with nothing filled. *Unknown*: it may exist, now or a little later; its symbol is frozen at that venue until
it is found or its absence is proved, and nothing is ever sent twice. A wrong "rejected" doubles an order, a wrong "unknown"
costs a look: so whatever is not listed is unknown.

## By what happened to the request

| what happened | outcome | why |
|---|---|---|
| never signed: refused by our own guard, or could not be signed | rejected | nothing left the process |
| no rate slot, expired before it was sent, other leg could not leave | rejected | nothing left the process |
| no connection could be made | rejected | not a byte of the request can have left |
| connection lost, no answer in time, answer too large | unknown | the request may have arrived |
| stopped while waiting for the answer | unknown | the request may have arrived |
| answer that names another order, symbol, side or size | unknown | whatever it is about, it is not proof about ours |

## By HTTP status

The status is looked at together with the body; "readable" is a body in the venue's own form.

| status | body | outcome | why |
|---|---|---|---|
| 2xx | readable success that names the order | accepted | the venue's word |
| 2xx | readable error code (OKX, Bitget and Bybit answer so) | by the code | see the venue's table |
| 2xx | unreadable, empty, cut, HTML | unknown | nothing is proved |
| 3xx | any | unknown | never followed: a redirect would carry key and signature to a stranger |
| 4xx | readable error code | by the code | see the venue's table |
| 4xx | unreadable | unknown | an answer of a proxy, not of the venue |
| 418, 429 | with the venue's own code for it | by the code: rejected | limited before it was executed |
| 418, 429 | anything else | unknown | whoever answered, it proves nothing about the order |
| 5xx | any, even with a code that means a refusal | unknown | the fault may have struck after the order was taken |
| any | a code that is not listed | unknown | a wrong "no" doubles an order |
"""


def render() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for venue, policy in ALL_POLICIES.items():
        parts.append(f"## {_NAMES[venue]}\n\n{_table(_CODES.get(venue, 'code'), policy.table)}")
    parts.append(
        "## ccxt's error classes\n\nOnly for venues without a table above, and for what ccxt raises before sending. The nearest"
        f" listed ancestor of a class decides.\n\n{_table('class', CCXT_TABLE)}"
    )
    return "\n".join(parts)


def _table(title: str, table: Mapping[str, Rule]) -> str:
    lines = [f"| {title} | outcome | then | why |", "|---|---|---|---|"]
    lines += [f"| `{rule.code}` | {rule.outcome} | {rule.trouble} | {rule.why} |" for rule in _ordered(table.values())]
    return "\n".join(lines) + "\n"


def _ordered(rules: Iterable[Rule]) -> list[Rule]:
    # Unknown first: it is what a reader comes for. Within an outcome the order of the rows tells which belong together.
    return sorted(rules, key=lambda rule: (rule.outcome is not Outcome.UNKNOWN, rule.outcome))


if __name__ == "__main__":
    sys.stdout.write(render())
