"""`arb status`, `pairs`, `alerts`, `report`, `explain`, `export`: the present state, the trades, and each cent."""

import asyncio
import tempfile
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from arb.app import found_journal, journals_of, stores
from arb.app.explain import explanation, unhedged_average
from arb.clock import NS_PER_S, SystemClock
from arb.config import ReviewOptions, Settings
from arb.config.loader import nearest
from arb.errors import ConfigError, require
from arb.files import put_whole
from arb.live.control import ask, read_halt_file
from arb.market.ids import IDS_PER_RUN
from arb.store.journal.reader import JournalReader
from arb.store.ledger.database import mask_url
from arb.store.ledger.domains import note_on
from arb.store.ledger.migrate import one_moment
from arb.store.ledger.queries import LedgerReader, RowDict
from arb.store.ledger.selection import Selection, selection_of
from arb.store.ledger.short_ids import ShortIds
from arb.store.ledger.sums import E8, Sums, counted, read_sums

if TYPE_CHECKING:
    from arb.store.ledger.export import OnProgress
    from arb.view.report.summary import Sources

WATCH_EVERY_S = 1.0
PAIRS_SHOWN, INCIDENTS_SHOWN = 1_000, 300
"""How many rows of each a page in a file holds, so that a year's is no larger than a day's."""
BEGINS = b"<!doctype html>"


def status(settings: Settings, options: ReviewOptions) -> dict[str, Any]:
    """Return the state of the running engine; when none runs, the sums of the latest run.

    Where rows are selected by more than their run, return the sums of these rows, over all runs.
    """
    url, _ = stores(settings, options.mode, options.db)
    if narrowed(options):
        with one_moment(url):
            return _sums_of(url, selected(settings, options))
    journal = Path()
    answer = None
    for journal in [] if options.rows.get("run") else journals_of(settings, options.mode, options.db):
        answer = ask(journal, {"do": "status"})
        if answer is not None:
            break
    if answer is not None and "error" not in answer:
        return {"engine": "running"} | answer
    with one_moment(url):
        return _of_run(LedgerReader(url), url, options.rows.get("run"), journal)


def _of_run(reader: LedgerReader, url: str, number: int | None, journal: Path) -> dict[str, Any]:
    """Return the sums of a run, by its number or id; of the latest one for None."""
    short_ids = reader.short_ids()
    run_id = reader.last_run_id() if number is None else short_ids.run_id(number)
    if run_id is None:
        raise ConfigError(f"ledger {mask_url(url)}: no run yet: start one with `arb run`")
    run, sums = reader.run(run_id), read_sums(url, Selection(run_id=run_id))
    [lasted] = sums.runs
    return {
        "engine": "not running",
        **note_on((run["mode"],)),
        "halt_file": read_halt_file(journal),
        "run_id": run_id,
        "run_number": short_ids.number(run_id),
        "mode": run["mode"],
        "started_ns": run["started_ns"],
        "run_seconds": round((lasted["until_ns"] - run["started_ns"]) / NS_PER_S, 3),
        "ended_ns": run["ended_ns"],
        "exit_code": run["exit_code"],
        "halted": run["halted"],
        "net": _net(row for row in sums.pairs if row["finished"]),
        "unproved_net": _net(row for row in sums.unproved if row["finished"]),
        "fees": sums.fees,
        "pairs": counted([*sums.pairs, *sums.unproved], "state", "pairs"),
        "orders": counted(sums.order_statuses, "status", "orders"),
        **_happened(sums),
        "db": mask_url(url),
    }


def narrowed(options: ReviewOptions) -> bool:
    return any(value is not None for name, value in options.rows.items() if name != "run")


def _sums_of(url: str, selection: Selection) -> dict[str, Any]:
    """Return the sums of the selected rows; `run_seconds`: for how much of that time an engine ran."""
    sums = read_sums(url, selection)
    ran = (min(run["until_ns"], selection.until_ns) - max(run["started_ns"], selection.since_ns) for run in sums.runs)
    nothing = not (sums.pairs or sums.unproved or sums.opportunities)
    return {
        **note_on(str(run["mode"]) for run in sums.runs),
        **({"empty": _nothing(selection)} if nothing else {}),
        "selected": selection.shown(),
        "runs": len(sums.runs),
        "run_seconds": round(sum(max(0, ns) for ns in ran) / NS_PER_S, 3),
        "net": _net(sums.pairs),
        "unproved_net": _net(sums.unproved),
        "fees": sums.fees,
        "pairs": counted(sums.pairs, "state", "pairs"),
        "orders": sum(row["orders"] for row in sums.orders),
        **_happened(sums),
        "db": mask_url(url),
    }


def _net(rows: Iterable[RowDict]) -> dict[str, Decimal]:
    return {quote: net_e8 * E8 for quote, net_e8 in counted(rows, "quote", "realised_net_e8").items()}


