"""Rates on the command line: basis points, with or without their unit, or per cent."""

from decimal import Decimal
from pathlib import Path

import click
import pytest

from arb.cli.root import main
from arb.cli.shared import RATE


@pytest.mark.parametrize("text", ["", "-1", "ten", "1e3", "6%", "501", "10 bps", "nan", "1" * 40])
def test_what_is_no_fee_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no fee"):
        RATE.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "bps"), [("10", "10"), ("10bps", "10"), ("0.1%", "10"), ("0", "0"), ("2.5bps", "2.5"), ("5%", "500")]
)
def test_every_spelling_means_basis_points(text: str, bps: str) -> None:
    assert RATE.convert(text, None, None) == Decimal(bps)


def test_a_bad_fee_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = tmp_path / "t.jsonl"
    tape.touch()
    assert main(["replay", str(tape), "--fee", "half"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1 and "0.1%" in told.err
