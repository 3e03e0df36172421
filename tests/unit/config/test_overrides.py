"""Keys of config.toml that are given on the command line by `--set KEY=VALUE`."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.config import Settings, load_settings, overridden, read_overrides
from arb.config.loader import load_text
from arb.core.messages.settings import OFF, Limits
from arb.errors import ConfigError


def _set(*texts: str, on: Settings | None = None) -> Settings:
    return overridden(Settings() if on is None else on, read_overrides(texts))


def _complaint(*texts: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _set(*texts)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits.min_egde_bps=3", "--set limits.min_egde_bps: unknown key: did you mean 'min_edge_bps'?"),
        ("limit.min_edge_bps=3", "--set limit.min_edge_bps: limit: unknown table: did you mean 'limits'?"),
        ("venues.gat.enabled=false", "--set venues.gat.enabled: gat: unknown table: did you mean 'gate'?"),
        ("limits=5", "--set limits: must be a table: write [limits]"),
        ("limits.min_edge_bps.x=5", ('--set limits.min_edge_bps.x: min_edge_bps = {...}: '
            'give basis points, for example 10, "10bps" or "0.1%"')),
        ("limits.min_edge_bps=four",
            '--set limits.min_edge_bps = "four": give basis points, for example 10, "10bps" or "0.1%"'),
        ("timing.max_skew_ms=2s", '--set timing.max_skew_ms = "2s": give a whole number of milliseconds, for example 100'),
        ("timing.max_skew_ms=1\nmax_feed_lag_ms=2", ('--set timing.max_skew_ms = "1�max_feed_lag_ms=2": '
            "give a whole number of milliseconds, for example 100")),
        ("limits.max_price_ratio_bps=0", ("--set limits.max_price_ratio_bps: [limits] max_price_ratio_bps = 0: no two books "
            "ever show one price: give for example 100, or 10000 to bound nothing")),
        ("limits.venue.gaet.min_edge_bps=1", ("--set limits.venue.gaet.min_edge_bps: [limits.venue.gaet]: unknown venue"
            ": did you mean 'gate'?")),
    ],
)  # fmt: skip
def test_a_key_or_value_that_config_toml_refuses_is_refused_in_one_line_that_names_the_option(
    text: str, said: str
) -> None:
    assert _complaint(text) == said


@pytest.mark.parametrize(
    "text", ["", "=", "=4", "limits", "limits.min_edge_bps", "limits..min_edge_bps=4", ".a=4", "a.=4"]
)
def test_what_is_no_key_and_value_is_refused_with_an_example(text: str) -> None:
    assert _complaint(text).endswith(
        "is no KEY=VALUE with a key of config.toml: write for example --set limits.min_edge_bps=4"
    )


def test_a_key_that_is_given_twice_is_refused() -> None:
    assert _complaint("limits.min_edge_bps=4", "limits.min_edge_bps=5") == (
        "--set limits.min_edge_bps: is given twice: give it once"
    )


def test_a_key_and_the_table_around_it_are_not_both_possible() -> None:
    assert _complaint("limits.min_edge_bps=4", "limits=5") == (
        "--set limits: and limits.min_edge_bps are not both possible: give it once"
    )


def test_a_whole_table_is_refused() -> None:
    assert _complaint("paper.balances={ USDT = 5 }") == (
        "--set paper.balances: is given a whole table: set each of its keys: write for example --set limits.min_edge_bps=4"
    )


def test_a_complaint_never_shows_what_may_be_a_password() -> None:
    assert "secret" not in _complaint("store.url=postgresql://me:secret@host/db?", "limits.min_edge_bps=x")
    assert "secret" not in _complaint("store.url.x=postgresql://me:secret@host/db")


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("limits.min_edge_bps=4", Limits(min_edge_bps=Decimal(4))),
        ("limits.min_edge_bps = 0.04%", Limits(min_edge_bps=Decimal("4.00"))),
        ('limits."min_edge_bps"="4bps"', Limits(min_edge_bps=Decimal(4))),
        ("limits.leg_cost=off", Limits(leg_cost=OFF)),
        ("limits.max_open_pairs=1", Limits(max_open_pairs=1)),
    ],
)
def test_a_value_needs_no_quotes_of_its_own(text: str, limits: Limits) -> None:
    assert _set(text).limits == limits


@pytest.mark.parametrize(
    "key", ["limits.BTC/USDT.min_edge_bps", 'limits."BTC/USDT".min_edge_bps', "limits.'BTC/USDT'.min_edge_bps"]
)
def test_the_limits_of_a_symbol_keep_what_was_not_given(key: str) -> None:
    before = load_text('[limits."BTC/USDT"]\nmin_edge_bps = 3\nmax_notional_quote = 70', Settings, "config.toml")

    of = _set(f"{key}=9", on=before).limits.symbol["BTC/USDT"]

    assert (of.min_edge_bps, of.max_notional_quote) == (Decimal(9), Decimal(70))


def test_everything_else_stays_as_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[limits]\nmin_edge_bps = 3\n[paper]\nbalances = { BTC = 1 }\n[venues.okx]\nenabled = false\n")
    before = load_settings(path)

    after = _set("paper.balances.USDT=500", "paper.fees.gate=0.1%", on=before)

    assert after.paper.balances == {"BTC": 1, "USDT": 500}
    assert after.paper.taker_fee("gate") == Decimal("0.001")
    assert after.limits == before.limits
    assert not after.venues.okx.enabled


def test_only_the_tables_that_are_asked_for_are_put_on_a_part_of_the_settings() -> None:
    overrides = read_overrides(["limits.min_edge_bps=4", "timing.max_skew_ms=7"])

    assert overrides.under("limits").names == ("limits.min_edge_bps",)
    assert overrides.under("timing", "limits").names == overrides.names


@given(st.decimals(min_value=0, max_value=10_000, places=4), st.integers(1, 10**9))
def test_a_key_means_what_the_same_line_of_the_file_means(rate: Decimal, whole: int) -> None:
    text = f"[limits]\nmin_edge_bps = {rate:f}\n[timing]\nmax_skew_ms = {whole}\n"

    assert _set(f"limits.min_edge_bps={rate:f}", f"timing.max_skew_ms={whole}") == load_text(
        text, Settings, "config.toml"
    )