def _happened(sums: Sums) -> dict[str, Any]:
    return {
        "fills": sums.fills,
        "opportunities": counted(sums.opportunities, "outcome", "opportunities"),
        "not_taken": counted([row for row in sums.opportunities if row["reason"]], "reason", "opportunities"),
        "incidents": sum(row["incidents"] for row in sums.incidents),
    }


def _nothing(selection: Selection) -> str:
    return f"no pair trade and no opportunity {selection}".rstrip()


def watch_status(settings: Settings, options: ReviewOptions, show: Callable[[dict[str, Any]], None]) -> None:
    async def again() -> None:
        while True:
            show(status(settings, options))
            await asyncio.sleep(WATCH_EVERY_S)

    asyncio.run(again())


def pairs(settings: Settings, options: ReviewOptions) -> dict[str, Any]:
    """Return the selected pairs, the latest first; `older`: the id before which the list continues, or None at its end."""
    url, _ = stores(settings, options.mode, options.db)
    with one_moment(url):
        reader, selection = LedgerReader(url), selected(settings, options)
        rows = reader.pairs(selection, limit=options.limit + 1, before=options.before)
        short_ids, newest = reader.short_ids(), reader.last_run_id()
        shown = [_pair(row, short_ids, newest) for row in rows[: options.limit]]
        older = shown[-1]["short_id"] if len(rows) > len(shown) else None
        empty = (
            {}
            if rows
            else {"empty": " ".join(filter(None, ("no", options.before and "older", "pair trade", str(selection))))}
        )
        return note_on(reader.modes()) | empty | {"pairs": shown, "older": older}


def pair_rows(settings: Settings, options: ReviewOptions) -> list[RowDict]:
    """Return pairs with the columns of `pair_trades`, exact; `x_e8` as `x` in quote, as in `v_pair_trades`."""
    url, _ = stores(settings, options.mode, options.db)
    with one_moment(url):
        reader = LedgerReader(url)
        rows, short_ids = (
            reader.pairs(selected(settings, options), limit=options.limit, before=options.before),
            reader.short_ids(),
        )
    return [
        {"id": row["id"], "short_id": short_ids.of(row["id"])}
        | {
            name.removesuffix("_e8"): value * E8 if name.endswith("_e8") and value is not None else value
            for name, value in row.items()
        }
        for row in rows
    ]


def alerts(settings: Settings, options: ReviewOptions) -> dict[str, Any]:
    """Return the alerts that are open, or all that were selected, the one that last happened first."""
    url, _ = stores(settings, options.mode, options.db)
    with one_moment(url):
        reader, selection = LedgerReader(url), selected(settings, options)
        rows = reader.alerts(selection, every=options.every, limit=options.limit)
        what = "alert" if options.every else "open alert"
        empty = {} if rows else {"empty": f"no {what} {selection}".rstrip()}
        return note_on(reader.modes()) | empty | {"alerts": rows}


def selected(settings: Settings, options: ReviewOptions) -> Selection:
    """Return the user's selection of rows.

    Raises `ConfigError` for one that cannot be read, and for a run, venue or symbol that neither the ledger nor the
    settings know.
    """
    reader, rows = LedgerReader(stores(settings, options.mode, options.db)[0]), dict(options.rows)
    if rows.get("run") is not None:
        rows["run"] = reader.short_ids().run_id(rows["run"])
    found = selection_of(SystemClock().wall_ns(), **rows)
    for what, name, known in (
        ("venue", found.venue, set(settings.venues.enabled())),
        ("symbol", found.symbol, set(settings.run.symbols)),
    ):
        if name is not None and name not in known and name not in (known := known | reader.names(what)):
            raise ConfigError(f"{what} {name!r} is not in this ledger{nearest(name, known)}")
    return found


def sources(settings: Settings, options: ReviewOptions) -> "Sources":
    """Return the selected rows of a ledger, as a report reads them."""
    from arb.view.report.summary import Sources  # late: it loads numpy

    url, _ = stores(settings, options.mode, options.db)
    return Sources(url, selected(settings, options))


def report(settings: Settings, options: ReviewOptions) -> dict[str, Any]:
    """Return a ledger, or the selected rows of it, in sums: waterfall, routes, symbols, reasons, execution, incidents."""
    with one_moment(stores(settings, options.mode, options.db)[0]):
        return summed(sources(settings, options))


def summed(found: "Sources") -> dict[str, Any]:
    """Return these rows in sums, or that there are none."""
    from arb.view.report.summary import summarise  # late: it loads numpy

    document = summarise(found)
    nothing = not document["pairs"] and not document["opportunities"]
    return document | ({"empty": _nothing(found.selection)} if nothing else {})


def summed_in_words(found: "Sources") -> dict[str, Any]:
    """Return these rows in sums, and the same in a few sentences."""
    from arb.view.report.brief import brief  # late: it loads numpy

    document = summed(found)
    return document | {"brief": brief(document)}


