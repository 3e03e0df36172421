"""What a user may write into config.toml, and what a mistake is answered with."""

import contextlib
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS
from arb.config import Mode, Settings, database_url, load_settings
from arb.config.loader import lines_of_keys, load_text
from arb.core.messages.settings import OnSingleLeg, Ramp
from arb.errors import ConfigError
from arb.venues.kit.endpoints import OrderEntry


def _load(text: str) -> Settings:
    return load_text(text, Settings, "config.toml")


def _complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _load(text)
    line = str(caught.value)
    assert "\n" not in line
    return line


def _complaint_of_file(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limits]\nmin_egde_bps = 3", ":2: [limits] min_egde_bps: unknown key: did you mean 'min_edge_bps'?"),
        ("[limit]\n", ":1: limit: unknown table: did you mean 'limits'?"),
        ("[timing]\nleg_deadline_s = 3", ":2: [timing] leg_deadline_s: unknown key: did you mean 'leg_deadline_ms'?"),
        ("[venues.gat]\n", ":1: [venues] gat: unknown table: did you mean 'gate'?"),
        ("[store]\ncolour = 1", (":2: [store] colour: unknown key: known are journal_dir, keep_story_days, "
            "keep_untraded_days, url")),
        ("\n\nlimits = 5", ":3: limits: must be a table: write [limits]"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_known_name(text: str, said: str) -> None:
    assert _complaint(text) == f"config.toml{said}"


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ('leg_deadline_ms = "3s"', '= "3s": give a whole number of milliseconds, for example 100'),
        ("leg_deadline_ms = 2.5", "= 2.5: give a whole number of milliseconds, for example 100"),
        ("leg_deadline_ms = true", "= true: give a whole number of milliseconds, for example 100"),
        ("leg_deadline_ms = 0", "= 0: give a whole number of milliseconds from 1 to 1000000000"),
        ("leg_deadline_ms = -1", "= -1: give a whole number of milliseconds from 1 to 1000000000"),
        ('unknown_max_s = "2m"', '= "2m": give a whole number of seconds, for example 100'),
    ],
)
def test_a_duration_in_another_unit_is_refused_with_the_right_one(line: str, remedy: str) -> None:
    key = line.partition(" ")[0]
    assert _complaint(f"[timing]\n{line}") == f"config.toml:2: [timing] {key} {remedy}"


@pytest.mark.parametrize("written", ['"5 quote"', '"abc"', "true", "nan", "inf", "-1", "1e13", "[1]", '""'])
def test_an_amount_that_is_no_finite_number_from_zero_up_is_refused(written: str) -> None:
    assert "[limits] max_notional_quote = " in _complaint(f"[limits]\nmax_notional_quote = {written}")


@pytest.mark.parametrize(
    "written", ['"0.1 percent"', '"1e2bps"', '"10 ms"', '"-1bps"', "10001", '"100.1%"', "nan", "false"]
)
def test_a_rate_that_is_no_rate_is_refused(written: str) -> None:
    line = _complaint(f"[limits]\nmin_edge_bps = {written}")
    assert line.startswith("config.toml:2: [limits] min_edge_bps = ")
    assert "bps" in line.partition(": give ")[2]


