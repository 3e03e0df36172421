"""Gate's currency list, `GET /spot/currencies` (APIv4, "List all currencies' details"): for anybody, without fees and
minimums.

Each chain has its own closed flags. An `addr` may also be an internal mark (`arb/venues/kit/currencies.py`).
"""

from arb.venues.kit.currencies import CurrencyForm, given_flag
from arb.venues.kit.fields import Fields


def _open(fields: Fields, key: str) -> bool | None:
    closed = given_flag(fields, key)
    return None if closed is None else not closed


CURRENCIES = CurrencyForm(
    venue="gate",
    one_row=True,  # `/spot/currencies/{currency}`
    asset="currency",
    chains="chains",
    chain="name",
    contract="addr",
    deposit="deposit_disabled",
    withdrawal="withdraw_disabled",
    flag=_open,
)
