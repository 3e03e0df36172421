"""Which venues a run has: the usual ones, those that are enabled besides, those named; a sandbox omits some and says so."""

import logging
from typing import Any, cast

import msgspec
import pytest

from arb.app.build import engine_settings, simulated, warn_of_unsimulated
from arb.config import Mode, Settings
from arb.config.coins import coin_rule
from arb.errors import ConfigError
from arb.live.embedded import Sandbox
from arb.venues.kit.base import OrderGateway


def settings_with(*venues: str) -> Settings:
    """Return the default settings with `venues` enabled besides."""
    settings = Settings()
    every = settings.venues.every()
    enabled = {venue: msgspec.structs.replace(every[venue], enabled=True) for venue in venues}
    return msgspec.structs.replace(settings, venues=msgspec.structs.replace(settings.venues, **enabled))


class Simulating:
    """What is asked of a sandbox here: which venues it announced."""

    announced: dict[str, Any] = {"venues": {"gate": {}, "okx": {}, "bitget": {}}}  # noqa: RUF012


def test_three_venues_are_enabled_without_a_word_and_others_where_they_are_asked_for() -> None:
    assert list(Settings().venues.enabled()) == ["gate", "okx", "bitget"]
    assert list(settings_with("binance").venues.enabled()) == ["gate", "okx", "bitget", "binance"]


def test_a_sandbox_leaves_out_what_it_does_not_simulate_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_unsimulated(Settings(), cast(Sandbox, Simulating()))
    assert caplog.records == []
    with caplog.at_level(logging.WARNING):
        warn_of_unsimulated(settings_with("bybit", "binance"), cast(Sandbox, Simulating()))
    assert len(caplog.records) == 1


def test_paper_trades_at_all_that_are_enabled() -> None:
    settings = settings_with("bybit", "binance")
    gateways = {venue: cast(OrderGateway, Proved()) for venue in settings.venues.enabled()}
    made = engine_settings(settings, gateways, coin_rule(settings, Mode.PAPER, sandbox=False), Mode.PAPER)
    assert {profile.venue for profile in made.venues} == {"gate", "okx", "bitget", "bybit", "binance"}
    presumed = {profile.venue for profile in made.venues if not profile.enforces_expiry}
    assert presumed == {"bybit", "binance"}  # as when they are live
    assert settings.paper.taker_fee("bybit") == settings.paper.taker_fee("okx")


class Proved:
    """What is asked of a gateway here: that it refuses what has expired."""

    expiry_proved = True


def test_named_venues_take_the_place_of_those_enabled_and_unknown_ones_are_refused() -> None:
    named = Settings().venues.only(("bybit", "gate"))
    assert list(named.enabled()) == ["gate", "bybit"]
    assert named.bybit == msgspec.structs.replace(Settings().venues.bybit, enabled=True)
    with pytest.raises(
        ConfigError, match="--venues: mtgox: no such venue: there are gate, okx, bitget, bybit, binance"
    ):
        Settings().venues.only(("gate", "mtgox"))


def test_an_embedded_sandbox_simulates_its_usual_venues_and_others_that_are_enabled() -> None:
    settings = Settings()
    assert simulated(settings) == ("gate", "okx", "bitget")
    only = msgspec.structs.replace(settings, venues=settings.venues.only(("gate", "bybit", "binance")))
    assert simulated(only) == ("gate", "okx", "bitget", "bybit", "binance")
