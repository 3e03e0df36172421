"""The commands that read a ledger, at the command line: what they write, and what never stands in it."""

import sys
from pathlib import Path

import msgspec
import pytest
from click.shell_completion import ShellComplete

from arb.cli import main
from arb.cli.progress import progress
from arb.cli.root import cli
from arb.store.ledger.database import open_engine
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.writer import Writer
from tests.unit.store.rows import T0, a_pair, a_run

Captured = pytest.CaptureFixture[str]
pytest.importorskip("pyarrow")
OF_RUN = 1_000_000_000
FIRST, SECOND = 1_795_413_979, 1_795_413_990


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    upgrade("sqlite:///ledger.sqlite")
    return "sqlite:///ledger.sqlite"


def test_without_a_directory_nothing_is_exported(ledger: str, capsys: Captured) -> None:
    assert main(["export", "--db", ledger]) == 2
    assert capsys.readouterr().err == "arb: Missing option '--parquet': see `arb export --help`\n"


def test_a_directory_that_cannot_be_used_is_one_line_and_exit_code_2(
    ledger: str, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letters.txt").write_text("mine")
    assert main(["export", "--parquet", "out", "--db", ledger]) == 2
    assert capsys.readouterr() == (
        "",
        "arb: export out: holds letters.txt, which no export put there; choose an empty directory\n",
    )


def test_what_was_written_is_one_json_document_and_stderr_stays_empty(
    ledger: str, tmp_path: Path, capsys: Captured
) -> None:
    assert main(["export", "--parquet", "out", "--db", ledger, "--json"]) == 0
    out, err = capsys.readouterr()
    answer = msgspec.json.decode(out)
    assert err == ""
    assert answer["rows"] == 0 and answer["files"] == len(list((tmp_path / "out").rglob("*.parquet")))
    assert {table["table"] for table in answer["tables"]} >= {"runs", "orders", "fills", "v_pair_trades"}


@pytest.mark.parametrize("somebody_looks", [True, False])
def test_progress_is_drawn_on_stderr_and_never_on_stdout(
    somebody_looks: bool, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: somebody_looks)
    with progress() as on_progress:
        on_progress("orders", 10, 40)
    assert capsys.readouterr().out == ""


COMMANDS = (
    "status", "status --json", "pairs", "explain 1", "report", "report --json", "report --html page.html",
    "export --parquet out", "db current", "db check", "db upgrade", "db rebuild", "db compact", "halt", "resume --reason x",
    "flatten", "alerts --all", "alerts ack 1 --reason x", "sql --connection", "sql SELECT/nothing",
    "run --show-config", "run --show-config --json",
)  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("has_run", [False, True], ids=["empty", "with a run"])
@pytest.mark.parametrize("way", ["address", "query"])
def test_no_command_shows_the_password_of_a_postgresql_ledger(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, way: str, has_run: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    secret = "hunter/22-hunter"
    url = (
        postgres_url.replace("postgres:@", f"postgres:{secret}@")
        if way == "address"
        else postgres_url.replace("postgres:@", "postgres@") + f"&password={secret}"
    )
    assert secret in url
    (tmp_path / "config.toml").write_text(f"[store]\nurl = '{url}'\n")
    (tmp_path / "config.toml").chmod(0o600)
    if has_run:
        upgrade(url)
        engine = open_engine(url)
        with engine.begin() as connection:
            Writer(engine.dialect.name).write(connection, [a_run(1), a_pair(1)])
        engine.dispose()
    for command in COMMANDS:
        main(command.split())
        said = "".join(capsys.readouterr())
        assert "hunter" not in said, command
        main([*command.split(), "--db", url] if "run" not in command else ["run", "--mode", "live", "--db", url])
        assert "hunter" not in "".join(capsys.readouterr()), command
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "config.toml"]
    assert [path for path in files if b"hunter" in path.read_bytes()] == []
    assert not has_run or (tmp_path / "page.html").is_file()


@pytest.mark.parametrize("number", ["9" * 19, "9" * 5000, str(2**63)], ids=["19 digits", "5000 digits", "2^63"])
def test_a_number_that_no_database_holds_is_no_pair(ledger: str, capsys: Captured, number: str) -> None:
    assert main(["explain", number, "--db", ledger]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and len(err) < 250
    assert "is no pair: write RUN-NUMBER, for example 3-17, or 17 for the newest run" in err


def test_a_whole_id_of_nineteen_digits_is_looked_up(ledger: str, capsys: Captured) -> None:
    assert main(["explain", "1795413979000000003", "--db", ledger]) == 2
    assert "no pair trade 1795413979000000003 in this ledger" in capsys.readouterr().err


@pytest.fixture
def two_runs(ledger: str) -> str:
    """Return a ledger with a pair of each of two runs; the later run has the pair of number 1, too."""
    engine = open_engine(ledger)
    pairs = [
        a_pair(FIRST * OF_RUN + 17, run_id=FIRST, decided_ns=T0, closed_ns=None),
        a_pair(SECOND * OF_RUN + 1, run_id=SECOND, decided_ns=T0 + 5_000, closed_ns=None),
    ]
    with engine.begin() as connection:
        Writer("sqlite").write(connection, [a_run(FIRST), a_run(SECOND, started_ns=T0 + 1), *pairs])
    engine.dispose()
    return ledger


def test_every_id_that_pairs_shows_is_taken_by_explain_as_that_pair(two_runs: str, capsys: Captured) -> None:
    assert main(["pairs", "--json", "--db", two_runs]) == 0
    shown = msgspec.json.decode(capsys.readouterr().out)["pairs"]
    assert [(pair["id"], pair["short_id"]) for pair in shown] == [
        (str(SECOND * OF_RUN + 1), "2-1"),
        (str(FIRST * OF_RUN + 17), "1-17"),
    ]
    for ident, pair in [(pair[name], pair) for pair in shown for name in ("id", "short_id")] + [("1", shown[0])]:
        assert main(["explain", ident, "--json", "--db", two_runs]) == 0
        found = msgspec.json.decode(capsys.readouterr().out)["pair"]
        assert (found["id"], found["short_id"]) == (pair["id"], pair["short_id"])


def test_a_list_of_pairs_names_the_id_behind_which_it_continues(two_runs: str, capsys: Captured) -> None:
    assert main(["pairs", "--limit", "1", "--json", "--db", two_runs]) == 0
    first = msgspec.json.decode(capsys.readouterr().out)
    assert ([pair["short_id"] for pair in first["pairs"]], first["older"]) == (["2-1"], "2-1")
    assert main(["pairs", "--before", "2-1", "--json", "--db", two_runs]) == 0
    rest = msgspec.json.decode(capsys.readouterr().out)
    assert ([pair["short_id"] for pair in rest["pairs"]], rest["older"]) == (["1-17"], None)
    assert main(["pairs", "--before", "1-17", "--json", "--db", two_runs]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["empty"] == "no older pair trade"
    assert main(["pairs", "--before", "1-18", "--db", two_runs]) == 2
    assert "no pair trade 1-18 in this ledger: the nearest is 1-17" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ident", "line"),
    [
        ("1-18", "no pair trade 1-18 in this ledger: the nearest is 1-17"),
        ("17", "no pair trade 2-17 in this ledger: the nearest is 2-1"),
        ("3-1", "no run 3 in this ledger: the newest is 2"),
        ("0-1", "no run 0 in this ledger: the newest is 2"),
        ("1-x", "'1-x' is no pair: write RUN-NUMBER, for example 3-17, or 17 for the newest run"),
    ],
)
def test_an_unknown_id_is_one_line_with_the_nearest_valid_form(
    two_runs: str, capsys: Captured, ident: str, line: str
) -> None:
    assert main(["explain", ident, "--db", two_runs]) == 2
    assert capsys.readouterr().err == f"arb: {line}\n"


@pytest.mark.parametrize("run", ["1", str(FIRST)], ids=["number", "id"])
def test_a_run_is_selected_by_its_number_or_its_id(two_runs: str, capsys: Captured, run: str) -> None:
    assert main(["pairs", "--run", run, "--json", "--db", two_runs]) == 0
    assert [pair["short_id"] for pair in msgspec.json.decode(capsys.readouterr().out)["pairs"]] == ["1-17"]


@pytest.mark.parametrize(
    ("option", "line"),
    [
        (("--venue", "krakn"), "venue 'krakn' is not in this ledger: known are bitget, gate, okx"),
        (("--venue", "gat"), "venue 'gat' is not in this ledger: did you mean 'gate'?"),
        (("--symbol", "BTC/USDD"), "symbol 'BTC/USDD' is not in this ledger: did you mean 'BTC/USDT'?"),
        (("--run", "3"), "no run 3 in this ledger: the newest is 2"),
    ],
)
@pytest.mark.parametrize("command", ["pairs", "status", "report", "alerts"])
def test_an_unknown_name_of_a_row_is_one_line_with_the_known_ones(
    two_runs: str, capsys: Captured, command: str, option: tuple[str, str], line: str
) -> None:
    assert main([command, *option, "--db", two_runs]) == 2
    assert capsys.readouterr() == ("", f"arb: {line}\n")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["pairs", "--venue", "g"], ["gate"]),
        (["report", "--symbol", "BT"], ["BTC/USDT"]),
        (["pairs", "--config", "none.toml", "--venue", ""], []),
    ],
)
def test_a_shell_completes_venues_and_symbols_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], found: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    completion = ShellComplete(cli, {}, "arb", "_ARB_COMPLETE")
    assert [item.value for item in completion.get_completions(words[:-1], words[-1])] == found
