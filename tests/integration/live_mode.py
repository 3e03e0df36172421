"""Live mode on a sandbox that stands for the venues: addresses of this machine in the settings, keys as a user has them."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.integration import truth
from tests.integration.support import EngineProcess, SandboxProcess, arb, engine_of, where, write_config

CONSENTS = ("--mode", "live", "--live")
OWN_COINS = "coins.csv"


def keys_of(announced: Mapping[str, Any], begin: str = "") -> dict[str, str]:
    """Return the sandbox's keys by the names under which the settings look for them; a demo's begin with `DEMO_`."""
    names = {"key": "API_KEY", "secret": "API_SECRET", "passphrase": "API_PASSPHRASE"}
    return {
        f"{begin}{venue.upper()}_{names[part]}": text
        for venue, told in announced["venues"].items()
        for part, text in told.items()
        if part in names
    }


def live_config(
    folder: Path,
    announced: Mapping[str, Any],
    *,
    base: str = "",
    confirmed: bool = True,
    coins: Iterable[str] = ("SOL", "DOGE"),
    changes: Mapping[str, str] | None = None,
) -> Path:
    """Write settings that lead to a sandbox in the venues' place; `base`: by this host and port, over TLS.

    BTC, ETH and USDT are proved by the table that comes with the program, `coins` by one of the user's own.
    """
    path = write_config(folder, **(changes or {}))
    text = path.read_text().replace(
        "enabled = false                      # the first of two", "enabled = true # the first of two"
    )
    text = text.replace('coins_file = ""', f'coins_file = "{OWN_COINS}"')
    if confirmed:
        text = text.replace("withdrawal_disabled_confirmed = false", "withdrawal_disabled_confirmed = true")
    text = re.sub(r"(?ms)^\[venues\.\w+\.endpoints\].*?(?=^\[|\Z)", "", text)
    for venue, told in announced["venues"].items():
        socket = told.get("ws")
        found = {"rest": told["rest"]} | {name: socket or told[name] for name in ("ws_public", "ws_private")}
        if base:
            found = {name: re.sub(r"^(http|ws)://[^/]*", rf"\1s://{base}", address) for name, address in found.items()}
        text += f"\n[venues.{venue}.endpoints]\n" + "".join(f'{name} = "{value}"\n' for name, value in found.items())
    path.write_text(text)
    lines = ["venue,ticker,chain,contract,endpoint,evidence,source,reviewed"]
    lines += [
        f"{venue},{coin},made-up-{coin.lower()},native,/seen,own,the sandbox,2026-11-01"
        for venue in announced["venues"]
        for coin in coins
    ]
    (folder / OWN_COINS).write_text("\n".join(lines) + "\n")
    return path


def live_engine(
    folder: Path, sandbox: SandboxProcess, *more: str, variables: Mapping[str, str] | None = None
) -> contextlib.AbstractContextManager[EngineProcess]:
    """Start `arb run --mode live --live --json` with the sandbox's keys, and more `variables`, in its environment."""
    chosen = keys_of(sandbox.announced) | dict(variables or {})
    command = ("run", *CONSENTS, "--json", *where(folder), *more)
    return engine_of(folder, arb(*command, cwd=folder, variables=chosen))


def coins_traded(engine: EngineProcess) -> set[str]:
    """Return the symbols of all pairs in an engine's ledger."""
    return {row["symbol"] for row in truth.rows_of(engine.db, "SELECT symbol FROM pair_trades")}
