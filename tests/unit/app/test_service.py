"""`arb service`: which units are written, and that a person's changes stay."""

import importlib.util
import os
import pwd
from pathlib import Path

import pytest

from arb.app.service import ServiceOptions, Unit, install, status, uninstall, units
from arb.cli import main
from arb.config import load_settings
from arb.errors import ConfigError

HOMELESS = 4242
OWNER = next(
    user for user in pwd.getpwall() if user.pw_uid == (os.geteuid() or user.pw_uid or -1) and Path(user.pw_dir).is_dir()
)
"""A user who has a home: this one, or for root any other."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "con fig%.toml"
    path.write_text(
        "[live]\nenabled = true\n[timing]\nshutdown_deadline_s = 45\n[store]\nurl = 'sqlite:///var/MODE.sqlite'\n"
    )
    if os.geteuid() == 0:
        os.chown(path, OWNER.pw_uid, OWNER.pw_gid)
    return path


def options(config: Path, mode: str = "paper", **more: object) -> ServiceOptions:
    return ServiceOptions(mode=mode, config=config, folder=config.parent / "units", **more)  # type: ignore[arg-type]


def lines(config: Path, mode: str = "paper", **more: object) -> tuple[list[str], list[str]]:
    engine, companion = units(load_settings(config), options(config, mode, **more))
    return engine.text.splitlines(), companion.text.splitlines()


def test_an_engine_with_real_orders_needs_the_second_consent_here_too(config: Path) -> None:
    with pytest.raises(ConfigError, match="--live on the command line missing"):
        lines(config, "live")
    engine, companion = lines(config, "live", live=True)
    assert next(line for line in engine if line.startswith("ExecStart")).endswith(" --mode live --live")
    assert not [line for line in (*companion, *lines(config, "paper", live=True)[0]) if "--live" in line]


def test_a_stop_waits_longer_than_open_pairs_may_take_and_bad_settings_are_not_tried_again(config: Path) -> None:
    engine, _ = lines(config)
    assert {"TimeoutStopSec=105", "KillMode=mixed", "RestartPreventExitStatus=2", "StartLimitBurst=5"} <= set(engine)
    assert f'--config "{config.parent}/con fig%%.toml"' in "\n".join(engine)


def test_only_an_engine_that_compiles_may_write_code(config: Path) -> None:
    numba = importlib.util.find_spec("numba") is not None
    engine, companion = lines(config)
    assert f"MemoryDenyWriteExecute={'no' if numba else 'yes'}" in engine
    assert "MemoryDenyWriteExecute=yes" in companion
    config.write_text(config.read_text() + "[engine]\nfast_books = false\n")
    assert "MemoryDenyWriteExecute=yes" in lines(config)[0]


def test_only_secrets_with_a_file_are_loaded_and_only_those_of_the_process(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config.parent))
    store = config.parent / "credstore"
    store.mkdir()
    (store / "GATE_API_KEY").write_text("not-to-be-shown")
    engine, companion = lines(config, "live", live=True)
    assert f"LoadCredential=GATE_API_KEY:{store}/GATE_API_KEY" in engine
    assert f"#LoadCredential=GATE_API_SECRET:{store}/GATE_API_SECRET" in engine
    assert [line for line in companion if "LoadCredential=" in line] == [
        f"#LoadCredential={name}:{store}/{name}" for name in ("ARB_ALERT_URLS", "ARB_WAKE_URLS")
    ]
    assert not [line for line in (*engine, *companion) if "not-to-be-shown" in line]
    assert not [line for line in lines(config)[0] if "LoadCredential" in line]


def test_a_unit_of_the_machine_runs_as_the_owner_of_the_settings_and_writes_to_the_stores_only(config: Path) -> None:
    engine, companion = lines(config, system=True)
    for unit in (engine, companion):
        places = {line.partition("=")[2] for line in unit if line.startswith("ReadWritePaths")}
        assert places == {str(config.parent / "var"), f"{OWNER.pw_dir}/.local/state/arb"}
        assert {"ProtectSystem=strict", "NoNewPrivileges=yes", "LimitCORE=0", "PrivateTmp=yes"} <= set(unit)
        assert f"User={OWNER.pw_name}" in unit
    if os.geteuid() == 0:
        for uid in (0, HOMELESS):
            os.chown(config, uid, uid)
            with pytest.raises(ConfigError, match="chown it to a user with a home"):
                lines(config, system=True)


def test_an_unchanged_unit_is_replaced_and_a_changed_one_refused_with_both_left_as_they_are(config: Path) -> None:
    settings = load_settings(config)
    first = install(settings, options(config))
    assert [unit["before"] for unit in first["units"]] == ["missing", "missing"]
    assert (config.parent / "var").stat().st_mode & 0o777 == 0o700
    assert [unit["before"] for unit in install(settings, options(config, demo=True))["units"]] == ["older", "older"]
    assert [unit["before"] for unit in install(settings, options(config, demo=True))["units"]] == ["same", "same"]
    engine, companion = (Path(unit["path"]) for unit in first["units"])
    companion.write_text(companion.read_text() + "Nice=5\n")
    engine.unlink()
    with pytest.raises(ConfigError, match="was changed since") as refused:
        install(settings, options(config))
    assert str(companion) in str(refused.value) and not engine.exists()
    assert [unit["file"] for unit in status(settings, options(config))["units"]] == ["missing", "changed"]
    uninstall(settings, options(config))
    assert companion.read_text().endswith("Nice=5\n")


def test_a_unit_of_an_earlier_version_counts_as_unchanged(tmp_path: Path) -> None:
    Unit(tmp_path / "a.service", "old\n").write()
    assert Unit(tmp_path / "a.service", "new\n").state() == "older"


def test_a_dry_run_prints_the_units_and_writes_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = config.parent / "units"
    asked = ["service", "install", "--dry-run", "--config", str(config), "--mode", "paper", "--dir", str(folder)]
    assert main(asked) == 0
    assert capsys.readouterr().out.count("[Service]") == 2
    assert not folder.exists() and not (config.parent / "var").exists()
