"""The commands that read a ledger, at the command line: what they write, and what never stands in it."""

import sys
from pathlib import Path

import msgspec
import pytest

from arb.cli import main
from arb.cli.progress import progress
from arb.store.ledger.database import open_engine
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.writer import Writer
from tests.unit.store.rows import T0, a_pair, a_run

Captured = pytest.CaptureFixture[str]
pytest.importorskip("pyarrow")


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
    assert "is no pair: give an id as `arb pairs` shows it" in err


def test_a_whole_id_of_nineteen_digits_is_looked_up(ledger: str, capsys: Captured) -> None:
    assert main(["explain", "1795413979000000003", "--db", ledger]) == 2
    assert "no pair trade 1795413979000000003 in this ledger" in capsys.readouterr().err


def test_every_number_that_pairs_shows_is_taken_by_explain_as_that_pair(ledger: str, capsys: Captured) -> None:
    """A number counts within the latest run: one of an earlier run would name another pair."""
    engine, of_run = open_engine(ledger), 1_000_000_000
    pairs = [
        a_pair(of_run + 1, decided_ns=T0, closed_ns=None),
        a_pair(2 * of_run + 1, run_id=2, decided_ns=T0 + 5_000, closed_ns=None),
    ]
    with engine.begin() as connection:
        Writer("sqlite").write(connection, [a_run(1), a_run(2, started_ns=T0 + 1), *pairs])
    engine.dispose()
    assert main(["pairs", "--json", "--db", ledger]) == 0
    shown = msgspec.json.decode(capsys.readouterr().out)["pairs"]
    assert [(pair["id"], pair["number"]) for pair in shown] == [(str(2 * of_run + 1), 1), (str(of_run + 1), None)]
    for pair in shown:
        for ident in [pair["id"], pair["number"]] if pair["number"] else [pair["id"]]:
            assert main(["explain", str(ident), "--json", "--db", ledger]) == 0
            assert msgspec.json.decode(capsys.readouterr().out)["pair"]["id"] == pair["id"]
