"""The resolved settings as they are shown: complete, readable again, and without a secret."""

from decimal import Decimal

import msgspec

from arb.config import PaperSettings, Settings, StoreSettings, database_url
from arb.config.loader import load_text
from arb.config.show import as_toml, plain
from arb.core.messages.settings import Limits, SymbolLimits, VenueLimits

SECRET = "hunter22-hunter22"


def test_no_value_of_a_key_is_ever_shown() -> None:
    environment = {"GATE_API_KEY": SECRET, "GATE_API_SECRET": SECRET}
    assert SECRET not in as_toml(Settings(), environment)
    assert SECRET not in msgspec.json.encode(plain(Settings(), environment)).decode()
    assert plain(Settings(), environment)["keys"]["GATE_API_KEY"] == "set"
    assert plain(Settings(), environment)["keys"]["OKX_API_KEY"] == "not set"


def test_the_password_of_the_database_is_masked_wherever_it_stands() -> None:
    for url in (
        f"postgresql://me:{SECRET}@host:5432/arb",
        f"postgresql://host/arb?user=me&password={SECRET}",
        f"postgresql://me:sl/ash{SECRET}@host/arb",
    ):
        shown = as_toml(Settings(store=StoreSettings(url=url)), {})
        assert SECRET not in shown
        assert "host" in shown


def test_what_is_shown_reads_back_to_the_same_settings() -> None:
    settings = Settings(
        limits=Limits(min_edge_bps=Decimal("0.00000001"), max_notional_quote=Decimal("1e3")),
        paper=PaperSettings(balances={"USDT": Decimal(5)}),
    )
    shown = as_toml(settings, {})
    assert load_text(shown, Settings, "shown") == settings
    assert "e-" not in shown.lower().replace("on_single_leg", "").partition("[repair]")[0].partition("[limits]")[2]


def test_limits_of_a_symbol_and_a_venue_read_back_and_what_is_in_force_is_shown() -> None:
    limits = Limits(
        symbol={"ETH/USDT": SymbolLimits(min_edge_bps=Decimal(3), max_notional_quote=Decimal(1000))},
        venue={"okx": VenueLimits(max_notional_quote=Decimal(500), min_edge_bps=Decimal(8))},
    )
    shown = as_toml(Settings(limits=limits), {})
    assert load_text(shown, Settings, "shown").limits == limits
    assert [line for line in shown.splitlines() if line.startswith("# in force")] == [
        "# in force in ETH/USDT at okx: min_edge_bps 8, max_notional_quote 500",
        "# in force in ETH/USDT at any other venue: min_edge_bps 3, max_notional_quote 1000",
        "# in force in any other symbol at okx: min_edge_bps 8, max_notional_quote 500",
    ]
    assert plain(Settings(limits=limits), {})["limits"]["in_force"][0] == {
        "symbol": "ETH/USDT",
        "venue": "okx",
        "limits": {"min_edge_bps": "8", "max_notional_quote": "500"},
    }


def test_the_ledger_is_the_modes_own_file_unless_named() -> None:
    named = Settings(store=StoreSettings(url="postgresql://host/arb"))
    assert database_url(Settings(), "sandbox") == "sqlite:///var/sandbox.sqlite"
    demos = load_text(
        '[venues]\ngate.enabled = false\nokx.environment = "demo"\nbitget.environment = "demo"', Settings, "x"
    )
    for mode, on_demos in (("paper", "paper-demo"), ("sandbox", "sandbox"), ("live", "demo")):
        assert database_url(Settings(), mode) == f"sqlite:///var/{mode}.sqlite"
        assert database_url(demos, mode) == f"sqlite:///var/{on_demos}.sqlite"
    assert database_url(demos, "paper", "sqlite:///x.sqlite") == "sqlite:///x.sqlite"
    assert database_url(named, "sandbox") == "postgresql://host/arb"
    assert database_url(named, "sandbox", "sqlite:///x.sqlite") == "sqlite:///x.sqlite"
