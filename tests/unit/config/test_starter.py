"""The first config.toml: made new, and for its user alone whatever the process allows others."""

import os
import stat
from pathlib import Path

import pytest

from arb.config.writing import Wanted, write_starter
from arb.errors import ConfigError

WANTED = Wanted(venues=("gate", "bitget"), symbols=("BTC/USDT",))


def test_a_file_that_came_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_starter(path, WANTED)
    assert path.read_text() == "mine"


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_starter(tmp_path / "c.toml", WANTED)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "c.toml").stat().st_mode) == 0o600


def test_a_symbol_that_breaks_the_file_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        write_starter(tmp_path / "c.toml", Wanted(venues=("gate", "okx"), symbols=('A"/USDT',)))
    assert list(tmp_path.iterdir()) == []
