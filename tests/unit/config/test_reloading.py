"""Settings read again: what a running engine takes, and what is refused by name or as a whole."""

from decimal import Decimal

import msgspec
import pytest

from arb.config import LogLevel, Settings
from arb.config.loader import load_text
from arb.config.reloading import reloaded
from arb.errors import ConfigError

BEFORE = Settings()


def now(text: str) -> Settings:
    return load_text(text, Settings, "config.toml")


def test_nothing_changed_is_nothing_to_do() -> None:
    found = reloaded(BEFORE, now(""))
    assert (found.settings, found.applied, found.refused, found.companion) == (BEFORE, (), (), ())


def test_limits_and_log_levels_are_taken_and_shown_with_their_values() -> None:
    text = '[limits]\nmin_edge_bps = 8\n[limits."BTC/USDT"]\nmax_notional_quote = 500\n[run]\nlog_level = "debug"\n'
    found = reloaded(BEFORE, now(text + '[log]\nmodules = { "arb.live" = "error" }'))
    assert found.settings.limits.min_edge_bps == Decimal(8)
    assert found.settings.run.log_level is LogLevel.DEBUG
    assert found.applied == (
        "run.log_level info -> debug",
        "limits.min_edge_bps 6 -> 8",
        "log.modules.arb.live - -> error",
        'limits.symbol."BTC/USDT".max_notional_quote - -> 500',
    )
    assert found.refused == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[run]\nsymbols = ["BTC/USDT"]', "run.symbols"),
        ('[limits]\ntrapped = "ignore"', "limits.trapped"),
        ('[limits]\nunproved_coin = "refuse"', "limits.unproved_coin"),
        ("[timing]\nleg_deadline_ms = 9000", "timing.leg_deadline_ms"),
        ("[venues.gate]\nmax_orders_per_minute = 5", "venues.gate.max_orders_per_minute"),
        ("[live]\nenabled = true", "live.enabled"),
        ('[log]\nto = "file"', "log.to"),
        ('[metrics]\nlisten = "127.0.0.1:9464"', "metrics.listen"),
        ('[network]\nproxy = "http://me:hunter22@127.0.0.1:1"', "network.proxy"),
    ],
)
def test_anything_else_is_refused_by_its_name_only(text: str, name: str) -> None:
    found = reloaded(BEFORE, now(text + "\n[repair]\nleg_loss_max_bps = 40"))
    assert (found.settings, found.applied) == (BEFORE, ())
    assert sorted(found.refused) == sorted([name, "repair.leg_loss_max_bps"])


def test_settings_of_the_companion_are_named_and_no_change_of_the_engine() -> None:
    found = reloaded(BEFORE, now('[alerts]\nquiet_utc = "22:00-06:30"\n[watch]\nhung_after_s = 9'))
    assert (found.applied, found.refused) == ((), ())
    assert found.companion == ("watch.hung_after_s", "alerts.quiet_utc")


def test_a_change_that_needs_another_one_which_waits_for_a_restart_is_refused_whole() -> None:
    """The guard next to the signer keeps its old bound: larger pairs would be refused there, on one leg."""
    text = "[limits]\nmax_notional_quote = 50000\nmin_edge_bps = 8\n"
    text += "".join(f"[venues.{venue}]\nmax_order_value_quote = 100000\n" for venue in ("gate", "okx", "bitget"))
    with pytest.raises(ConfigError, match="max_order_value_quote = 5000 is below") as refused:
        reloaded(BEFORE, now(text))
    assert "\n" not in str(refused.value)


def test_a_second_reload_compares_with_the_first() -> None:
    first = reloaded(BEFORE, now("[limits]\nmin_edge_bps = 8")).settings
    assert reloaded(first, now("")).applied == ("limits.min_edge_bps 8 -> 6",)
    assert msgspec.structs.replace(first, limits=BEFORE.limits) == BEFORE
