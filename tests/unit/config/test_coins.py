"""The table of coins: what ships is provenanced and proves what is said of it, and a bad line of anybody's is refused."""

import json
from pathlib import Path

import msgspec
import pytest

from arb.config import Mode, RunSettings, Settings, load_settings
from arb.config.coins import COLUMNS, coin_rule, known_coins, read_coins
from arb.core.messages.settings import Limits, UnprovedCoin
from arb.errors import ConfigError
from arb.market.coins import NATIVE, Coin, CoinTable, Verdict
from arb.venues.registry import SPECS

HEAD = ",".join(COLUMNS)
ADDRESS = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
GOOD = f"gate,USDT,ethereum,{ADDRESS},/api/v4/spot/currencies,own,my notes,2026-11-23"
VENUES = [spec.name for spec in SPECS if spec.used_by_default]
"""Of Bybit's list, which it shows to a key only, nobody has recorded what it says of these coins."""


def read(*lines: str) -> tuple[Coin, ...]:
    return read_coins("\n".join((HEAD, *lines)), "mine.csv")


# What ships.


def test_the_shipped_table_proves_btc_eth_and_usdt_at_every_default_venue_and_not_what_was_not_recorded() -> None:
    table = CoinTable(known_coins())
    routes = [(a, b) for a in VENUES for b in VENUES if a != b]
    for ticker in ("BTC", "ETH", "USDT"):
        assert {table.sameness(ticker, *route) for route in routes} == {Verdict.SAME}
    assert {table.sameness("NOVA", *route) for route in routes} == {Verdict.UNPROVED}
    for ticker in ("LTC", "SOL", "DOGE", "XRP", "USDC", "LINK", "PEPE"):
        assert table.sameness(ticker, "gate", "bitget") is Verdict.SAME
        assert table.sameness(ticker, "gate", "okx") is Verdict.UNPROVED


def test_the_two_whole_lists_agree_on_most_tickers_and_show_the_namesakes_among_them() -> None:
    table, coins = CoinTable(known_coins()), known_coins()
    both = {c.ticker for c in coins if c.venue == "gate"} & {c.ticker for c in coins if c.venue == "bitget"}
    found = {ticker: table.sameness(ticker, "gate", "bitget") for ticker in both}
    assert sum(sameness is Verdict.SAME for sameness in found.values()) == 644
    different = {ticker for ticker, sameness in found.items() if sameness is Verdict.DIFFERENT}
    assert different >= {"CATE", "CST", "GTC", "HOPPY", "OMNI", "SOPH", "TLOS", "TRUF", "USDD"}
    assert len(different) >= 30
    assert Verdict.UNPROVED not in found.values()


def test_every_coin_that_is_said_to_be_a_chains_own_is_the_one_of_its_chain() -> None:
    native = {(coin.chain, coin.ticker) for coin in known_coins() if coin.contract == NATIVE}
    chains = [chain for chain, _ in native]
    assert len(chains) == len(set(chains)) == 46, "a chain has one coin of its own"
    assert native >= {
        ("bitcoin", "BTC"),
        ("ethereum", "ETH"),
        ("litecoin", "LTC"),
        ("solana", "SOL"),
        ("xrp-ledger", "XRP"),
    }


def test_lines_read_off_the_recorded_list_of_gate_say_what_it_says(repo_root: Path) -> None:
    path = repo_root.parent / "shared" / "data" / "answers" / "gate" / "rest" / "get-spot-currencies--ccxt.json"
    if not path.is_file():
        pytest.skip("the recorded answers are not in ../shared/data")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert (record["evidence"], record["strength"], record["path"]) == ("recorded", "weak", "/api/v4/spot/currencies")
    names = {"ETH": "ethereum", "ARBEVM": "arbitrum", "BSC": "bsc"}
    recorded = {
        (listed["currency"], names[chain["name"]], chain["addr"].lower())
        for listed in json.loads(record["raw"])
        for chain in listed["chains"]
    }
    assert recorded == {
        (coin.ticker, coin.chain, coin.contract)
        for coin in known_coins()
        if (coin.venue, coin.ticker) == ("gate", "USDT")
    }


# How a line is read.


def test_hexadecimal_addresses_are_compared_in_small_letters_and_all_others_as_they_stand() -> None:
    solana = (
        "bitget,USDT,solana,Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB,/api/v2/spot/public/coins,own,x,2026-11-23"
    )
    assert [coin.contract for coin in read(GOOD, solana)] == [
        ADDRESS.lower(),
        "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB",
    ]


