"""ccxt is loaded as far as it is used, and nobody can see that: whoever imports it finds the same names and classes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LOAD = "import arb.venues.gate.client, arb.venues.okx.signing, arb.venues.bitget.signing, arb.venues.kit.gateway\n"
NAMES = """
import json, sys
found = {}
for name in ("ccxt", "ccxt.async_support", "ccxt.pro"):
    package = sys.modules[name]
    assert package.exchanges
    kept = {n: repr(v) for n, v in vars(package).items() if isinstance(v, (type, list, str)) and n[:2] != "__"}
    found[name] = kept
print(json.dumps(found))
"""
FIRST = f"""
import ccxt
whole = ccxt.exchanges
{LOAD}
import json, sys, ccxt as again
print(json.dumps(again is ccxt and type(ccxt) is type(sys)))
"""


def said(repo_root: Path, script: str) -> Any:
    """Run a script in a process of its own, and return the JSON that it prints."""
    done = subprocess.run([sys.executable, "-c", script], cwd=repo_root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_of_all_exchanges_only_those_that_are_traded_are_loaded(repo_root: Path) -> None:
    loaded = said(repo_root, f"{LOAD}import json, sys\nprint(json.dumps([m for m in sys.modules if m[:5] == 'ccxt.']))")
    names = {name.rpartition(".")[2] for name in loaded if ".base" not in name}
    assert names == {"async_support", "pro", "abstract", "gate", "okx", "bitget"}


def test_whoever_imports_ccxt_afterwards_finds_all_that_it_has(repo_root: Path) -> None:
    plain = said(repo_root, f"import ccxt, ccxt.async_support, ccxt.pro\n{NAMES}")
    assert said(repo_root, f"{LOAD}import ccxt, ccxt.pro\n{NAMES}") == plain
    assert len(plain["ccxt"]) > 140 and len(plain["ccxt.pro"]["exchanges"]) > 500


@pytest.mark.thorough
@pytest.mark.parametrize(
    "used",
    [
        "ccxt.kraken().id == 'kraken'",
        "ccxt.pro.kraken.__mro__[1] is ccxt.async_support.kraken is not ccxt.kraken",
        "issubclass(ccxt.InvalidOrder, ccxt.ExchangeError) and ccxt.errors.InvalidOrder is ccxt.InvalidOrder",
        "ccxt.pro.Exchange is ccxt.async_support.Exchange is not ccxt.Exchange",
        "ccxt.Precise.string_add('1', '2') == '3'",
        "ccxt.__version__ == '4.5.90' and 'okx' in ccxt.__all__",
        "not hasattr(ccxt, 'no_such_exchange') and not hasattr(ccxt.pro, '__wrapped__')",
        "__import__('ccxt.async_support.bybit').async_support.bybit is ccxt.async_support.bybit",
    ],
)
def test_a_name_means_what_it_always_means(repo_root: Path, used: str) -> None:
    assert said(repo_root, f"{LOAD}import ccxt, ccxt.pro; print(str({used}).lower())")


def test_where_ccxt_was_there_first_it_stays_as_it_is(repo_root: Path) -> None:
    assert said(repo_root, FIRST)
