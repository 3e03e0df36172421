"""Answers for a person and for a spreadsheet: tables that fit, numbers that are whole, and CSV that others read."""

import csv
import io
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.cli import main
from arb.cli.answers import rows_as_csv, to_csv, to_text
from arb.view.lines import text_of, width_of
from tests.unit.cli.test_review import FIRST, OF_RUN, ledger, two_runs

Captured = pytest.CaptureFixture[str]
__all__ = ["ledger", "two_runs"]  # fixtures
PAIR = {"pair": "3-17", "symbol": "BTC/USDT", "net": Decimal("1234.5678"), "state": "completed", "took_ms": 12345}


def text(document: Any, width: int = 80, *, full: bool = False) -> list[str]:
    return [text_of(row).rstrip() for row in to_text(document, width=width, full=full)]


def test_scalars_and_tables_have_headings_and_what_is_empty_is_left_out() -> None:
    document = {
        "db": "sqlite",
        "net": {"USDT": Decimal("1E+1"), "BTC": Decimal("0.00012345")},
        "pairs": [{"pair": "1-1", "state": "completed"}, {"pair": "1-12", "state": None}],
        "halted": None,
        "ok": True,
        "none": [],
        "lines": "a\nb",
    }
    assert text(document) == [
        *("db    sqlite", ""),
        *("net", "USDT    10.00", "BTC   0.00012", ""),
        *("pairs", "pair  state", "1-1   completed", "1-12  -", ""),
        *("ok    yes", "none  none", ""),
        *("lines", "a", "b"),
    ]
    assert "halted  -" in text(document, full=True)


def test_numbers_are_ranged_right_with_thousands_apart_and_two_decimals() -> None:
    rows = [PAIR, PAIR | {"net": Decimal("-0.5"), "took_ms": 7}]
    assert text({"pairs": rows})[1:] == [
        "pair  symbol         net  state      took ms",
        "3-17  BTC/USDT  1,234.57  completed   12,345",
        "3-17  BTC/USDT     -0.50  completed        7",
    ]
    assert "1,234.5678" in "\n".join(text({"pairs": rows}, full=True))


@pytest.mark.parametrize("number", ["9" * 40 + ".123456789", "-" + "1" * 60, "0." + "0" * 50 + "1"])
@pytest.mark.parametrize("full", [False, True])
def test_a_number_of_any_length_is_shown(number: str, full: bool) -> None:
    shown = text({"rows": [{"net": Decimal(number), "size": Decimal(number)}]}, 400, full=full)[2].replace(",", "")
    assert number.partition(".")[0] in shown


def test_a_total_adds_up_counts_and_the_money_of_one_quote() -> None:
    rows = [{"symbol": f"{base}/USDT", "pairs": 2, "net": Decimal("0.1")} for base in ("BTC", "ETH")]
    assert text({"symbols": rows})[-1].split() == ["total", "4", "0.20"]
    rows[1]["symbol"] = "ETH/USDC"
    assert text({"symbols": rows})[-1].split() == ["total", "4"]


def test_where_columns_do_not_fit_the_least_important_are_left_out_and_counted() -> None:
    narrow = text({"pairs": [PAIR]}, 30)
    assert narrow[1:] == ["pair  symbol         net", "3-17  BTC/USDT  1,234.57", "(2 more columns: --full)"]


WORDS = st.text("ab c-", min_size=1, max_size=60)
VALUES = st.none() | st.integers(-(10**12), 10**12) | st.decimals(-(10**9), 10**9, places=8) | WORDS


@given(
    st.lists(
        st.fixed_dictionaries({"id": st.integers(0, 2**62), "net": VALUES, "size": VALUES, "text": WORDS}), max_size=4
    ),
    st.integers(40, 200),
)
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(rows: list[dict[str, Any]], width: int) -> None:
    made = to_text({"rows": rows}, width=width)
    assert all(width_of(row) <= width for row in made)
    shown = "\n".join(map(text_of, made)).replace(",", "")
    for row in rows:
        if type(row["net"]) is int and all(type(other["net"]) in (int, Decimal) for other in rows):
            assert str(row["net"]) in shown


def test_a_path_stays_whole_however_long() -> None:
    path = f"sqlite:///{'folder/' * 20}ledger.sqlite"
    assert text({"db": path, "note": "a b"}, 60) == [f"db    {path}", "note  a b"]


def test_a_long_text_is_folded_within_its_column() -> None:
    found = text(
        {"checks": [{"check": "clock", "found": "nothing keeps this machine's clock as its kernel reports"}]}, 40
    )
    assert found[2:] == ["clock  nothing keeps this machine's", "       clock as its kernel reports"]


@given(
    st.lists(
        st.tuples(st.none() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False), st.text()), max_size=5
    )
)
def test_csv_is_read_back_by_another_reader_to_the_last_digit(rows: list[tuple[Any, str]]) -> None:
    written = to_csv(("realised_net", "text"), rows)
    [head, *read] = list(csv.reader(io.StringIO(written, newline=""), strict=True))
    assert head == ["realised_net", "text"] and len(read) == len(rows)
    for (number, _), (shown, _) in zip(rows, read, strict=True):
        assert (shown == "") if number is None else (Decimal(shown) == number and "E" not in shown.upper())
    assert written.count("\r\n") == len(rows) + 1


def test_without_rows_csv_has_nothing_to_name() -> None:
    assert rows_as_csv(()) == ""


def test_pairs_as_csv_have_the_names_and_the_values_of_the_view(two_runs: str, capsys: Captured) -> None:
    assert main(["pairs", "--csv", "--db", two_runs]) == 0
    [later, earlier] = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert (earlier["id"], earlier["short_id"]) == (str(FIRST * OF_RUN + 17), "1-17")
    with sqlite3.connect(Path("ledger.sqlite")) as plain_sql:
        asked = plain_sql.execute("SELECT * FROM v_pair_trades ORDER BY decided_ns DESC")
        view = [dict(zip([column[0] for column in asked.description], row, strict=True)) for row in asked]
    same = {name for name in view[0] if not name.endswith(("_e8", "_at"))} - {"duration_ms"}
    assert same <= later.keys()
    for shown, row in zip((later, earlier), view, strict=True):
        for name in same:
            kept = "" if row[name] is None else str(row[name])
            assert shown[name] == kept or Decimal(shown[name]) == Decimal(kept), name


def test_one_answer_has_one_form(two_runs: str, capsys: Captured) -> None:
    assert main(["pairs", "--csv", "--json", "--db", two_runs]) == 2
    assert capsys.readouterr().err == "arb: --csv and --json: give one of them\n"


@pytest.mark.parametrize(
    "command", ["pairs", "status", "status --since 2023-11-14", "report", "alerts --all", "incidents", "explain 1"]
)
def test_every_answer_fits_eighty_columns_and_has_no_style_when_it_is_piped(
    two_runs: str, capsys: Captured, command: str
) -> None:
    assert main([*command.split(), "--db", two_runs]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and max(map(len, shown.splitlines())) <= 80
