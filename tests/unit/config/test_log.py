"""`[log]`: what is refused."""

from pathlib import Path

import pytest

from arb.config import LogFormat, LogPlace, load_settings
from arb.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('modules = { "arb.live.nod" = "debug" }', '"arb.live.nod" is no module of arb'),
        ('modules = { "os.path" = "debug" }', '"os.path" is no module of arb'),
        ('modules = { "arb.live" = "loud" }', '[log] modules."arb.live" = "loud": give one of debug, info'),
        ('format = "xml"', "give one of 'text', 'json'"),
        ('to = "/var/log/arb.log"', "give one of 'stderr', 'file'"),
        ("file_max_mb = 0", "[log] file_max_mb = 0: give at least 1"),
        ("files_max = 1", "[log] files_max = 1: give at least 2"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[log]\n{text}")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_modules_files_and_form_are_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[log]\nmodules = { "arb.venues.gate" = "debug", "arb.live.node" = "error" }\nto = "file"\nformat = "json"'
    )
    log = load_settings(path).log
    assert log.modules == {"arb.venues.gate": "debug", "arb.live.node": "error"}
    assert (log.to, log.format) == (LogPlace.FILE, LogFormat.JSON)