@pytest.mark.parametrize(
    "text",
    ["[run]\nmode = 'Sandbox'", "[run]\nsymbols = 'BTC/USDT'", "[run]\nsymbols = ['BTC_USDT']", "[run]\nsymbols = [1]",
     "[run]\nsymbols = ['BTC/USDT', 'BTC/USDT']", "[live]\nenabled = 1", "[live]\nenabled = 'true'", "[store]\nurl = 5",
     "[repair]\non_single_leg = 'panic'"],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused_with_its_line(text: str) -> None:
    assert _complaint(text).startswith("config.toml:2: [")


@pytest.mark.parametrize(
    "word", ["BTC_USDT", "BTC/USDT:USDT", "BTC/USDT/ETH", "/USDT", "BTC/", "", "BTC/USDT ", "B\u00a0C/USDT"]
)
def test_what_is_not_the_spot_symbol_of_two_assets_is_refused(word: str) -> None:
    said = f'{word!r} is no symbol: write BASE/QUOTE as venues list them, for example "BTC/USDT"'
    assert _complaint(f"[run]\nsymbols = ['{word}']").endswith(f": {said}")


@pytest.mark.parametrize("name", ["龙虾/USDT", "$AI/USDT", "btc/usdt", "1INCH/USDT", "A-B_C.D/USDT"])
def test_names_that_venues_list_are_names_in_settings(name: str) -> None:
    base = name.partition("/")[0]
    settings = load_text(
        f'[run]\nsymbols = ["BTC/USDT", "{name}"]\n[limits."{name}"]\nmax_notional_quote = 50\n'
        f'[paper]\nbalances = {{ USDT = 1000, "{base}" = 5 }}\n',
        Settings,
        "config.toml",
    )
    assert settings.run.symbols[1] == name and settings.paper.balances[base] == 5


def test_broken_toml_is_refused_with_the_line_the_parser_names() -> None:
    line = _complaint("[limits]\nmin_edge_bps = = 3\n[run]\n")
    assert line.startswith("config.toml: not valid TOML: ")
    assert "line 2" in line


@pytest.mark.parametrize("text", [f"x = {'9' * 5000}", f"x = {'[' * 5000}", "x = 1e99999999999999999999"])
def test_a_monstrous_value_is_refused_like_any_other(text: str) -> None:
    assert _complaint(text).startswith("config.toml")


def test_a_missing_file_a_folder_and_an_unreadable_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_settings(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="is a directory"):
        load_settings(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "binary.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run]\nsymbols = []", "[run] symbols is empty"),
        (
            "[run]\nsymbols = ['BTC/USDT', 'ETH/BTC', 'SOL/USDT']",
            "[run] symbols mix the quotes BTC (ETH/BTC) and USDT (BTC/USDT, SOL/USDT): limits, losses",
        ),
        ("[run]\nsymbols = ['BTC/USDT', 'BTC/USDC']", "quotes USDC (BTC/USDC) and USDT (BTC/USDT): limits"),
        ("[venues.okx]\nsymbols = ['XRP/USDT']", "[venues.okx] symbols: 'XRP/USDT' is not in [run] symbols"),
        ("[limits]\nmax_notional_quote = 6000", "[venues.gate] max_order_value_quote = 5000 is below 6273 = [limits]"),
        (
            "[limits]\nmax_notional_quote = 5000",
            "[venues.gate] max_order_value_quote = 5000 is below 5227.5 = [limits]",
        ),
        (
            "[venues.okx]\nmax_order_value_quote = 2090",
            "[venues.okx] max_order_value_quote = 2090 is below 2091 = [limits]",
        ),
        ("[store]\nurl = 'mysql://u:hunter22@h/d'", "[store] url: 'mysql://u:***@h/d' is no database URL"),
        ("[store]\nurl = 'sqlite://'", "[store] url: 'sqlite://' names no file"),
    ],
)
def test_what_each_key_allows_but_all_together_forbid_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in _complaint_of_file(tmp_path, text)


def test_any_one_quote_will_do(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[run]\nsymbols = ['ETH/BTC', 'SOL/BTC']\nreport_currency = 'BTC'\n", encoding="utf-8")
    assert load_settings(path).run.symbols == ("ETH/BTC", "SOL/BTC")


def test_what_assets_that_pay_fees_are_worth_is_stated_by_venue() -> None:
    settings = _load('[venues.gate]\nfee_asset_prices_quote = { POINT = 1, GT = "4.2" }')
    assert settings.venues.enabled()["gate"].fee_asset_prices_quote == {"POINT": 1, "GT": Decimal("4.2")}
    assert settings.venues.enabled()["okx"].fee_asset_prices_quote == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{ GT = 0 }", "[venues.gate] fee_asset_prices_quote.GT = 0: give the worth of one GT, or drop it"),
        ("{ GT = -1 }", "give an amount from 0 to"),
        ('{ "G T" = 4 }', "is no asset: write it as venues list it"),
        ("4.2", "must be amounts by asset"),
    ],
)
def test_what_is_no_price_of_an_asset_is_refused(tmp_path: Path, given: str, said: str) -> None:
    assert said in _complaint_of_file(tmp_path, f"[venues.gate]\nfee_asset_prices_quote = {given}\n")


