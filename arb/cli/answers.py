"""Answers on stdout, for all commands: one JSON document, rows as CSV, or tables for a person.

Tables know a column by its name: how its numbers are written, whether they add up, and which is dropped first where the
terminal is too narrow. `--full` drops nothing and shows every digit; CSV and JSON are exact.
"""

import csv
import io
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import click

from arb.documents import encoded, plain
from arb.market.symbol import Symbol
from arb.masking import printable
from arb.view import lines
from arb.view.lines import EMPTY, Column, Line, Span, line, wrapped
from arb.view.plain import rounded, short_amount

Rows = Sequence[Mapping[str, Any]]
UNLIMITED = 1 << 20
DIGITS = 8
"""The most digits behind the point without `--full`."""
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_IDS = re.compile(r"(?:.*_)?ids?|run|seed|level|exit_code|.*_number|names|day_utc")
"""Columns whose digits are no amount: they are written as they are."""
_EXACT = re.compile(
    r"(?:.*_)?(?:size|price|limit|total|percent|fee)|ask|bid|to_buy|to_sell|filled|tick|lot|change|free|locked|reported|computed"
    r"|difference|min_edge_bps"
)
"""Columns whose numbers are shown to their last digit; of other amounts two decimals are."""
_FOLDED = frozenset(("text", "found", "remedy", "result", "what", "names", "missing"))
"""Columns of sentences, continued on the lines below where they are too long."""
_RANKS = {
    **dict.fromkeys(("exposure_quote_s", "until_at", "sandbox_id", "source", "trade_id"), 9),
    **dict.fromkeys(("id", "version", "run_id", "pair_trade_id", "seen_id", "client_order_id", "took_ms"), 8),
    **dict.fromkeys(("worst_slippage_bps", "liquidity", "edge_share_1h", "volume_quote", "since_at", "seed"), 7),
    **dict.fromkeys(("expected", "hedge_cost", "send_ms_p95", "ack_ms_p95", "fill_ms_p95", "chosen"), 6),
    **dict.fromkeys(("kind", "stage", "send_ms_p50", "fee_planned", "repaired"), 5),
    **dict.fromkeys(("net", "best_net", "best_edge_bps", "text", "found", "result", "fees", "symbol"), -1),
    "state": 0,
}
"""Of the columns that do not fit, those of the highest rank are dropped first, and of one rank the last."""
_COUNTS = frozenset(
    (
        *("pairs", "repaired", "orders", "accepted", "rejected", "unknown", "repairs", "fills", "incidents", "open"),
        "opportunities",
    )
)
_MONEY = frozenset(("expected", "net", "fees", "hedge_cost", "charged", "cost"))
_TOTALLED = frozenset(("days", "venue_pairs", "symbols", "fees_planned", "execution", "incidents_by_kind", "refused"))
"""The tables that end with a total of `_COUNTS`, and of `_MONEY` where all rows are of one quote."""
_STYLES = {
    **dict.fromkeys(("fail", "critical", "halted", "DIFFERS"), "bad"),
    **dict.fromkeys(("warn", "warning", "unwound", "repairing", "carried"), "warn"),
}


def to_json(document: Any) -> str:
    """Return one line of JSON: amounts and ids are texts, and an instant in ns has its UTC time next to it."""
    return encoded(document, dated=True).decode()


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as RFC 4180 has them, the names of the columns first; nothing is an empty field, numbers are exact."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_field(value, name) for name, value in zip(columns, row, strict=True)] for row in rows)
    return out.getvalue()


def rows_as_csv(rows: Rows) -> str:
    """Return rows of the same names as CSV; the empty text without rows."""
    return to_csv(list(rows[0]), [list(row.values()) for row in rows]) if rows else ""


def _field(value: Any, name: str) -> str:
    value = plain(value, name)
    return "" if value is None else printable(value) if isinstance(value, str) else as_cell(value)


def as_cell(value: Any) -> str:
    """Return a value to its last digit: nothing as `-`, no control characters."""
    value = f"{value:f}" if isinstance(value, Decimal) else value
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(as_cell(item) for item in value) or "none"
    return ("none" if not value else to_json(value)) if isinstance(value, dict) else printable(str(value))


def write(made: Sequence[Line]) -> None:
    """Write lines to stdout; with styles only on a terminal, with colours only where `NO_COLOR` is unset."""
    if not sys.stdout.isatty():
        click.echo("\n".join(lines.text_of(row).rstrip() for row in made))
        return
    encoding, colours = sys.stdout.encoding or "utf-8", not os.environ.get("NO_COLOR")
    click.echo(b"\n".join(lines.encoded(row, encoding, colours=colours) for row in made))


def to_text(document: Any, *, width: int | None = None, full: bool = False) -> list[Line]:
    """Return a document as lines of at most `width` columns, by default the terminal's, or 80; `full`: of any width."""
    width = UNLIMITED if full else width or shutil.get_terminal_size().columns
    found = _read_by_people(plain(document, dated=True))
    return list(_parts(found, width, full=full) if isinstance(found, dict) else _value("", found, width, full=full))


def table_of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Line]:
    """Return rows as a table to the last digit, numbers ranged right, of any width."""
    cells = [[as_cell(value) for value in row] for row in rows]
    right = [{True} == {bool(_NUMBER.fullmatch(cell)) for cell in of if cell != "-"} for of in zip(*cells, strict=True)]
    made = [Column(name, right=place) for name, place in zip(columns, right or [False] * len(columns), strict=True)]
    return lines.table(made, cells, UNLIMITED)


