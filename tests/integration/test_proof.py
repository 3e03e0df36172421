"""The long proofs remember what is finished, play red cases again from their seeds, and know when all is green."""

from pathlib import Path

import pytest

from proofs.proof import KILL_COLUMNS, Proof, Rows, kill_cells, play_all, table_of, wanted
from tests.integration.killed import KillResult, carries

GREEN = KillResult(orders_left=2, pairs_left=1, settled_s=3.0, trading_s=4.0)


class Player:
    """Plays cases that are green but for those named."""

    def __init__(self) -> None:
        self.played: list[tuple[str, int]] = []
        self.red = ""

    def __call__(self, name: str, folder: Path, seed: int) -> KillResult:
        assert folder.is_dir()
        self.played.append((name, seed))
        assert name != self.red, "not equal"
        return GREEN


@pytest.fixture
def player() -> Player:
    return Player()


@pytest.fixture
def proof(player: Player) -> Proof:
    return Proof("kills", ("entry", "fill"), player, KILL_COLUMNS, kill_cells)


def test_a_red_case_is_played_again_from_its_seed_and_a_green_one_is_kept(
    tmp_path: Path, proof: Proof, player: Player
) -> None:
    file = tmp_path / "kills.jsonl"
    player.red = "fill"
    play_all(proof, Rows(file), 1, "", 1)
    red = Rows(file)
    assert not red.complete(proof, 1, "")
    assert red.complete(proof, 1, "entry")
    assert "not equal" in table_of(proof, red)

    (_, seed) = player.played.pop()
    player.red, player.played = "", []
    play_all(proof, Rows(file), 1, "", 1)
    assert player.played == [("fill", seed)]
    green = Rows(file)
    assert green.complete(proof, 1, "")
    assert "2 green, 0 red; 1 were red at some time" in table_of(proof, green)


def test_a_line_that_was_not_finished_is_played_again(tmp_path: Path, proof: Proof, player: Player) -> None:
    file = tmp_path / "kills.jsonl"
    play_all(proof, Rows(file), 1, "", 1)
    file.write_bytes(file.read_bytes()[:-20])
    player.played = []
    play_all(proof, Rows(file), 1, "", 1)
    assert [name for name, _ in player.played] == ["fill"]
    assert Rows(file).complete(proof, 1, "")


def test_every_name_comes_once_before_any_comes_twice(proof: Proof) -> None:
    assert list(wanted(proof, 2, "")) == [("entry", 0), ("fill", 0), ("entry", 1), ("fill", 1)]


def test_a_flatten_waits_for_base_that_closed_pairs_carry_and_not_for_what_lies_between_two_fills() -> None:
    between_two_fills = {"pairs": {"open": 1}, "unhedged_notional": "1999.35"}
    assert not carries(between_two_fills)
    assert not carries({"pairs": {"open": 0}, "unhedged_notional": "0"})
    assert carries({"pairs": {"open": 0}, "unhedged_notional": "886.81"})
