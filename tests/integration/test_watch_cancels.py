"""`[watch] cancel`: a stopped live engine's orders that rest at the venues are cancelled, and no others."""

import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.market.ids import ClientOrderId
from tests.contract.stock_clients import SYMBOL, rest_client
from tests.integration.live_mode import keys_of, live_config, live_engine
from tests.integration.support import DB, SandboxProcess, arb, end_of, sandbox_process
from tests.integration.test_watch import companion, until
from tests.unit.watch.receiving import web_server

OURS = ClientOrderId(nonce=77, pair_number=5, leg="buy", attempt=0).encode()
LIVE = ("--mode", "live")
NAMES = {"gate": ("text", f"t-{OURS}"), "okx": ("clOrdId", OURS), "bitget": ("clientOid", OURS)}


def companion_keys(announced: dict[str, Any]) -> dict[str, str]:
    return {name.replace("_API_", "_WATCH_API_"): key for name, key in keys_of(announced).items()}


def rest(sandbox: SandboxProcess, venue: str, name: str | None) -> Any:
    """Rest a buy order far from the market, as another program would, and return its client and its id."""
    client = rest_client(venue, sandbox.announced)
    price = Decimal(client.fetch_ticker(SYMBOL)["bid"]) / 2
    more = {} if name is None else {NAMES[venue][0]: name}
    order = client.create_order(SYMBOL, "limit", "buy", 0.001, float(round(price, 0)), more)
    return client, order["id"]


@pytest.mark.thorough
def test_orders_of_a_stopped_engine_are_cancelled_at_every_venue_and_foreign_ones_stay(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox, web_server() as web:
        live_config(tmp_path, sandbox.announced, changes={"cancel": "true"})
        keys = companion_keys(sandbox.announced)
        with (
            live_engine(tmp_path, sandbox) as engine,
            companion(tmp_path, web.url, more=LIVE, variables=keys),
        ):
            engine.until_pairs(1)
            os.kill(engine.process.pid, signal.SIGSTOP)
            ours = {venue: rest(sandbox, venue, name) for venue, (_, name) in NAMES.items()}
            client, foreign = rest(sandbox, "okx", None)
            until(lambda: any("rested" in title for title in web.titles), "the cancels are sent", 20.0)
            for own, ident in ours.values():
                assert own.fetch_order(ident, SYMBOL)["status"] == "canceled"
            assert client.fetch_order(foreign, SYMBOL)["status"] == "open"
            assert web.titles[0].endswith("the engine gives no sign"), "the alert does not wait for the cancels"
            os.kill(engine.process.pid, signal.SIGCONT)


def test_without_keys_of_its_own_the_companion_does_not_start(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        live_config(tmp_path, sandbox.announced, changes={"cancel": "true"})
        asked = ("watch", *LIVE, "--db", f"sqlite:///{DB}")
        urls = {"ARB_ALERT_URLS": "json://127.0.0.1:1/"}
        missing = end_of(arb(*asked, cwd=tmp_path, variables=urls))
        assert missing.code == 2 and "GATE_WATCH_API_KEY" in missing.err, missing
        sandbox.change_keys()
        refused = end_of(arb(*asked, cwd=tmp_path, variables=companion_keys(sandbox.announced) | urls))
        assert refused.code == 2 and "[watch] cancel" in refused.err, refused