def test_a_disabled_venue_may_disagree_with_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[venues.okx]\nenabled = false\nsymbols = ['XRP/USDT']\n", encoding="utf-8")
    assert set(Settings().venues.enabled()) - set(load_settings(path).venues.enabled()) == {"okx"}


@pytest.mark.parametrize(
    ("written", "bps"),
    [
        ("10", 10),
        ('"10bps"', 10),
        ('"10 bps"', 10),
        ('"0.1%"', 10),
        ('"0.1 %"', 10),
        ("0.5", "0.5"),
        ('"2.5"', "2.5"),
        ("0", 0),
    ],
)
def test_a_rate_may_say_its_own_unit(written: str, bps: int | str) -> None:
    assert _load(f"[limits]\nmin_edge_bps = {written}").limits.min_edge_bps == Decimal(bps)


def test_amounts_are_exact_however_they_are_written() -> None:
    assert _load("[limits]\nmin_net_quote = 0.1").limits.min_net_quote == Decimal("0.1")
    assert _load('[limits]\nmin_net_quote = "0.1"').limits.min_net_quote == Decimal("0.1")
    assert _load("[limits]\nmin_net_quote = 1").limits.min_net_quote == 1


@given(st.decimals(min_value=0, max_value=100, places=6))
def test_a_percentage_is_a_hundred_times_its_basis_points(percent: Decimal) -> None:
    loaded = _load(f'[limits]\nmin_edge_bps = "{percent:f}%"')
    assert loaded.limits.min_edge_bps == percent * 100


@given(st.text(max_size=20))
def test_no_text_whatsoever_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(ConfigError):
        _load(text)


def test_absent_keys_keep_their_defaults_and_given_ones_replace_them() -> None:
    settings = _load(
        "[run]\nmode = 'paper'\n[repair]\non_single_leg = 'unwind'\n[venues.okx]\nmax_orders_per_minute = 7"
    )
    assert settings.run.mode is Mode.PAPER
    assert settings.repair.on_single_leg is OnSingleLeg.UNWIND
    assert settings.venues.enabled()["okx"].max_orders_per_minute == 7
    assert settings.venues.enabled()["okx"].key_env == "OKX_API_KEY"
    assert settings.limits == Settings().limits


def test_orders_go_over_rest_unless_said_otherwise_where_a_venue_takes_them_over_a_websocket() -> None:
    settings = _load("[venues.gate]\norder_entry = 'websocket'")
    reported = {venue: settings.venues.order_entry(venue) for venue in settings.venues.enabled()}
    assert reported.pop("gate") is OrderEntry.WEBSOCKET
    assert set(reported.values()) == {OrderEntry.REST}
    assert "give one of 'rest', 'websocket'" in _complaint("[venues.gate]\norder_entry = 'ws'")
    assert "[venues.bitget] order_entry: unknown key" in _complaint("[venues.bitget]\norder_entry = 'websocket'")


@pytest.mark.parametrize(
    ("written", "read"),
    [('"off"', "off"), ("3", "3bps"), ('"3.5bps"', "3.5bps"), ('"0.02%"', "2.00bps")],
)
def test_leg_cost_is_a_word_or_a_rate_and_reads_back_as_it_is_shown(written: str, read: str) -> None:
    loaded = _load(f"[limits]\nleg_cost = {written}")
    assert loaded.limits.leg_cost == read
    assert _load(f'[limits]\nleg_cost = "{read}"') == loaded


@pytest.mark.parametrize("written", ['"learnt"', "-1", "true", '"200%"', "[3]"])
def test_any_other_leg_cost_is_refused(written: str) -> None:
    assert 'give "off" or a rate' in _complaint(f"[limits]\nleg_cost = {written}")


