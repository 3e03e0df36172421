"""Short ids: their numbers, the texts that are taken, and that neither a later run nor a rebuild changes one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import ConfigError
from arb.store.ledger.queries import LedgerReader
from arb.store.ledger.rebuild import db_rebuild
from arb.store.ledger.short_ids import ShortIds
from tests.unit.store.alert_stores import Stores
from tests.unit.store.rows import T0, a_pair, a_run

OF_RUN = 1_000_000_000
RUNS = (1_795_413_979, 1_795_413_990, 1_795_500_000)


@given(st.sets(st.integers(1_000_000_000, 4_000_000_000), min_size=1, max_size=6), st.integers(0, OF_RUN - 1))
def test_every_short_id_is_read_back_as_the_row_it_was_made_of(runs: set[int], number: int) -> None:
    short_ids = ShortIds(sorted(runs))
    shown = {short_ids.of(run * OF_RUN + number): run * OF_RUN + number for run in runs}
    assert len(shown) == len(runs)
    for text, row_id in shown.items():
        assert short_ids.row_id(text, "pair") == short_ids.row_id(str(row_id), "pair") == row_id


@given(st.sets(st.integers(1_000_000_000, 4_000_000_000), min_size=2, max_size=6))
def test_a_later_run_changes_no_number(runs: set[int]) -> None:
    found = sorted(runs)
    before, after = ShortIds(found[:-1]), ShortIds(found)
    assert [after.number(run) for run in found[:-1]] == [before.number(run) for run in found[:-1]]


@pytest.mark.parametrize(
    "text", ["", "-", "3-", "-17", "3-17-1", "3 17", "-1", "1.5", "x", "\N{ARABIC-INDIC DIGIT ONE}", "1-1000000000"]
)
def test_any_other_text_is_no_pair(text: str) -> None:
    with pytest.raises(ConfigError, match="is no pair: write RUN-NUMBER"):
        ShortIds(RUNS).row_id(text, "pair")


def test_the_id_of_a_run_that_the_ledger_lacks_stays_as_it_is() -> None:
    assert ShortIds(RUNS).of(5 * OF_RUN + 1) == str(5 * OF_RUN + 1)
    assert ShortIds(()).of(7) == "7"


def test_a_rebuild_gives_every_pair_the_same_short_id(db_url: str, tmp_path: Path) -> None:
    stores = Stores(db_url, tmp_path)
    rows = [(run, a_pair(run * OF_RUN + 17, run_id=run, decided_ns=T0 + place)) for place, run in enumerate(RUNS)]
    stores.write(*(row for run, pair in rows for row in (a_run(run), pair)))
    stores.stop()

    def shown() -> list[str]:
        reader = LedgerReader(db_url)
        return [reader.short_ids().of(row["id"]) for row in reader.pairs()]

    assert shown() == ["3-17", "2-17", "1-17"]
    db_rebuild(db_url, stores.path)
    assert shown() == ["3-17", "2-17", "1-17"]
