"""`[watch]` and `[alerts]`: the hours of the day, the heartbeat's address, which may be a secret, and what is refused."""

from pathlib import Path

import pytest

from arb.cli.shared import settings_from
from arb.config import AlertSettings, Settings, WatchSettings, load_settings
from arb.config.show import as_toml
from arb.errors import ConfigError
from arb.masking import SECRETS

BEAT = "https://beats.example/ping/5d1e7f0a9b3c"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[watch]\nhung_after_ms = 5", "unknown key: did you mean 'hung_after_s'?"),
        ("[watch]\nhung_after_s = 0", "= 0: give a whole number of seconds from 1"),
        ('[watch]\nheartbeat_url = "beats.example/ping"', "[watch] heartbeat_url: give a whole address"),
        ('[watch]\nheartbeat_url = "file:///etc/passwd"', "[watch] heartbeat_url: give a whole address"),
        ('[watch]\nheartbeat_url = "http://[::1"', "[watch] heartbeat_url: give a whole address"),
        ('[alerts]\nrepeat_after_m = "1h"', '= "1h": give a whole number of minutes'),
        ("[alerts]\nwake_after_m = 0", "= 0: give a whole number of minutes from 1"),
        ('[alerts]\nquiet_utc = "22-6"', '[alerts] quiet_utc = "22-6": give two different times of the UTC day'),
        ('[alerts]\nquiet_utc = "24:00-06:00"', "give two different times"),
        ('[alerts]\nquiet_utc = "06:00-06:00"', "give two different times"),
        ('[alerts]\nurls = "tgram://x/y"', "unknown key"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_quiet_hours_are_minutes_of_the_utc_day_and_none_by_default() -> None:
    assert AlertSettings(quiet_utc="22:00-06:30").quiet_minutes() == (1_320, 390)
    begin, end = AlertSettings().quiet_minutes()
    assert begin == end


def test_the_path_of_the_heartbeat_is_shown_nowhere(tmp_path: Path) -> None:
    assert "5d1e7f0a9b3c" not in as_toml(Settings(watch=WatchSettings(heartbeat_url=BEAT)), {})
    path = tmp_path / "config.toml"
    path.write_text(f'[watch]\nheartbeat_url = "{BEAT}"')
    settings_from(path)
    assert SECRETS.masked(f"cannot reach {BEAT}, nor /ping/5d1e7f0a9b3c") == "cannot reach ***, nor /***"
