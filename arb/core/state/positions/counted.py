"""Which facts of an account were counted already: fills, bills. The oldest are forgotten, and not counted again for that."""

from collections.abc import Iterator


class Counted:
    """The latest facts of all venues, by venue and id, each with the venue's own instant."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._known: dict[tuple[str, object], int] = {}
        # The instant up to which a venue's facts were forgotten: facts as old as it count as known.
        self._forgotten_ns: dict[str, int] = {}

    def add(self, venue: str, fact: object, event_ns: int) -> bool:
        if (venue, fact) in self._known or event_ns <= self._forgotten_ns.get(venue, -1):
            return False
        while len(self._known) >= self._kept:
            of, _ = oldest = next(iter(self._known))
            self._forgotten_ns[of] = max(self._known.pop(oldest), self._forgotten_ns.get(of, -1))
        self._known[venue, fact] = event_ns
        return True

    def at(self, venue: str) -> Iterator[tuple[object, int]]:
        yield from ((fact, event_ns) for (of, fact), event_ns in self._known.items() if of == venue)
