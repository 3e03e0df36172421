"""The ranking of a sweep: which set made most on the days that it was chosen on, and its result on those held out.

Many sets tried on the same days include one that fits their noise: the more were tried, the more the best of them flatters. So
the number of sets is printed with the best. Days can be held out: no set is chosen on them, and all sets are shown.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, localcontext
from statistics import median_low
from typing import Any

import msgspec

from arb.errors import ConfigError
from arb.market.numbers import EXACT, ZERO, plain
from arb.replay.sweep.rows import Row

Label = tuple[tuple[str, str], ...]
"""A set: its keys and their values, as they were written."""


class OfTape(msgspec.Struct, frozen=True):
    tape: str
    net: Decimal


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One set: its total on the days it was chosen on, and its results on the best, the lower median and the worst tape of
    them.

    `pairs`: how many on these days. `held_out_net`: its result on the days held out; None: there are none.
    """

    label: Label
    net: Decimal
    pairs: int
    best: OfTape
    median: OfTape
    worst: OfTape
    held_out_net: Decimal | None


class Standings(msgspec.Struct, frozen=True, kw_only=True):
    """All sets, the best first; of equals the first one in the grid. `tried`: see `lines`.

    `best_rows`: the best set's results on each tape, in the order of their days, those held out among them.
    """

    quote: str
    sets: tuple[Standing, ...]
    best_rows: tuple[Row, ...]
    tapes: int
    days: tuple[str, ...]
    held_out: tuple[str, ...]
    tried: int

    @property
    def best(self) -> Standing:
        return self.sets[0]

    @property
    def traded(self) -> bool:
        """Return whether any set traded on the days to choose on; if not, none of them is the best."""
        return any(each.pairs for each in self.sets)

    @property
    def held_out_place(self) -> int:
        """Return the place, from 1, that the best set has on the days held out; of equals all have the first of theirs."""
        mine = self.best.held_out_net or ZERO
        return 1 + sum((other.held_out_net or ZERO) > mine for other in self.sets)

    def lines(self) -> list[str]:
        """Return it in plain sentences: the best set, how many were tried, and how it did on the days held out."""
        best, of = self.best, len(self.sets)
        middle = self.sets[of // 2]
        tapes = f"{self.tapes} tape{'s' * (self.tapes != 1)} of {_days(self.days)}"
        if not self.traded:
            return [f"None of {_sets(of)} traded on {tapes}.", *self._tried()]
        alike = sum(each.net == best.net for each in self.sets) - 1
        others = f" (as did {_sets(alike)} more)" if alike else ""
        most = f"On {tapes} {text_of(best.label)} made most: {self._money(best.net)}{others}"
        if self.tapes > 1:
            most += (
                f", on the best tape {self._money(best.best.net)}, on the median one {self._money(best.median.net)}, on the "
                f"worst {self._money(best.worst.net)}"
            )
        among = [f"It is the best of {_sets(of)}; their median is {self._money(middle.net)}."] * (of > 1)
        return [f"{most}.", *among, *self._tried(), *self._held_out()]

    def _tried(self) -> list[str]:
        if self.tried < 2:
            return []
        advice = "" if self.held_out else "; hold days out (--hold-out) to see by how much"
        flatters = "the best of so many looks better than it is"
        return [f"{_sets(self.tried)} were tried on these tapes: {flatters}{advice}."]

    def _held_out(self) -> list[str]:
        if self.best.held_out_net is None:
            return []
        place = f": place {self.held_out_place} of {len(self.sets)} there" if len(self.sets) > 1 else ""
        return [f"On {_days(self.held_out)} held out it made {self._money(self.best.held_out_net)}{place}."]

    def _money(self, amount: Decimal) -> str:
        return f"{plain(amount)} {self.quote}"

    def document(self) -> dict[str, Any]:
        return {
            "sentences": self.lines(),
            "quote": self.quote,
            "tapes": self.tapes,
            "days": list(self.days),
            "held_out": list(self.held_out),
            "sets_tried": self.tried,
            "best_by_tape": [
                {"tape": row.tape, "day_utc": row.day_utc, "net": row.net, "held_out": row.day_utc in self.held_out}
                for row in self.best_rows
            ],
            "held_out_place_of_the_best": self.held_out_place if self.held_out and self.traded else None,
            "sets": [
                {
                    "set": dict(each.label),
                    "net": each.net,
                    "pairs": each.pairs,
                    "best_tape": msgspec.structs.asdict(each.best),
                    "median_tape": msgspec.structs.asdict(each.median),
                    "worst_tape": msgspec.structs.asdict(each.worst),
                    "held_out_net": each.held_out_net,
                }
                for each in self.sets
            ],
        }


def standings(rows: Mapping[Label, Sequence[Row]], held_out: Collection[str], tried: int) -> Standings:
    """Rank sets by their results on the days that are not held out; `rows` holds every set's, one a tape, in one order."""
    every = next(iter(rows.values()))
    days = sorted({row.day_utc for row in every})
    sets = [_standing(label, of, held_out) for label, of in rows.items()]
    ranked = tuple(sorted(sets, key=lambda each: -each.net))  # a stable sort: of equals the first stays first
    return Standings(
        quote=every[0].quote,
        sets=ranked,
        best_rows=tuple(sorted(rows[ranked[0].label], key=lambda row: (row.day_utc, row.tape))),
        tapes=sum(row.day_utc not in held_out for row in every),
        days=tuple(day for day in days if day not in held_out),
        held_out=tuple(day for day in days if day in held_out),
        tried=tried,
    )


def held_out_days(text: str, days: Collection[str]) -> tuple[str, ...]:
    """Return the days that `--hold-out` names: the last N of those that there are, or days by their dates.

    Raises `ConfigError` for a day without a tape, and where no day would remain to choose on.
    """
    known = sorted(days)
    if text.isdecimal() and len(text) < 5:
        chosen = known[len(known) - min(int(text), len(known)) :] if int(text) else []
    else:
        chosen = [day.strip() for day in text.split(",")]
    if not chosen:
        raise ConfigError("--hold-out 0: holds nothing out: leave it out, or give how many days")
    for day in chosen:
        if day not in known:
            raise ConfigError(f"--hold-out {day}: no tape is of that day: there are {', '.join(known)}")
    if len(set(chosen)) == len(known):
        raise ConfigError(
            f"--hold-out {text}: would leave no day to choose on: the tapes are of {_days(known)} ({', '.join(known)})"
        )
    return tuple(sorted(set(chosen)))


def _standing(label: Label, rows: Sequence[Row], held_out: Collection[str]) -> Standing:
    chosen_on = [row for row in rows if row.day_utc not in held_out]
    others = [row for row in rows if row.day_utc in held_out]
    by_net = sorted(chosen_on, key=lambda row: row.net)
    middle = median_low(range(len(by_net)))
    return Standing(
        label=label,
        net=_sum(chosen_on),
        pairs=sum(sum(row.pairs.values()) for row in chosen_on),
        best=_of_tape(by_net[-1]),
        median=_of_tape(by_net[middle]),
        worst=_of_tape(by_net[0]),
        held_out_net=_sum(others) if others else None,
    )


def _sum(rows: Sequence[Row]) -> Decimal:
    with localcontext(EXACT):
        return sum((row.net for row in rows), ZERO)


def _of_tape(row: Row) -> OfTape:
    return OfTape(row.tape, row.net)


def text_of(label: Label) -> str:
    return " ".join(f"{key}={value}" for key, value in label)


def _days(days: Collection[str]) -> str:
    return f"{len(days)} day{'s' * (len(days) != 1)}"


def _sets(count: int) -> str:
    return f"{count:,} set{'s' * (count != 1)}"
