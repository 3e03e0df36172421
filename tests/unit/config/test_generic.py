"""Which exchanges may stand under `[generic] venues`."""

from pathlib import Path

import pytest

from arb.config import load_settings
from arb.errors import ConfigError


@pytest.mark.parametrize(
    ("venues", "said"),
    [
        ('["krakn"]', r"\[generic\] venues: 'krakn' is no exchange that ccxt.pro knows: did you mean 'kraken'\?"),
        ('["gate"]', r"'gate' has an adapter: drop it here, and set enabled = true in \[venues.gate\]"),
        ('["kraken", "kucoin", "kraken"]', "give every entry once"),
        ('"kraken"', r"venues"),
        ('["test"]', r"'test' is no exchange"),
        ('[""]', r"'' is no exchange"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, venues: str, said: str) -> None:
    (tmp_path / "config.toml").write_text(f"[generic]\nvenues = {venues}\n")
    with pytest.raises(ConfigError, match=said):
        load_settings(tmp_path / "config.toml")


def test_exchanges_that_ccxt_knows_are_taken(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[generic]\nvenues = ["kraken", "kucoin"]\n')
    assert load_settings(tmp_path / "config.toml").generic.venues == ("kraken", "kucoin")
