"""The bands of `[inventory]` in config.toml: read as shares or amounts, shown so that they read back, refused when wrong."""

from decimal import Decimal
from pathlib import Path

import pytest

from arb.config import Settings, load_settings
from arb.config.loader import load_text
from arb.config.show import as_toml, plain
from arb.core.messages.settings import Band
from arb.errors import ConfigError

GOOD = """
[inventory]
skew_max_bps = "3bps"
[inventory.venue.gate.BTC]
low_share = "15%"
target_share = "0.33"
high_share = 0.6
[inventory.venue.okx.USDT]
low_amount = 0
target_amount = 10000
high_amount = "25000.5"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(written(folder, text))
    line = str(caught.value)
    assert "\n" not in line
    return line


def edges(kind: str, **stated: object) -> str:
    return "[inventory.venue.gate.BTC]\n" + "".join(f"{edge}_{kind} = {value}\n" for edge, value in stated.items())


def test_bands_are_shares_or_amounts_and_read_back_as_they_are_shown(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, GOOD))
    assert settings.inventory.skew_max_bps == 3
    assert settings.inventory.venue == {
        "gate": {"BTC": Band(low_share=Decimal("0.15"), target_share=Decimal("0.33"), high_share=Decimal("0.6"))},
        "okx": {"USDT": Band(low_amount=Decimal(0), target_amount=Decimal(10000), high_amount=Decimal("25000.5"))},
    }
    assert load_text(as_toml(settings, {}), Settings, "shown").inventory == settings.inventory
    assert plain(settings, {})["inventory"]["venue"]["okx"]["USDT"]["high_amount"] == "25000.5"


def test_without_any_there_are_none() -> None:
    assert load_text("", Settings, "config.toml").inventory == Settings().inventory
    assert Settings().inventory.venue == {}
    assert Settings().inventory.skew_max_bps == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[inventory.venue.gat.BTC]", "[inventory.venue.gat]: unknown venue: did you mean 'gate'?"),
        (
            "[inventory.venue.gate.BCT]",
            "[inventory.venue.gate.BCT]: BCT is in none of [run] symbols: did you mean 'BTC'?",
        ),
        ("[inventory.venue.gate.BTC]", "lacks low_share and target_share and high_share"),
        (edges("share", low="0.1", high="0.5"), "[inventory.venue.gate.BTC] lacks target_share: a band has a low edge"),
        (edges("amount", low=1), "lacks target_amount and high_amount"),
        (edges("share", low="0.1", target="0.2", high="0.3") + "low_amount = 1", "mixes shares and amounts"),
        (edges("share", low="0.4", target="0.3", high="0.5"), "low_share = 0.4 is not below target_share = 0.3"),
        (edges("amount", low=1, target=2, high=2), "target_amount = 2 is not below high_amount = 2"),
        (
            "".join(
                edges("share", low="0.6", target="0.7", high="0.8").replace("gate", venue) for venue in ("gate", "okx")
            ),
            "[inventory] the low shares of BTC add up to 1.2",
        ),
        (
            edges("share", low="1.5"),
            '[inventory.venue.gate.BTC] low_share = 1.5: give a share from 0 to 1, or from "0%"',
        ),
        (edges("share", low='"abc%"'), 'low_share = "abc%": give a share, for example "0.25" or "25%"'),
        (
            "[inventory.venue.gate]\nBTC = 3",
            "[inventory.venue.gate] BTC: must be a table: write [inventory.venue.gate.BTC]",
        ),
        ("[inventory.venue]\ngate = 3", "[inventory.venue] gate: must be a table: write [inventory.venue.gate.NAME]"),
        ("[inventory]\nvenue = 3", "[inventory] venue: must be a table: write [inventory.venue.NAME.NAME]"),
        (
            "[inventory.venue.gate.BTC]\nlow = 3",
            "[inventory.venue.gate.BTC] low: unknown key: did you mean 'low_share'?",
        ),
        ("[inventory]\nskew_bps = 3", "[inventory] skew_bps: unknown key: did you mean 'skew_max_bps'?"),
    ],
)
def test_a_band_that_cannot_be_kept_is_refused_with_its_table_and_the_remedy(
    tmp_path: Path, text: str, said: str
) -> None:
    assert said in complaint(tmp_path, text)