def _read_by_people(value: Any) -> Any:
    """Return a plain document without instants in ns that are also there as UTC time."""
    if isinstance(value, list):
        return [_read_by_people(item) for item in value]
    if not isinstance(value, dict):
        return value
    hidden = {key for key in value if key.endswith("ns") and f"{key.removesuffix('ns')}at" in value}
    return {key: _read_by_people(item) for key, item in value.items() if key not in hidden}


def _parts(document: dict[str, Any], width: int, *, full: bool) -> Iterator[Line]:
    """Yield scalars as lines with their names, and all else under a heading; unknown values only if `full`."""
    shown = [(key, item) for key, item in document.items() if full or item is not None]
    label = max((len(_words(key)) for key, item in shown if not _is_group(item)), default=0) + 2
    begun = False
    for is_group, entries in groupby(shown, key=lambda entry: _is_group(entry[1])):
        for key, item in entries:
            if begun:
                yield EMPTY
            begun = is_group
            if is_group:
                yield line(Span(_words(key), "bold"))
                yield from _value(key, item, width, full=full)
            else:
                yield from _fact(_words(key), _written(key, item, full=full), label, width)
        begun = True


def _is_group(item: Any) -> bool:
    return (isinstance(item, dict | list) and bool(item)) or (isinstance(item, str) and "\n" in item)


def _words(key: str) -> str:
    """Return a name in words; that of a setting, `limits.min_edge_bps`, as it is written."""
    return printable(key) if "." in key else printable(key).replace("_", " ")


def _fact(name: str, text: str, label: int, width: int) -> list[Line]:
    """Return a named text in lines; one with a word that is wider than the terminal, such as a path, stays whole."""
    room = max(20, width - label)
    if any(lines.columns_of(word) > room for word in text.split()):
        return [line(Span(f"{name:{label}}", "dim"), text)]
    first, *more = wrapped(text, room, indent="") or [EMPTY]
    return [line(Span(f"{name:{label}}", "dim"), *first), *(line(Span(" " * label), *row) for row in more)]


def _value(key: str, item: Any, width: int, *, full: bool) -> Iterator[Line]:
    if isinstance(item, dict):
        if all(isinstance(inner, dict) and not any(map(_is_group, inner.values())) for inner in item.values()):
            names = dict.fromkeys(name for inner in item.values() for name in inner)
            rows = [{"": name} | {of: inner.get(name) for of, inner in item.items()} for name in names]
            yield from _table(key, rows, width, full=full)
        elif all(_number(value) is not None and not _IDS.fullmatch(name) for name, value in item.items()):
            cells = [(printable(name), _written(name, value, full=full)) for name, value in item.items()]
            yield from lines.table((Column(""), Column("", right=True)), cells, width)[1:]
        else:
            yield from (line("  ", *row) for row in _parts(item, width - 2, full=full))
    elif isinstance(item, list) and item and all(isinstance(row, dict) for row in item):
        yield from _table(key, item, width, full=full)
    else:
        texts = item if isinstance(item, list) else str(item).split("\n")
        yield from (row for text in texts for row in wrapped(as_cell(text), width))


def _table(key: str, rows: Rows, width: int, *, full: bool) -> Iterator[Line]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not full:
        names = [name for name in names if any(row.get(name) is not None for row in rows)]
    numeric = {name for name in names if not _IDS.fullmatch(name) and _all_numbers(row.get(name) for row in rows)}
    cells = [[_cell(name, row.get(name), numeric, full=full) for name in names] for row in rows]
    if key in _TOTALLED and rows[1:]:
        cells.append([*_total(names, rows, numeric, full=full)])
    columns = [
        Column(_words(name), right=name in numeric, rank=_RANKS.get(name, 1 if place else -2), folds=name in _FOLDED)
        for place, name in enumerate(names)
    ]
    yield from lines.table(columns, cells, width)
    left_out = len(columns) - len(lines.fitting(columns, cells, width))
    if left_out:
        yield line(Span(f"({left_out} more column{'s' * (left_out > 1)}: --full)", "dim"))


def _all_numbers(values: Iterator[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(_number(value) is not None for value in known)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return Decimal(str(value)) if isinstance(value, float) or _NUMBER.fullmatch(str(value)) else None


def _cell(name: str, value: Any, numeric: set[str], *, full: bool) -> Span:
    text = _written(name, value, full=full) if name in numeric or name.endswith("at") else as_cell(value)
    return Span(text, _STYLES.get(text, ""))


def _written(name: str, value: Any, *, full: bool) -> str:
    """Return a value as people read it: thousands apart, amounts with two decimals, instants to the second."""
    number = None if _IDS.fullmatch(name) else _number(value)
    if number is None:
        text = as_cell(value)
        return text[:19] if not full and (name == "at" or name.endswith("_at")) else text
    if isinstance(value, int):
        return f"{value:,}"
    if full or _EXACT.fullmatch(name):
        number = number if full or int(number.as_tuple().exponent) > -DIGITS else rounded(number, DIGITS)
        whole, _, digits = f"{number:,f}".partition(".")
        digits = digits if full else digits.rstrip("0")
        return f"{whole}.{digits}" if digits else whole
    return short_amount(number, apart=True)


def _total(names: Sequence[str], rows: Rows, numeric: set[str], *, full: bool) -> Iterator[Span]:
    quotes = {
        row.get("quote") or Symbol.of(row["symbol"]).base_and_quote[1]
        for row in rows
        if "quote" in row or "symbol" in row
    }
    for place, name in enumerate(names):
        if name in numeric and (name in _COUNTS or (name in _MONEY and len(quotes) < 2)):
            found = [value for row in rows if (value := row[name]) is not None]
            total = sum(found) if all(isinstance(value, int) for value in found) else f"{sum(map(Decimal, found)):f}"
            yield Span(_written(name, total, full=full), "bold")
        else:
            yield Span("" if place else "total", "bold")
