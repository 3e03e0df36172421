"""The answer of `arb watch --write-files`: the places of the files, and the setting that the metrics need."""

from pathlib import Path

import pytest

from arb.app.watch import write_desk_files
from arb.config import MetricsSettings
from arb.errors import ConfigError


def test_where_no_address_is_set_the_answer_has_the_setting_to_add(tmp_path: Path) -> None:
    answer = write_desk_files(tmp_path, MetricsSettings())
    assert answer["set"] == '[metrics] listen = "127.0.0.1:9464"'
    assert sorted(answer["written"]) == sorted(str(path) for path in tmp_path.iterdir())


def test_an_address_that_is_set_is_the_one_to_scrape(tmp_path: Path) -> None:
    answer = write_desk_files(tmp_path, MetricsSettings(listen="127.0.0.1:9999"))
    assert "set" not in answer and "127.0.0.1:9999" in (tmp_path / "prometheus.yml").read_text(encoding="utf-8")


def test_a_text_that_is_no_address_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[metrics\] listen"):
        write_desk_files(tmp_path, MetricsSettings(listen="9464"))
    assert [*tmp_path.iterdir()] == []
