"""The meter of one UTC day: quote x seconds unhedged, by venue. `core/risk/exposure.py` tells what goes in."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from arb.clock import NS_PER_S
from arb.market.numbers import ZERO

CARRIED = "carried"
"""Stands in the place of a venue for base that closed pairs left unhedged: it is pooled, wherever it lies."""

DAY_NS = 86_400 * NS_PER_S
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
E9 = Decimal("1e-9")


class ExposureMeter:
    """Sums of the present UTC day, in quote x seconds."""

    def __init__(self) -> None:
        self.day = 0
        self.by_venue: dict[str, Decimal] = {}

    @property
    def total(self) -> Decimal:
        """Return the day's sum over all venues."""
        return sum(self.by_venue.values(), ZERO)

    @property
    def day_utc(self) -> str:
        """Return the day in ISO form."""
        return date.fromordinal(EPOCH_ORDINAL + self.day).isoformat()

    @property
    def ends_ns(self) -> int:
        """Return the instant at which the day ends."""
        return (self.day + 1) * DAY_NS

    def restore(self, day_utc: str, by_venue: Mapping[str, Decimal]) -> None:
        """Take up what the journal last said of a day."""
        self.day = date.fromisoformat(day_utc).toordinal() - EPOCH_ORDINAL
        self.by_venue = dict(by_venue)

    def kept(self) -> dict[str, Decimal]:
        """Return the sums for the journal, to 1e-9."""
        return {venue: amount.quantize(E9) for venue, amount in sorted(self.by_venue.items())}

    def roll(self, now_ns: int) -> tuple[str, dict[str, Decimal]] | None:
        """Begin a new day when it is one; return the day that ended and its sums, if there were any."""
        day = now_ns // DAY_NS
        if day == self.day:
            return None
        ended = (self.day_utc, self.by_venue) if self.by_venue else None
        self.day, self.by_venue = day, {}
        return ended

    def add(self, shares: Mapping[str, Decimal], since_ns: int, until_ns: int) -> None:
        """Add quote notionals by venue that were held from `since_ns` to `until_ns`, as far as that lies in this day."""
        held_ns = until_ns - max(since_ns, self.day * DAY_NS)
        if held_ns > 0:
            for venue, amount in shares.items():
                self.by_venue[venue] = self.by_venue.get(venue, ZERO) + amount * held_ns / NS_PER_S
