"""Ids in JSON: texts, in every answer of every command and of the page, whatever their size."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.app.questions import FILTERS, Questions
from arb.cli import main
from arb.config import ReviewOptions, Settings
from arb.documents import EXACT_MAX, encoded
from arb.market.order import Side
from tests.unit.store.alert_stores import Stores
from tests.unit.store.rows import (
    T0,
    a_balance,
    a_decision_book,
    a_fill,
    a_filled_order,
    a_run,
    a_traded_opportunity,
    an_alternative,
    an_incident,
    an_opportunity,
)
from tests.unit.store.rows import a_pair as a_pair_of

pytest.importorskip("pyarrow")
OF_RUN = 10**9
RUNS = {"small ids": 2, "ids beyond 2^53": 1_795_413_979}
COMMANDS = (
    "status", "status --since 2023-11-14", "pairs", "explain PAIR", "report", "incidents", "balances", "alerts", "alerts --all",
    "alerts ack ALERT --reason x",
    "db current", "db check", "db compact", "db rebuild", "export --parquet out", "halt", "resume --reason x", "flatten",
    "sql SELECT/*/FROM/fills", "sql SELECT/id,run_id/FROM/pair_trades", "sql SELECT/*/FROM/v_pair_trades", "sql --connection",
    "run --show-config", "keys list",
)  # fmt: skip


class Kept:
    """A ledger with one of everything that has an id, of one run."""

    def __init__(self, run: int, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'ledger.sqlite'}"
        self.pair, self.alert = run * OF_RUN + 1, run * OF_RUN + 3
        at = run * OF_RUN
        legs = [(at + 1, Side.BUY), (at + 2, Side.SELL)]
        stores = Stores(self.url, folder)
        stores.write(
            a_run(run),
            a_traded_opportunity(at + 1, run_id=run),
            an_opportunity(at + 2, run_id=run),
            a_pair_of(self.pair, run_id=run, opportunity_id=at + 1, decided_ns=T0),
            an_alternative(at + 1, self.pair),
            a_decision_book(at + 1, self.pair),
            *(a_filled_order(one, self.pair, side) for one, side in legs),
            *(a_fill(one, one, side) for one, side in legs),
            a_balance(at + 1, run_id=run),
            an_incident(self.alert, run_id=run, kind="carried", severity="critical", pair_trade_id=self.pair),
            an_incident(at + 4, run_id=run, kind="balance_drift", severity="critical"),
        )
        stores.stop()
        self.ids = {run, *(at + number for number in range(1, 5))}

    def answers(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        """Return what each command, and each question of the page, answers in JSON."""
        found = {}
        for command in COMMANDS:
            words = command.replace("PAIR", str(self.pair)).replace("ALERT", str(self.alert)).split()
            words = [word.replace("/", " ") for word in words]
            main([*words, "--json"] if words[0] in ("run", "keys") else [*words, "--json", "--db", self.url])
            out, err = capsys.readouterr()
            assert out, (command, err)
            found[command] = msgspec.json.decode(out)
        page = Questions(Settings(), "sandbox", self.url).names
        for name, ask in page.items():
            options = ReviewOptions(
                mode="sandbox", db=self.url, rows=dict.fromkeys(FILTERS), ident=str(self.pair), limit=9
            )
            found[f"page {name}"] = msgspec.json.decode(encoded(ask(options)))
        return found


def fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name of each field, with those around it, and its value."""
    match value:
        case dict():
            for name, item in value.items():
                yield from fields(item, f"{path}.{name}")
        case list():
            for item in value:
                yield from fields(item, f"{path}[]")
        case _:
            yield path, value


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_an_id_is_text_in_every_answer(
    run: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = Kept(run, tmp_path)
    shown = 0
    for question, document in kept.answers(capsys).items():
        for path, value in fields(document):
            name = path.rpartition(".")[2].removesuffix("[]")
            where = f"{question}: {path} = {value!r}"
            if type(value) is int:
                assert abs(value) <= EXACT_MAX and value not in kept.ids - {2}, where
            if name == "id" or name.endswith(("_id", "_ids")):
                assert value is None or type(value) is str, where
            shown += type(value) is str and value.isdecimal() and int(value) in kept.ids
    assert shown > 20


NAMES = st.sampled_from(["id", "run_id", "trade_ids", "pairs", "ns", "decided_ns", "took_ms"])
SCALARS = st.none() | st.booleans() | st.text(max_size=3) | st.integers(-(2**70), 2**70) | st.decimals(allow_nan=False)
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))


@given(DOCUMENTS, st.booleans())
def test_no_number_loses_a_digit_in_a_reader_that_knows_doubles_alone(document: Any, dated: bool) -> None:
    doubles = dict(fields(msgspec.json.decode(encoded(document, dated=dated))))
    assert all(int(float(value)) == value for value in doubles.values() if type(value) is int)
    for path, value in fields(document):
        if isinstance(value, int | Decimal) and not isinstance(value, bool) and "[]" not in path:
            assert Decimal(doubles[path]) == value