def incidents(settings: Settings, options: ReviewOptions, most: int) -> dict[str, Any]:
    """Return the latest of the selected incidents, and how many there are."""
    from arb.store.ledger.columns import ColumnReader  # late: it loads numpy

    url, _ = stores(settings, options.mode, options.db)
    with one_moment(url):
        selection = selected(settings, options)
        columns, short_ids = ColumnReader(url, selection).incidents(), LedgerReader(url).short_ids()
    names = ("id", "ns", "severity", "kind", "venue", "pair_trade_id", "cost", "text")
    latest = zip(*(columns[name][: -most - 1 : -1].tolist() for name in names), strict=True)
    found = [dict(zip(names, row, strict=True)) for row in latest]
    for row in found:
        row["pair"] = short_ids.of(row["pair_trade_id"]) if row["pair_trade_id"] else None
    empty = {} if found else {"empty": f"no incident {selection}".rstrip()}
    return empty | {"in_all": len(columns["id"]), "incidents": found}


def report_page(settings: Settings, options: ReviewOptions, path: Path) -> dict[str, Any]:
    """Write the page and return its path and size; raise `ConfigError` when that cannot be done."""
    from arb.view.meanings import meanings
    from arb.view.report import page  # late: it loads numpy

    check_target(path)
    with one_moment(stores(settings, options.mode, options.db)[0]):
        found = sources(settings, options)
        answers = {"report": summed_in_words(found)} | {part: page.drawn(found, part) for part in page.FIGURES}
        shown = pairs(settings, msgspec.structs.replace(options, limit=PAIRS_SHOWN))
        answers |= {"pairs": shown, "incidents": incidents(settings, options, INCIDENTS_SHOWN), "meanings": meanings()}
    del answers["report"]["db"]  # its name may be no text, and stands in the head as it can
    return {"db": found.db, "page": str(path), "bytes": write_page(path, page.render(found, answers))}


def check_target(path: Path) -> None:
    """Raise `ConfigError` when a page cannot be written to `path`: before the ledger is read, which may take a while."""
    if path.is_dir():
        raise ConfigError(f"--html {path}: is a directory: name a file in it, for instance {path / 'report.html'}")
    if path.exists() and not path.is_file():
        raise ConfigError(f"--html {path}: is no ordinary file: name another")
    try:
        if path.exists():
            with path.open("rb") as present:
                # A typing error must not cost a ledger.
                if present.read(len(BEGINS)).lower() not in (BEGINS, b""):
                    raise ConfigError(f"--html {path}: exists, and is no page of arb: name another file")
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise _unwritable(path, error) from None


def write_page(path: Path, page: str) -> int:
    """Write the page and return its size in bytes; a reader sees the page before or the new one, never half of it."""
    check_target(path)
    content = page.encode("utf-8", "backslashreplace")
    try:
        put_whole(path, content)
    except OSError as error:
        raise _unwritable(path, error) from None
    return len(content)


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"--html {path}: cannot be written: {error.strerror}: name a file in a directory you may write to"
    )


def export(settings: Settings, options: ReviewOptions, on_progress: "OnProgress | None") -> dict[str, Any]:
    """Write every table of the ledger, and the view of pairs, as Parquet, and return the list of files."""
    from arb.store.ledger.export import export_parquet  # late: it loads numpy

    url, _ = stores(settings, options.mode, options.db)
    require(options.parquet is not None, "an export needs a directory")
    assert options.parquet is not None
    return export_parquet(url, options.parquet, SystemClock(), on_progress, selected(settings, options))


def explain(settings: Settings, options: ReviewOptions) -> dict[str, Any]:
    url, _ = stores(settings, options.mode, options.db)
    journal = found_journal(settings, options.mode, options.db)
    with one_moment(url):
        reader = LedgerReader(url)
        short_ids = reader.short_ids()
        pair_id = short_ids.row_id(options.ident or "", "pair")
        found = explanation(reader.story(pair_id, _journal_reader(journal)))
        found["pair"] = {"id": pair_id, "short_id": short_ids.of(pair_id)} | found["pair"]
        return note_on(reader.modes()) | found


def _journal_reader(path: Path) -> JournalReader | None:
    return JournalReader.open(path) if path.exists() else None


def _pair(row: RowDict, short_ids: ShortIds, newest: int | None) -> dict[str, Any]:
    """Return the columns a person scans a list for; `net` in quote, `number` of pairs of the newest run."""
    realised = row["realised_net_e8"]
    return {
        "id": row["id"],
        "short_id": short_ids.of(row["id"]),
        "number": row["id"] % IDS_PER_RUN if row["run_id"] == newest else None,
        "kind": row["kind"],
        "symbol": row["symbol"],
        "buy": row["buy_venue"],
        "sell": row["sell_venue"],
        "size": row["sell_size"],
        "state": row["state"],
        "identity": row["identity"],
        "net": None if realised is None else realised * E8,
        "expected": None if realised is None else row["expected_net_e8"] * E8,
        "decided_ns": row["decided_ns"],
        "took_ms": None if row["closed_ns"] is None else (row["closed_ns"] - row["decided_ns"]) // 1_000_000,
        "exposure_quote_s": row["exposure_quote_s"],
        "unhedged_average": unhedged_average(row),
    }
