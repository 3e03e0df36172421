"""What the commands share: answers on stdout, exact as JSON and readable as text; fee rates with or without their unit."""

from decimal import Decimal
from pathlib import Path

import click
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.cli import main
from arb.cli.answers import to_json, to_text
from arb.cli.shared import DURATION, RATE
from arb.config import Settings
from arb.config.loader import load_text
from arb.view.lines import text_of

Captured = pytest.CaptureFixture[str]
_DOUBLE_HASH_OF_NOTHING = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_becomes_a_plain_string_without_exponent(number: Decimal) -> None:
    written = msgspec.json.decode(to_json({"x": number}))["x"]
    assert Decimal(written) == number
    assert "e" not in written.lower()


def test_show_config_prints_what_reads_back_and_no_secret(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATE_API_SECRET", "hunter22-hunter22")
    (tmp_path / "config.toml").write_text("[limits]\nmin_edge_bps = '0.1%'\n")
    assert main(["run", "--show-config"]) == 0
    said = capsys.readouterr()
    assert load_text(said.out, Settings, "shown").limits.min_edge_bps == 10
    assert "hunter22" not in said.out + said.err
    assert "# $GATE_API_SECRET: set" in said.out


def test_show_config_as_json_is_one_document(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--show-config", "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["limits"]["min_edge_bps"] == "6"


def test_sign_takes_query_body_and_timestamp_literally(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATE_API_KEY", "key")
    monkeypatch.setenv("GATE_API_SECRET", "hunter22-hunter22")
    arguments = ["sign", "gate", "get", "/api/v4/spot/orders", "--query", "a=b c&d", "--timestamp", "01541993715"]
    assert main([*arguments, "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out)
    assert set(report) == {"body_sha512", "string_to_sign", "signature", "headers"}
    assert report["string_to_sign"].split("\n")[:3] == ["GET", "/api/v4/spot/orders", "a=b c&d"]
    assert report["string_to_sign"].endswith("\n01541993715")
    assert report["body_sha512"].startswith(_DOUBLE_HASH_OF_NOTHING)


def test_the_schema_is_made_shown_and_checked(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("upgrade", "current", "check"):
        assert main(["db", command, "--json"]) == 0, command
        document = msgspec.json.decode(capsys.readouterr().out)
        assert document["db"] == "sqlite:///var/sandbox.sqlite"
        assert document["revision"] if command != "check" else document["ok"] is True
    assert (tmp_path / "var" / "sandbox.sqlite").is_file()


def test_a_faulty_schema_is_listed_and_ends_with_exit_code_3(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.sqlite").touch()
    assert main(["db", "check", "--db", "sqlite:///empty.sqlite", "--json"]) == 3
    said = capsys.readouterr()
    assert msgspec.json.decode(said.out)["faults"]
    assert said.err.startswith("arb: ledger ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "text", ["", "-1", "ten", "1e3", "6%", "501bps", "10 bps", "10", "0.001", "0", "nan", "1" * 40]
)
def test_what_is_no_fee_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no fee"):
        RATE.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "bps"), [("10bps", "10"), ("0.1%", "10"), ("0%", "0"), ("2.5bps", "2.5"), ("5%", "500")]
)
def test_every_spelling_means_basis_points(text: str, bps: str) -> None:
    assert RATE.convert(text, None, None) == Decimal(bps)


@pytest.mark.parametrize("text", ["50", "0.5", "0ms", "-1s", "1 s", "1d"])
def test_a_length_of_time_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write for example 500ms"):
        DURATION.convert(text, None, None)


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("1.5m", 90), ("1h", 3600)])
def test_every_unit_of_time_is_understood(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


def test_a_bad_fee_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = tmp_path / "t.jsonl"
    tape.touch()
    assert main(["replay", str(tape), "--fee", "half"]) == 2
    reported = capsys.readouterr()
    assert reported.out == ""
    assert reported.err.count("\n") == 1 and "0.1%" in reported.err


def test_what_others_wrote_moves_no_cursor_and_begins_no_line() -> None:
    hostile = "X\x1b[2J\r\x9b31m\u202e"
    for document in (
        {"coin": hostile},
        {"rows": [{"symbol": hostile}, {"symbol": "a\nb"}]},
        [hostile],
        {"text": f"a\n{hostile}"},
    ):
        lines = [text_of(row) for row in to_text(document)]
        assert all(line.isprintable() for line in lines), lines
    assert len(to_text({"rows": [{"symbol": "a\nb"}]})) == 3
