"""What the command line answers to a mistake: one line on stderr, nothing on stdout, the right exit code."""

from pathlib import Path

import click
import pytest

from arb.cli import main
from arb.cli.root import LazyGroup, exit_code_of
from arb.cli.shared import ADMIN_URL, DURATION
from arb.errors import ArbError, CheckFailed, ConfigError, InvariantError, StoreError, VenueUnreachable
from tests.support.old_files import unpacked

Captured = pytest.CaptureFixture[str]


def _refused(capsys: Captured, *arguments: str, exit_code: int = 2) -> str:
    assert main(arguments) == exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("arb: ")
    return said.err


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("GATE_API_KEY", "GATE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("frobnicate", "No such command 'frobnicate': see `arb --help`"),
        ("run --frob", "No such option '--frob'"),
        ("run --for 30x", "'30x' is no length of time with its unit: write for example 500ms, 30s, 5m or 1h"),
        ("run --for 0s", "'0s' is no length of time"),
        ("run --for 30", "'30' is no length of time with its unit"),
        (
            "status --db postgres://me:hunter22@h/d",
            "--db: 'postgres://me:***@h/d': write postgresql:// instead of postgres://",
        ),
        ("run --seed -1", "'--seed'"),
        ("run --seed one", "'--seed'"),
        ("run --sandbox localhost", "'localhost' is no sandbox on this machine: write http://127.0.0.1:PORT/admin"),
        (
            "run --sandbox http://example.com:80/admin",
            "is no sandbox on this machine: write http://127.0.0.1:PORT/admin",
        ),
        ("run --sandbox http://127.0.0.1.example.com:80/admin", "is no sandbox on this machine"),
        ("run --sandbox http://localhost@example.com:80/admin", "is no sandbox on this machine"),
        ("run --mode dry", "'dry' is not one of 'sandbox', 'paper', 'live'"),
        ("sandbox --port 70000", "'--port'"),
        ("sandbox --faults absent.json", "'absent.json' does not exist"),
        ("replay", "Missing argument 'DAYS...'"),
        ("replay absent.jsonl", "'absent.jsonl' does not exist"),
        ("record", "Missing option '--out'"),
        ("tape convert", "Missing argument 'FILE...'"),
        ("tape convert absent.jsonl --parquet", "'absent.jsonl' does not exist"),
        ("record --out x --every 1", "'1' is no length of time with its unit"),
        ("record --out x --size 100", "'100' is no size with its unit: write for example 500kB, 100MB or 2GB"),
        ("record --out x --size 0MB", "'0MB' is no size with its unit"),
        ("scan absent.json", "'absent.json' does not exist"),
        ("books absent.jsonl --at 3", "'absent.jsonl' does not exist"),
        ("resume", "Missing option '--reason'"),
        ("explain", "Missing argument 'ID'"),
        (f"run --db sqlite:///{'a' * 120}.sqlite", "are too long for the system, which takes"),
        (f"run --db sqlite:///{'d' * 90}/{'d' * 90}/{'a' * 90}.sqlite", "choose a shorter --db"),
        *(
            (f"{command} --db sqlite:///{'a' * 230}.sqlite", "the file's name is too long: 200 characters are the most")
            for command in ("run", "status", "pairs", "explain 1", "halt", "db upgrade")
        ),
        ("sign gate GET", "Missing argument 'PATH'"),
        ("sign gate GET /api/v4/x", "GATE_API_KEY is not set: export it"),
        ("db upgrade --db mysql://me:hunter22@h/d", "--db: 'mysql://me:***@h/d' is no database URL"),
        *(
            (f"{command} --db nonsense", "--db: 'nonsense' is no database URL")
            for command in ("run", "status", "pairs", "explain 1", "halt", "db current")
        ),
        ("run --config absent.toml", "absent.toml: no such file"),
        ("run --config .", ".: is a directory"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(capsys: Captured, arguments: str, said: str) -> None:
    assert said in _refused(capsys, *arguments.split())


@pytest.mark.parametrize(
    "command",
    [
        *("run", "replay tape", "status", "pairs", "explain 1", "halt", "resume --reason x"),
        *("scan tape", "books tape", "sign gate GET /api/v4/x", "sandbox", "db current"),
    ],
)
def test_every_command_refuses_a_config_with_an_unknown_key(capsys: Captured, tmp_path: Path, command: str) -> None:
    (tmp_path / "tape").write_text("")
    (tmp_path / "bad.toml").write_text("[limits]\nmin_egde_bps = 3\n")
    said = _refused(capsys, *command.split(), "--config", "bad.toml")
    assert said == "arb: bad.toml:2: [limits] min_egde_bps: unknown key: did you mean 'min_edge_bps'?\n"


def test_the_config_beside_us_is_read_without_being_named(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[limits]\nmin_edge_bps = '5 ms'\n")
    assert "config.toml:2: [limits] min_edge_bps" in _refused(capsys, "run")


@pytest.mark.parametrize(
    ("enabled", "arguments", "missing"),
    [
        (False, "--mode live", "[live] enabled = true in the settings and --live on the command line missing"),
        (False, "--mode live --live", "twice: [live] enabled = true in the settings missing"),
        (True, "--mode live", "twice: --live on the command line missing"),
        (False, "--mode live --live --environment demo", "twice: [live] enabled = true in the settings missing"),
    ],
)
def test_live_mode_names_the_consent_that_is_missing(
    capsys: Captured, tmp_path: Path, enabled: bool, arguments: str, missing: str
) -> None:
    (tmp_path / "config.toml").write_text(f"[live]\nenabled = {str(enabled).lower()}\n")
    assert missing in _refused(capsys, "run", *arguments.split())


def test_live_mode_needs_both_consents_from_the_file_too(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[run]\nmode = 'live'\n[live]\nenabled = true\n")
    assert "--mode live: " in _refused(capsys, "run")


def test_live_mode_without_a_key_names_what_to_set_where(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[live]\nenabled = true\n")
    said = _refused(capsys, "run", "--mode", "live", "--live")
    assert "gate: no key: set GATE_API_KEY and GATE_API_SECRET in the environment or in .env" in said
    said = _refused(capsys, "run", "--mode", "live", "--live", "--environment", "demo")
    assert "gate: no key: set DEMO_GATE_API_KEY and DEMO_GATE_API_SECRET" in said


@pytest.mark.parametrize("arguments", ["--seed 7", "--sandbox embedded"])
def test_what_means_nothing_in_live_mode_is_refused(capsys: Captured, tmp_path: Path, arguments: str) -> None:
    (tmp_path / "config.toml").write_text("[live]\nenabled = true\n")
    assert f"{arguments.split()[0]}: " in _refused(capsys, "run", "--mode", "live", "--live", *arguments.split())


def test_a_seed_for_real_markets_is_refused(capsys: Captured) -> None:
    assert "--seed: " in _refused(capsys, "run", "--mode", "paper", "--seed", "7")


def test_consent_to_real_orders_is_refused_where_none_are_sent(capsys: Captured) -> None:
    assert "--live: " in _refused(capsys, "run", "--live")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_resumption_needs_a_reason(capsys: Captured, reason: str) -> None:
    assert "--reason: give the reason" in _refused(capsys, "resume", "--reason", reason)


def test_a_ledger_that_does_not_exist_is_named(capsys: Captured) -> None:
    assert "l.sqlite" in _refused(capsys, "db", "current", "--db", "sqlite:///l.sqlite")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (StoreError("x"), 2),
        (CheckFailed("x"), 3),
        (VenueUnreachable("gate", "x"), 3),
        (ArbError("x"), 3),
        (InvariantError("x"), 4),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: ArbError, code: int) -> None:
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30.0), ("500ms", 0.5), ("5m", 300.0), ("1h", 3600.0), ("1.5s", 1.5)]
)
def test_a_length_of_time_is_read_in_its_unit(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


def test_an_admin_address_is_kept_without_its_last_slash() -> None:
    assert ADMIN_URL.convert("http://127.0.0.1:8080/admin/", None, None) == "http://127.0.0.1:8080/admin"
    with pytest.raises(click.BadParameter):
        ADMIN_URL.convert("http://key:secret@127.0.0.1:8080/admin", None, None)


def test_an_unknown_command_is_not_looked_for_in_any_module() -> None:
    group = LazyGroup("arb")
    assert group.get_command(click.Context(group), "os.system") is None


@pytest.mark.parametrize(
    ("word", "line"), [("statsu", "No such command 'statsu'. Did you mean 'status'?"), ("zzz", "No such command 'zzz'")]
)
def test_an_unknown_command_is_one_line_with_the_nearest(word: str, line: str, capsys: Captured) -> None:
    assert main([word]) == 2
    assert capsys.readouterr() == ("", f"arb: {line}: see `arb --help`\n")


def test_settings_named_for_a_runs_own_tape_which_is_replayed_under_its_own_are_refused(
    capsys: Captured, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text("[limits]\nmin_edge_bps = 3\n")
    tape = unpacked("second.tape.jsonl", tmp_path)
    said = _refused(capsys, "replay", str(tape), "--config", str(tmp_path / "config.toml"))
    assert "--config: the tape of a run is replayed under its own limits" in said and "--set" in said