def test_a_leg_cost_that_earlier_versions_learned_is_refused_with_what_to_write() -> None:
    complaint = _complaint('[limits]\nleg_cost = "learned"')
    assert 'costs are not learned any more: give "off", or a rate: "4bps", its first estimate' in complaint


def test_the_config_of_the_repository_is_the_defaults(repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo_root)  # the paths in it are relative to the file
    assert load_settings(Path("config.toml")) == Settings()


def test_the_examples_of_the_config_of_the_repository_state_every_limit_a_symbol_or_a_venue_can_have(
    repo_root: Path, tmp_path: Path
) -> None:
    text = (repo_root / "config.toml").read_text()
    path = tmp_path / "config.toml"
    path.write_text(re.sub(r"(?m)^# (\[|\w+ = )", r"\1", text))
    limits = load_settings(path).limits
    stated = {"ETH/USDT": limits.symbol["ETH/USDT"], "bitget": limits.venue["bitget"]}
    for one in stated.values():
        assert None not in [getattr(one, name) for name in one.__struct_fields__]


SYMBOL = '[run]\nsymbols = ["BTC/USDT", "ETH/USDT"]\n'


def test_a_limit_of_a_symbol_or_a_venue_stands_in_the_place_of_the_one_for_all(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    of_eth, of_okx = '[limits."ETH/USDT"]\nmin_edge_bps = "0.03%"\n', "[limits.venue.okx]\nmax_notional_quote = 500"
    path.write_text(f"{SYMBOL}[limits]\nmin_edge_bps = 6\n{of_eth}{of_okx}")
    limits = load_settings(path).limits
    assert limits.at("ETH/USDT", ("gate", "bitget")).min_edge_bps == 3
    assert limits.at("ETH/USDT", ("gate", "okx")).max_notional_quote == 500
    assert limits.at("BTC/USDT", ("gate", "bitget")) is limits


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[limits."ETH/USD"]\nmin_edge_bps = 3',
            "[limits.\"ETH/USD\"]: ETH/USD is not in [run] symbols: did you mean 'ETH/USDT'?",
        ),
        ("[limits.venue.gat]\nmin_edge_bps = 3", "[limits.venue.gat]: unknown venue: did you mean 'gate'?"),
        (
            '[limits."ETH/USDT"]\nmin_edge = 3',
            ":4: [limits.\"ETH/USDT\"] min_edge: unknown key: did you mean 'min_edge_bps'?",
        ),
        (
            '[limits."ETH/USDT"]\nconsecutive_losses = 3',
            ':4: [limits."ETH/USDT"] consecutive_losses: is one for all: write it under [limits]; here go dust_max_quote, ',
        ),
        (
            "[limits.venue.gate]\ndust_max_quote = 3",
            ":4: [limits.venue.gate] dust_max_quote: is one for all: write it under [limits]; here go max_capital_per_venue",
        ),
        (
            "[limits.ethusdt]\nmin_edge_bps = 3",
            ':3: [limits] ethusdt: unknown table: a symbol is written BASE/QUOTE, in quotes: "BTC/USDT"',
        ),
        ("[limits.venue]\ngate = 3", ":4: [limits.venue] gate: must be a table: write [limits.venue.gate]"),
        ("[limits]\nvenue = 3", ":4: [limits] venue: must be a table: write [limits.venue.NAME]"),
        (
            '[limits."ETH/USDT"]\nmin_edge_bps = "x"',
            ':4: [limits."ETH/USDT"] min_edge_bps = "x": give basis points, for example',
        ),
        (
            "[limits.symbol]\nx = 3",
            ":3: [limits] symbol: unknown table: a symbol is written BASE/QUOTE, in quotes",
        ),
    ],
)
def test_a_limit_of_a_place_or_name_that_is_unknown_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SYMBOL + text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    line = str(caught.value)
    assert line.count("\n") == 0 and line.removeprefix(str(path)).removeprefix(": ").startswith(said), line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[limits."ETH/USDT"]\nmax_notional_quote = 5000',
            '[venues.gate] max_order_value_quote = 5000 is below 5227.5 = [limits."ETH/USDT"] max_notional_quote 5000 with',
        ),
        (
            "[limits.venue.okx]\nmax_notional_quote = 5000",
            "[venues.okx] max_order_value_quote = 5000 is below 5227.5 = [limits.venue.okx] max_notional_quote 5000 with room",
        ),
        (
            '[limits."ETH/USDT"]\nmax_edge_bps = 10000\nmax_notional_quote = 2500',
            '[venues.gate] max_order_value_quote = 5000 is below 5038.75 = [limits."ETH/USDT"] max_notional_quote 2500 with',
        ),
    ],
)
def test_the_largest_order_of_every_symbol_at_every_venue_has_room(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SYMBOL + text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_a_symbol_that_is_not_traded_at_a_venue_asks_no_room_there(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    few = "".join(f'[venues.{name}]\nsymbols = ["BTC/USDT"]\n' for name in ("gate", "okx", "bitget"))
    path.write_text(f'{SYMBOL}{few}[limits."ETH/USDT"]\nmax_notional_quote = 5000')
    assert load_settings(path).limits.symbol["ETH/USDT"].max_notional_quote == 5000


@pytest.mark.parametrize("table", ["[limits]", '[limits."ETH/USDT"]'])
@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("max_price_ratio_bps", "no two books ever show one price: give for example 100"),
        ("entry_band_bps", "no price is just that of other venues: give for example 1000"),
    ],
)
def test_a_band_of_prices_without_width_is_refused(tmp_path: Path, table: str, key: str, why: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"{SYMBOL}{table}\n{key} = 0")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: {table} {key} = 0: {why}")


