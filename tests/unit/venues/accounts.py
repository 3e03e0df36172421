"""The venues as values, once for each kind of account that they have."""

import msgspec

from arb.venues.kit.spec import VenueSpec
from arb.venues.registry import SPECS


def _kinds(spec: VenueSpec) -> list[VenueSpec]:
    others = {make for make in spec.trading.other_accounts.values() if make is not spec.trading.make}
    first = [msgspec.structs.replace(spec, trading=msgspec.structs.replace(spec.trading, make=make)) for make in others]
    return [spec, *first]


ACCOUNTS = [kind for spec in SPECS for kind in _kinds(spec)]
"""Of a venue with several kinds of account also those whose gateways begin in the language of another kind."""
