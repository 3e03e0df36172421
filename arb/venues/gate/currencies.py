"""Gate's currency list, `GET /spot/currencies` (APIv4, "List all currencies' details"): for anybody, without fees and
minimums.

Each chain has its own closed flags. An `addr` may also be an internal mark (`arb/venues/kit/currencies.py`).
"""

from collections.abc import Iterator
from typing import Any

from arb.errors import VenueProtocolError
from arb.market.wallets import CurrencyChain
from arb.venues.kit.currencies import CurrencyReader, given_flag, identified
from arb.venues.kit.fields import Fields


def _rows(body: Any) -> list[Any]:
    if isinstance(body, dict):  # `/spot/currencies/{currency}`
        return [body]
    if not isinstance(body, list):
        raise VenueProtocolError("gate", f"currencies: not a list but {type(body).__name__}")
    return body


def _read(raw: Any) -> Iterator[CurrencyChain]:
    fields = Fields("gate", "currency", raw)
    asset = fields.text("currency")
    for one in fields.objects("chains"):
        named = one.text("name")
        chain, contract = identified("gate", asset, named, one.maybe_text("addr"))
        closed_in, closed_out = given_flag(one, "deposit_disabled"), given_flag(one, "withdraw_disabled")
        yield CurrencyChain(
            asset=asset,
            named=named,
            chain=chain,
            contract=contract,
            deposit=None if closed_in is None else not closed_in,
            withdrawal=None if closed_out is None else not closed_out,
        )


READER = CurrencyReader(_rows, _read)