@pytest.mark.parametrize("table", ["[limits]", '[limits."ETH/USDT"]'])
def test_dust_of_one_symbol_is_not_allowed_more_than_all_dust(tmp_path: Path, table: str) -> None:
    assert f"{table} dust_max_quote is above dust_total_max_quote" in _complaint_of_file(
        tmp_path, f"{SYMBOL}{table}\ndust_max_quote = 51"
    )


def test_a_ramp_that_begins_at_nothing_is_refused_and_one_can_be_done_without(tmp_path: Path) -> None:
    assert _load("").live.ramp() == Ramp(Decimal(50), 20)
    assert _load("[live]\nramp_pairs = 0\nramp_start_quote = 0").live.ramp() is None
    assert "[live] ramp_start_quote = 0: no pair could ever open: give for example 50" in _complaint_of_file(
        tmp_path, f"{SYMBOL}[live]\nramp_start_quote = 0"
    )


def test_the_place_of_a_key_is_found_past_arrays_strings_and_dotted_keys() -> None:
    text = '[a]\nlist = [\n  "x = 1", # ]\n  "[b]",\n]\ntext = """\n[c]\nkey = 1\n"""\n[d.e]\nf.g = 2\n'
    places = lines_of_keys(text)
    assert places == {
        ("a",): 1,
        ("a", "list"): 2,
        ("a", "text"): 6,
        ("d", "e"): 10,
        ("d", "e", "f"): 11,
        ("d", "e", "f", "g"): 11,
    }


@pytest.mark.parametrize(
    "key",
    [
        "a3f1c95d2e7b4068a3f1c95d2e7b4068",  # Gate
        "A3F1C95D2E7B4068A3F1C95D2E7B4068",  # a secret of OKX
        "d7c2b1e0-55aa-4bcd-9f01-3e5f7a9b1c2d",  # OKX
        "bg_a3f1c95d2e7b4068a3f1c95d2e7b4068",  # Bitget
        "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",  # Binance
        "correct horse battery staple",
    ],
)
@pytest.mark.parametrize("name", ["key_env", "secret_env", "passphrase_env"])
def test_a_key_in_the_place_of_its_variable_is_refused_and_not_printed(name: str, key: str) -> None:
    for written in (f"'{key}'", f"['{key}']"):
        said = _complaint(f"[venues.okx]\n{name} = {written}")
        assert key not in said
        assert f"[venues.okx] {name}: give the name of the environment variable" in said
    assert _load(f"[venues.okx]\n{name} = 'MY_OKX_2'").venues.okx is not None


