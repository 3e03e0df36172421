"""Short ids: `3-17` is row 17 of run 3 of a ledger, of a pair or an alert.

A run's number is its place among the ledger's runs by id. A run's id is greater than every earlier one of its journal, a
ledger belongs to one journal, and no run is ever deleted: so the number never changes, and a rebuild gives the same.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence

from arb.errors import ConfigError
from arb.market.ids import IDS_PER_RUN
from arb.masking import clean

ID_MAX = 2**63 - 1
"""The greatest id that a row of a ledger can have."""


class ShortIds:
    """The short ids of a ledger whose runs have the ids `runs`, in ascending order."""

    def __init__(self, runs: Sequence[int]) -> None:
        self._runs = runs

    @property
    def numbers(self) -> range:
        return range(1, len(self._runs) + 1)

    def number(self, run_id: int) -> int | None:
        """Return the number of a run, from 1; None where the ledger does not hold it."""
        place = bisect_left(self._runs, run_id)
        return place + 1 if self._runs[place : place + 1] == [run_id] else None

    def of(self, row_id: int) -> str:
        """Return the short id of a pair or an alert; the id itself where it is of no run of the ledger."""
        run, number = divmod(row_id, IDS_PER_RUN)
        found = self.number(run)
        return str(row_id) if found is None else f"{found}-{number}"

    def run_id(self, number: int) -> int:
        """Return the id of the run of this number, or of this id; raises `ConfigError` where there is none."""
        if number in self._runs:
            return number
        if not 0 < number <= len(self._runs):
            newest = f"the newest is {len(self._runs)}" if self._runs else "it has none yet"
            raise ConfigError(f"no run {number} in this ledger: {newest}")
        return self._runs[number - 1]

    def row_id(self, text: str, what: str) -> int:
        """Return the id that a text means: `3-17`, `17` for the newest run's, or the whole id.

        Raises `ConfigError` for any other text, and for a run that the ledger lacks. The row itself may be missing.
        """
        found = re.fullmatch(r"(?:([0-9]{1,10})-)?([0-9]{1,19})", text)
        number = int(found[2]) if found else ID_MAX + 1
        if found is None or number > ID_MAX or (found[1] and number >= IDS_PER_RUN):
            raise ConfigError(
                f"{clean(text, 40)!r} is no {what}: write RUN-NUMBER, for example 3-17, or 17 for the newest run"
            )
        if number >= IDS_PER_RUN:
            return number
        return (self.run_id(int(found[1])) if found[1] else max(self._runs, default=0)) * IDS_PER_RUN + number
