"""The first config.toml: made new, and for its user alone whatever the process allows others."""

import os
import stat
from decimal import Decimal
from pathlib import Path

import pytest

from arb.config import Settings
from arb.config.quotes import SMALL
from arb.config.starter import Wanted, write_starter
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


def test_a_smaller_pair_has_smaller_limits_but_dust_and_cents_stay_those_of_the_venues(tmp_path: Path) -> None:
    wanted = Wanted(venues=("gate", "okx"), symbols=("BTC/USDT",), max_notional=Decimal(200), daily_loss=Decimal(7))
    settings, usual = write_starter(tmp_path / "c.toml", wanted), Settings()
    assert settings.limits.max_symbol_quote * 10 == usual.limits.max_symbol_quote
    assert settings.limits.daily_loss_quote == 7
    assert settings.venues.enabled()["okx"].max_order_value_quote == 500
    assert {key: getattr(settings.limits, key) for key in SMALL} == {key: getattr(usual.limits, key) for key in SMALL}
    assert settings.live.ramp_start_quote == usual.live.ramp_start_quote


def test_without_other_choices_every_limit_is_the_default(tmp_path: Path) -> None:
    settings = write_starter(tmp_path / "c.toml", WANTED)
    assert (settings.limits, settings.paper, settings.live) == (Settings().limits, Settings().paper, Settings().live)


def test_only_where_a_venue_does_not_report_the_right_to_withdraw_a_user_is_to_confirm_that_it_is_absent(
    tmp_path: Path,
) -> None:
    path = tmp_path / "c.toml"
    write_starter(path, Wanted(venues=("gate", "okx", "bybit", "binance"), symbols=("BTC/USDT",)))
    tables = path.read_text().split("\n[venues.")
    asked = [table.partition("]")[0] for table in tables if "withdrawal_disabled_confirmed" in table]
    assert asked == ["gate"]