def test_a_password_in_a_url_that_stands_in_the_wrong_place_is_not_printed() -> None:
    for table in (
        "[store]\nurl = ['postgresql://me:hunter22@h/arb']",
        "[run]\nlog_level = 'postgresql://me:hunter22@h/arb'",
    ):
        assert "hunter22" not in _complaint(table)


def test_settings_with_a_password_that_others_may_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[store]\nurl = "postgresql://me:hunter22@host/arb"')
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read the file: chmod 600") as refused:
        load_settings(path)
    assert "hunter22" not in str(refused.value)
    path.chmod(0o600)
    assert load_settings(path).store.url.startswith("postgresql://me")


@pytest.mark.parametrize("mode", ["sandbox", "live"])
def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path, mode: str) -> None:
    config = tmp_path / "arb" / "config.toml"
    config.parent.mkdir()
    config.write_text("")
    assert database_url(load_settings(config), mode) == f"sqlite:///{tmp_path}/arb/var/{mode}.sqlite"
    assert load_settings(config).store.journal_dir == str(tmp_path / "arb" / "var")

    config.write_text('[store]\nurl = "sqlite:///data/a.sqlite?timeout=5"\njournal_dir = "../journals"')
    assert database_url(load_settings(config), mode) == f"sqlite:///{tmp_path}/arb/data/a.sqlite?timeout=5"
    assert load_settings(config).store.journal_dir == str(tmp_path / "arb" / "../journals")
    assert database_url(load_settings(config), mode, "sqlite:///mine.sqlite") == "sqlite:///mine.sqlite"

    config.write_text('[store]\nurl = "sqlite:////data/MODE.sqlite"\njournal_dir = "/journals"')
    assert database_url(load_settings(config), mode) == f"sqlite:////data/{mode}.sqlite"
    assert load_settings(config).store.journal_dir == "/journals"

    config.write_text('[store]\nurl = "postgresql://me@host/arb"')
    assert database_url(load_settings(config), mode) == "postgresql://me@host/arb"


def test_an_order_may_be_worth_its_notional_with_the_edge_the_slippage_a_repair_and_a_fee(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[limits]\nmax_notional_quote = 4782")  # with 300 + 5 + 50 + 100 bps: 4999.581
    assert load_settings(path).limits.max_notional_quote == 4782


def test_paper_fees_carry_their_unit_and_balances_are_amounts_by_asset() -> None:
    paper = _load(
        "[paper]\nbalances = { USDT = 20000, BTC = '0.2' }\n[paper.fees]\ngate = '0.1%'\nokx = '5bps'\n"
        "[paper.latency_ms]\ngate = 60"
    ).paper
    assert (paper.taker_fee("gate"), paper.taker_fee("okx")) == (Decimal("0.001"), Decimal("0.0005"))
    assert (paper.latency_ns("gate"), paper.latency_ns("okx")) == (60 * NS_PER_MS, None)
    assert paper.balances == {"USDT": Decimal(20_000), "BTC": Decimal("0.2")}


@pytest.mark.parametrize("written", ["10", "0.001", '"10"', '"10 ms"', '"-1bps"', '"6%"', "true"])
def test_a_paper_fee_without_a_unit_or_out_of_bounds_is_refused(written: str) -> None:
    line = _complaint(f"[paper.fees]\ngate = {written}")
    assert line.startswith("config.toml:2: [paper.fees] gate = ") and "bps" in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[paper]\nbalances = 5", "[paper] balances: must be amounts by asset"),
        ('[paper]\nbalances = { "us dt" = 5 }', "us dt: is no asset"),
        ("[paper]\nbalances = { USDT = -5 }", "USDT = -5: give an amount"),
        ("[paper.fees]\nkraken = '1bps'", "kraken: unknown key"),
        ("[paper.latency_ms]\nokx = '60ms'", 'okx = "60ms": give a whole number'),
    ],
)
def test_other_mistakes_about_paper_are_named(text: str, said: str) -> None:
    assert said in _complaint(text)
