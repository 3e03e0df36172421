"""Limits are amounts of the quote; real books in a quote that is no dollar need limits of their own."""

from pathlib import Path

import pytest

from arb.config import Mode, load_settings
from arb.config.quotes import MONEY, require_own_limits
from arb.config.starter import Wanted, write_starter
from arb.errors import ConfigError
from tests.builders import D

TEXT = '[run]\nsymbols = ["ETH/BTC"]\nreport_currency = "BTC"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("mode", [Mode.PAPER, Mode.LIVE])
def test_defaults_that_are_meant_for_dollars_start_nothing_on_real_books_in_another_quote(
    tmp_path: Path, mode: Mode
) -> None:
    path = write(tmp_path, TEXT + "[limits]\nmax_notional_quote = 0.02\n")
    with pytest.raises(ConfigError, match="the quote BTC is no dollar") as refused:
        require_own_limits(load_settings(path), mode, path)
    assert all(f"[limits] {name}" in str(refused.value) for name in MONEY if name != "max_notional_quote")
    assert ("[live] ramp_start_quote" in str(refused.value)) is (mode is Mode.LIVE)


@pytest.mark.parametrize("quote", ["USDT", "USDC", "USD", "FDUSD", "DAI", "TUSD", "PYUSD", "USDE"])
def test_dollars_need_none(tmp_path: Path, quote: str) -> None:
    path = write(tmp_path, f'[run]\nsymbols = ["ETH/{quote}"]\nreport_currency = "{quote}"\n')
    require_own_limits(load_settings(path), Mode.LIVE, path)


def test_the_sandbox_needs_none(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    require_own_limits(load_settings(path), Mode.SANDBOX, path)


@pytest.mark.parametrize("mode", [Mode.PAPER, Mode.LIVE])
def test_first_settings_hold_every_amount_in_proportion_to_what_one_pair_may_pay(tmp_path: Path, mode: Mode) -> None:
    path = tmp_path / "config.toml"
    settings = write_starter(path, Wanted(venues=("gate", "okx"), symbols=("ETH/BTC",), max_notional=D("0.02")))
    require_own_limits(settings, mode, path)
    assert settings.limits.max_notional_quote == D("0.02")
    assert settings.limits.daily_loss_quote == D("0.001")
    assert settings.live.ramp_start_quote == D("0.0005")
    assert settings.venues.enabled()["okx"].max_order_value_quote == D("0.05")
