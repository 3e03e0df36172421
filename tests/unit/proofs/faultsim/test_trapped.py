"""The judge of closed wallets."""

from pathlib import Path
from typing import Any

import pytest

from proofs.faultsim.trapped import into_a_trap
from tests.unit.proofs.faultsim.test_barred import RESTART, Told, an_event
from tests.unit.proofs.faultsim.test_conduct import a_journal

PAIR = {"type": "PairRecord", "id": 7, "kind": "arb", "symbol": "BTC/USDT", "buy_venue": "gate", "sell_venue": "okx"}


def listed(venue: str, asset: str, *chains: dict[str, Any]) -> Told:
    return an_event(
        1, "CurrenciesListed", venue=venue, assets=[asset], chains=[{"asset": asset} | one for one in chains]
    )


def judged(tmp_path: Path, *entries: Told) -> list[str]:
    return list(into_a_trap(a_journal(tmp_path, *entries)))


@pytest.mark.parametrize(
    ("venue", "asset", "way"),
    [
        ("gate", "BTC", "withdrawal"),
        ("okx", "BTC", "deposit"),
        ("okx", "USDT", "withdrawal"),
        ("gate", "USDT", "deposit"),
    ],
)
def test_a_pair_into_a_trap_is_found_once(tmp_path: Path, venue: str, asset: str, way: str) -> None:
    found = [f"trapped: pair 7 opened though the {way} of {asset} at {venue} is closed"]
    assert judged(tmp_path, listed(venue, asset, {way: False}, {way: False}), (3, PAIR), (4, PAIR)) == found


@pytest.mark.parametrize(
    "entries",
    [
        (listed("gate", "BTC", {"withdrawal": False}, {"withdrawal": True}),),  # another chain is open
        (listed("gate", "BTC", {"withdrawal": False}, {}),),  # or may be
        (listed("gate", "BTC", {"deposit": False}),),  # not needed
        (listed("gate", "BTC"),),
        (listed("gate", "BTC", {"withdrawal": False}), listed("gate", "BTC", {"withdrawal": True})),
        (listed("gate", "BTC", {"withdrawal": False}), RESTART),
        ((0, PAIR), listed("gate", "BTC", {"withdrawal": False})),  # it was open before
    ],
)
def test_what_is_open_or_not_known_is_no_trap(tmp_path: Path, entries: tuple[Told, ...]) -> None:
    assert judged(tmp_path, *entries, (5, PAIR)) == []
