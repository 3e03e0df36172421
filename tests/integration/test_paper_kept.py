"""The long proof of paper (`make paper`) for half a minute: a small market, the same misfortunes closer together."""

from pathlib import Path

import pytest

from proofs.paper import prove
from tests.support.seeds import drawn_seed


@pytest.mark.thorough
def test_paper_is_kept_up_on_venues_that_misbehave_and_leaves_nothing_open(tmp_path: Path) -> None:
    seed = drawn_seed()
    table, wrong = prove(tmp_path, seed, symbols=30, minutes=0.5)
    assert wrong == [], "\n".join([f"seed {seed}", *wrong, *table])
    assert sum(line.split()[0] in ("gate", "okx", "bitget", "bybit", "binance") for line in table if line) == 5
