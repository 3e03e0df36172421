"""Symbols written into a config.toml: the value of one key, and not a byte besides."""

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.config import load_settings
from arb.config.writing import with_symbols, write_symbols
from arb.errors import ConfigError

CHOSEN = ("BTC/USDT", "SOL/USDT")
ARRAY = '["BTC/USDT", "SOL/USDT"]'
BEFORE, AFTER = (
    '# mine\n\n[run] # of # this\nmode = "paper"\n',
    '\nlog_level   =  "info" # loud\n\n[limits]\nmin_edge_bps = 3\n',
)


@pytest.mark.parametrize(
    "value",
    [
        '["ETH/USDT"]',
        "[]",
        '[ # one, "two" and ]\n  "ETH/USDT", # ] the best\n\n  \'ADA/USDT\',\n]',
        '["""ETH/USDT""", "A\\"]/B"]',
        '"auto"',
    ],
)
@pytest.mark.parametrize("comment", ["", "  # what is traded: [BTC]"])
def test_only_the_value_changes_whatever_stands_around_it(value: str, comment: str) -> None:
    text = f"{BEFORE}symbols={value}{comment}{AFTER}"
    assert with_symbols(text, CHOSEN, "c.toml") == f"{BEFORE}symbols={ARRAY}{comment}{AFTER}"


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", f"\n[run]\nsymbols = {ARRAY}\n"),
        ("[limits]\nmin_edge_bps = 3", f"[limits]\nmin_edge_bps = 3\n\n[run]\nsymbols = {ARRAY}\n"),
        ("[run]", f"[run]\nsymbols = {ARRAY}\n"),
        ("[run] # mine\nmode = 'paper'\n", f"[run] # mine\nsymbols = {ARRAY}\nmode = 'paper'\n"),
        ("run.symbols = ['A/B'] # x\n", f"run.symbols = {ARRAY} # x\n"),
        ("[run]\r\nsymbols = ['A/B']\r\nmode = 'paper'\r\n", f"[run]\r\nsymbols = {ARRAY}\r\nmode = 'paper'\r\n"),
    ],
)
def test_where_there_is_no_such_key_one_is_made(text: str, changed: str) -> None:
    assert with_symbols(text, CHOSEN, "c.toml") == changed


@pytest.mark.parametrize(
    "text",
    [
        "run = {symbols = ['A/B']}\n",
        "run = {mode = 'paper'}\n",
        "run.mode = 'paper'\n",
        '[run]\n# """\n[limits]\n# """\nsymbols = ["A/B"]\n',  # looks as if the table of limits stood within a text
    ],
)
def test_what_cannot_be_replaced_for_certain_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"c.toml: \[run\] symbols cannot be replaced in this form"):
        with_symbols(text, CHOSEN, "c.toml")


@pytest.mark.thorough
@given(st.lists(st.from_regex(r"[A-Z0-9]{1,8}/USDT", fullmatch=True), min_size=1, max_size=80, unique=True))
def test_the_projects_own_file_reads_back_with_any_symbols_and_means_the_same_otherwise(symbols: list[str]) -> None:
    text = (Path(__file__).parents[3] / "config.toml").read_text(encoding="utf-8")
    changed = with_symbols(text, symbols, "config.toml")
    read, before = tomllib.loads(changed), tomllib.loads(text)
    assert read["run"].pop("symbols") == symbols and before["run"].pop("symbols")
    assert read == before
    begin = text.index("symbols = [")
    assert changed.startswith(text[:begin]) and changed.endswith(text[text.index("# the allow-list") :])


def test_the_file_keeps_its_mode_and_a_link_goes_on_pointing_to_it(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "config.toml"
    real.write_text('[run]\nsymbols = ["ETH/USDT"]\n')
    real.chmod(0o640)
    link.symlink_to("real.toml")
    write_symbols(link, CHOSEN)
    assert link.is_symlink() and stat.S_IMODE(real.stat().st_mode) == 0o640
    assert load_settings(link).run.symbols == CHOSEN
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "real.toml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[limits."ETH/USDT"]\nmin_edge_bps = 4\n', "ETH/USDT is not in [run] symbols"),
        ('[venues.gate]\nsymbols = ["ETH/USDT"]\n', "add it there, or drop it here"),
        ("[run\n", "not valid TOML"),
    ],
)
def test_settings_that_would_not_start_are_refused_and_the_file_is_as_it_was(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        write_symbols(path, CHOSEN)
    assert said in str(refused.value) and str(refused.value).startswith(f"{path}: ")
    assert path.read_text() == text and [*tmp_path.iterdir()] == [path]


def test_a_byte_order_mark_stays_the_first_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[run]\nsymbols = ['A/B']\n", encoding="utf-8-sig")
    write_symbols(path, CHOSEN)
    assert path.read_bytes() == b"\xef\xbb\xbf" + f"[run]\nsymbols = {ARRAY}\n".encode()


def test_a_file_that_is_not_there_or_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(ConfigError, match=r"no such file: make one with `arb init`"):
        write_symbols(path, CHOSEN)
    path.write_text("[run]\n")
    (tmp_path / ".config.toml.new").write_text("left by another")
    with pytest.raises(
        ConfigError, match=r"cannot be written: .config.toml.new: File exists: another writes it, or did"
    ):
        write_symbols(path, CHOSEN)
    assert (path.read_text(), (tmp_path / ".config.toml.new").read_text()) == ("[run]\n", "left by another")