def test_comments_empty_lines_spaces_and_quotes_are_taken() -> None:
    assert read("# said by X", "", GOOD.replace("my notes", '"a, b"').replace(",", " , ", 3)) == read(GOOD)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (GOOD.replace("gate", "gaet", 1), "mine.csv:2: venue 'gaet': give one of"),
        (GOOD.replace("USDT", "US DT"), "mine.csv:2: ticker 'US DT': give the venue's name of the coin, for"),
        (GOOD.replace("ethereum", "Ethereum"), "chain 'Ethereum': give the chain in small letters"),
        (GOOD.replace(ADDRESS, ""), "contract '': give the whole address, or \"native\""),
        (GOOD.replace(ADDRESS, "831ec7"), "contract '831ec7': give the whole address"),
        (GOOD.replace(ADDRESS, ADDRESS[:-1]), "an address on ethereum is 0x and 40 hexadecimal digits"),
        (GOOD.replace(ADDRESS, "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11"), "an address on ethereum is 0x and 40"),
        (GOOD.replace("/api", "api"), "endpoint 'api/v4/spot/currencies': give the path of the venue's answer"),
        (GOOD.replace("own", "sure"), "evidence 'sure': give one of strong, weak, own"),
        (GOOD.replace("own", "documented"), "evidence 'documented'"),
        (GOOD.replace("my notes", " "), "source '': name where that answer can be found"),
        (GOOD.replace("2026-11-23", "23.11.2026"), "reviewed '23.11.2026': give the day as YYYY-MM-DD"),
        (GOOD + ",more", "has 9 columns and not 8"),
        ("gate,USDT", "has 2 columns and not 8"),
        ('gate,"USDT', "mine.csv:2: not a line of comma-separated values"),
        (f"{GOOD}\n{GOOD.replace(ADDRESS, ADDRESS.lower())}", "mine.csv:3: repeats line 2"),
        (
            f"{GOOD}\n{GOOD.replace('USDT', 'USDC')}",
            "mine.csv:3: .* is USDC at gate, and USDT by mine.csv:2",
        ),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_the_remedy(line: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read(line)


@pytest.mark.parametrize("text", ["", "# nothing\n", GOOD, HEAD.replace("venue", "exchange")])
def test_a_table_without_its_columns_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="the first line must name the columns: venue,ticker,chain,contract"):
        read_coins(text, "mine.csv")


def test_the_example_of_the_documentation_is_a_table(repo_root: Path) -> None:
    page = (repo_root / "docs" / "COINS.md").read_text(encoding="utf-8")
    gate, okx = read_coins(page.partition("\n## Your own lines\n")[2].split("```")[1].strip(), "COINS.md")
    assert CoinTable((gate, okx)).sameness("ABC", "gate", "okx") is Verdict.SAME


# The user's own file.


def with_file(folder: Path, *lines: str) -> Settings:
    (folder / "mine.csv").write_text("\n".join((HEAD, *lines)), encoding="utf-8")
    (folder / "config.toml").write_text('[run]\nsymbols = ["SOL/USDT"]\ncoins_file = "mine.csv"\n', encoding="utf-8")
    return load_settings(folder / "config.toml")


def test_own_lines_prove_what_the_shipped_table_does_not_and_lie_beside_the_settings(tmp_path: Path) -> None:
    line = "okx,SOL,solana,native,/x,own,asked the venue,2026-11-23"  # Gate's and Bitget's are shipped
    rule = coin_rule(with_file(tmp_path, line), Mode.PAPER, sandbox=False)
    assert rule is not None and not rule.refuse_unproved
    table = CoinTable(rule.coins)
    assert table.sameness("SOL", "gate", "okx") is Verdict.SAME
    assert table.sameness("SOL", "okx", "bitget") is Verdict.SAME
    assert CoinTable(known_coins()).sameness("SOL", "okx", "bitget") is Verdict.UNPROVED
    assert {coin.ticker for coin in rule.coins} == {"SOL", "USDT"}  # no more than the run trades


def test_an_own_line_that_repeats_a_shipped_one_is_taken_and_one_that_contradicts_it_refused(tmp_path: Path) -> None:
    assert coin_rule(with_file(tmp_path, GOOD), Mode.PAPER, sandbox=False)
    with pytest.raises(
        ConfigError, match=r"mine.csv:2: .* is SOL at gate, and USDT by coins.csv:\d+: one of them is wrong"
    ):
        coin_rule(with_file(tmp_path, GOOD.replace("USDT", "SOL")), Mode.PAPER, sandbox=False)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_file_that_is_missing_or_no_text_is_refused_in_every_mode(tmp_path: Path, mode: Mode) -> None:
    settings = with_file(tmp_path)
    (tmp_path / "mine.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"\[run\] coins_file: .*mine.csv: cannot be read"):
        coin_rule(settings, mode, sandbox=mode is Mode.SANDBOX)
    (tmp_path / "mine.csv").unlink()
    with pytest.raises(ConfigError, match=r"\[run\] coins_file: .*mine.csv: cannot be read"):
        coin_rule(settings, mode, sandbox=mode is Mode.SANDBOX)


# The rule of a mode.


def rule_of(mode: Mode, unproved: UnprovedCoin, *, sandbox: bool = False) -> bool | None:
    settings = Settings(run=RunSettings(symbols=("BTC/USDT",)), limits=Limits(unproved_coin=unproved))
    rule = coin_rule(settings, mode, sandbox=sandbox)
    return None if rule is None else rule.refuse_unproved


def test_a_sandbox_asks_for_nothing_paper_does_as_it_is_told_and_live_refuses_whatever_it_is_told() -> None:
    mark, refuse = UnprovedCoin.MARK, UnprovedCoin.REFUSE
    for mode in (Mode.SANDBOX, Mode.PAPER):
        assert [rule_of(mode, each, sandbox=True) for each in (mark, refuse)] == [None, None]
    assert [rule_of(Mode.PAPER, each) for each in (mark, refuse)] == [False, True]
    assert [rule_of(Mode.LIVE, each) for each in (mark, refuse)] == [True, True]


def test_coins_of_venues_that_are_not_enabled_are_left_out() -> None:
    settings = Settings()
    off = msgspec.structs.replace(
        settings.venues, okx=msgspec.structs.replace(settings.venues.every()["okx"], enabled=False)
    )
    rule = coin_rule(msgspec.structs.replace(settings, venues=off), Mode.LIVE, sandbox=False)
    assert rule is not None and {coin.venue for coin in rule.coins} == {"gate", "bitget"}
