"""The page's questions to a ledger: the answers of the commands of the same names, read-only and bounded in time.

Filters are the commands' own (`--since --until --run --symbol --venue --kind`), by the same words and the same parser.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from arb.app import control, journals_of, review, stores
from arb.app.balances import balances
from arb.clock import NS_PER_S, SystemClock
from arb.config import ReviewOptions, Settings, UiOptions
from arb.errors import ConfigError
from arb.masking import clean
from arb.process import user_name
from arb.store.ledger.bounded import bounded
from arb.store.ledger.migrate import one_moment
from arb.store.ledger.queries import LedgerReader
from arb.store.ledger.sums import TodayReader
from arb.view.page.server import Page
from arb.view.page.sessions import Sessions

if TYPE_CHECKING:
    from arb.view.report.summary import Sources

FILTERS = ("since", "until", "run", "symbol", "venue", "kind")
PAIRS_A_PAGE = 500
INCIDENTS_MAX = 1_000
RUNS_OFFERED = 50
KEPT_NS = 2 * NS_PER_S
"""How long an answer serves further questions that are the same."""
AT_ONCE = 2
SUMS, SUMS_MS = ("report", "earned", "offered", "executed", "moved"), 10_000
"""Questions that add up all pairs of a period, and how long they may take: enough for a month of a busy ledger.

`status` may take as long, since it adds pairs up, too, where no engine answers.
"""
Document = dict[str, Any]


class Questions:
    """The answers, by name. Each is made in a thread of its own, two at a time, and serves all who ask the same within 2 s."""

    def __init__(self, settings: Settings, mode: str, db: str | None) -> None:
        self._settings, self._mode, self._db = settings, mode, db
        self._clock = SystemClock()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._rows: WeakValueDictionary[str, Sources] = WeakValueDictionary()
        self._finding = Lock()
        self._kept: dict[tuple[str, ...], tuple[int, asyncio.Task[Document]]] = {}
        self.names: dict[str, Callable[[ReviewOptions], Document]] = {
            "status": lambda options: review.status(settings, options),
            "today": self._today,
            "known": self._known,
            "pairs": lambda options: review.pairs(settings, options),
            "story": self._story,
            **{part: partial(self._of_rows, part) for part in SUMS},
            "holdings": self._holdings,
            "incidents": lambda options: review.incidents(settings, options, INCIDENTS_MAX),
            "alerts": lambda options: review.alerts(settings, options),
            "reconciliation": lambda options: balances(settings, options),
        }

    async def answer(self, name: str, asked: Mapping[str, str]) -> Document:
        """Return an answer; raises `ConfigError` for a malformed question, `StoreError` where the database fails."""
        options = self._options(asked)
        key = (name, *(f"{word}={asked[word]}" for word in sorted(asked)))
        now_ns = self._clock.monotonic_ns()
        self._kept = {kept: found for kept, found in self._kept.items() if now_ns - found[0] < KEPT_NS}
        if key not in self._kept:
            self._kept[key] = now_ns, asyncio.create_task(self._asked(name, options))
        # A caller that leaves does not cancel the answer for the others.
        return await asyncio.shield(self._kept[key][1])

    async def _asked(self, name: str, options: ReviewOptions) -> Document:
        def ask() -> Document:
            with bounded(SUMS_MS) if name in (*SUMS, "status") else bounded():
                return self.names[name](options)

        async with self._room:
            return await asyncio.to_thread(ask)

    def _options(self, asked: Mapping[str, str]) -> ReviewOptions:
        """Read filters as the command line does; unknown ones are refused."""
        for word in asked:
            if word not in (*FILTERS, "id", "before"):
                raise ConfigError(f"filter {clean(word, 40)!r}: give one of {', '.join(FILTERS)}")
        rows: dict[str, Any] = {word: asked[word] for word in FILTERS if asked.get(word)}
        if "run" in rows:
            if not (rows["run"].isdecimal() and len(rows["run"]) < 19 and int(rows["run"]) > 0):
                raise ConfigError(f"run {clean(rows['run'], 40)!r} is no number of a run")
            rows["run"] = int(rows["run"])
        return ReviewOptions(
            mode=self._mode,
            db=self._db,
            rows=rows,
            limit=PAIRS_A_PAGE,
            before=asked.get("before"),
            ident=asked.get("id"),
        )

    def _today(self, _: ReviewOptions) -> Document:
        """Return what the UTC day's pairs earned, split into its causes, and by minute."""
        return TodayReader(stores(self._settings, self._mode, self._db)[0]).read(self._clock.wall_ns())

    def _known(self, _: ReviewOptions) -> Document:
        """Return the venues, symbols and numbers of runs that filters offer, the newest run first."""
        url = stores(self._settings, self._mode, self._db)[0]
        with one_moment(url):
            reader = LedgerReader(url)
            offered, runs = reader.offered(), reader.short_ids().numbers
        return offered | {"run": list(reversed(runs[-RUNS_OFFERED:]))}

    def _story(self, options: ReviewOptions) -> Document:
        return review.explain(self._settings, options)

    def _of_rows(self, part: str, options: ReviewOptions) -> Document:
        """Return the report, or the figures of a part of the page; questions of the same rows share one read."""
        from arb.view.report.page import drawn  # late: it loads numpy

        key = str(sorted(options.rows.items()))
        with self._finding:
            rows = self._rows.get(key)
            if rows is None:
                rows = self._rows[key] = review.sources(self._settings, options)
        with rows.turn, one_moment(stores(self._settings, self._mode, self._db)[0]):
            return review.summed_in_words(rows) if part == "report" else drawn(rows, part)

    def _holdings(self, options: ReviewOptions) -> Document:
        """Return balances over time: by asset, for each venue its reports in order; and the latest of each."""
        from arb.store.ledger.columns import ColumnReader
        from arb.view.report.measure import stretches

        url, _ = stores(self._settings, self._mode, self._db)
        with one_moment(url):
            selection = review.selected(self._settings, options)
            columns = ColumnReader(url, selection)
            found, ran = columns.holdings(), columns.runs()
        rows = list(zip(*(found[name].tolist() for name in ("ns", "venue", "asset", "free", "locked")), strict=True))
        if not rows:
            return {
                "empty": f"no balance {selection}".rstrip(),
                "latest": [],
                "assets": {},
                "stretches": [],
            }
        lines: dict[str, dict[str, list[list[float]]]] = {}
        for ns, venue, asset, free, locked in rows:
            lines.setdefault(asset, {}).setdefault(venue, []).append([ns, free + locked])
        latest = {(asset, venue): (ns, free, locked) for ns, venue, asset, free, locked in rows}
        return {
            "latest": [
                {"asset": asset, "venue": venue, "free": free, "locked": locked, "ns": ns}
                for (asset, venue), (ns, free, locked) in sorted(latest.items())
            ],
            "assets": {
                asset: {venue: points[:: len(points) // 500 + 1] + points[-1:] for venue, points in by_venue.items()}
                for asset, by_venue in sorted(lines.items())
            },
            "stretches": [list(span) for span in stretches(ran, rows[0][0], rows[-1][0])],
        }


def page_of(settings: Settings, options: UiOptions, sessions: Sessions) -> Page:
    commands = {
        "halt": control.halt,
        "resume": control.resume,
        "flatten": control.flatten,
        "acknowledge": control.acknowledge,
    }
    return Page(
        options,
        sessions,
        Questions(settings, options.mode, options.db),
        lambda: journals_of(settings, options.mode, options.db),
        {name: partial(command, settings) for name, command in commands.items()},
        user_name(),
    )
