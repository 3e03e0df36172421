"""The private part of `arb doctor` as a process: each check by a fault of the sandbox, or by a wrong key or setting."""

import asyncio
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.clock import NS_PER_S, SystemClock
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import OrderAccepted
from arb.market.ids import ClientOrderId
from arb.market.order import Role, Side, TimeInForce
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.endpoints import sandbox_access
from arb.venues.registry import spec_of
from tests.integration.kill_points import POINTS
from tests.integration.killed import Stage
from tests.integration.live_mode import keys_of, live_config
from tests.integration.support import (
    BUSY_MACHINE,
    DB,
    VENUES,
    Ended,
    SandboxProcess,
    arb,
    end_of,
    engine_of,
    run_arb,
    sandbox_process,
)
from tests.support.seeds import drawn_seed

Found = dict[tuple[str, str], dict[str, Any]]
PRIVATE = {
    "signature",
    "rights",
    "withdrawal",
    "ip_list",
    "borrowing",
    "account",
    "rate",
    "dead_man",
    "coins",
    "expiry",
    "barred",
    "private_stream",
    "fees",
    "funds",
    "minimums",
    "agreed_balances",
    "foreign_orders",
    "left_orders",
}
CHECKS_IN_ALL = 34


def findings(run: Ended) -> Found:
    """Return the findings by what they are about and the check."""
    assert run.out, run.err
    return {(row["about"], row["check"]): row for row in json.loads(run.out)["checks"]}


def doctored(folder: Path, sandbox: SandboxProcess) -> Found:
    return findings(run_arb("doctor", "--sandbox", sandbox.admin, "--json", cwd=folder))


def expect(found: Found, about: str, check: str, result: str, *words: str) -> None:
    row = found[about, check]
    assert row["result"] == result and all(word in f"{row['found']} {row['remedy']}" for word in words), row
    assert bool(row["remedy"]) is (result != "pass"), row


def rest_an_order(sandbox: SandboxProcess, venue: str, name: str) -> None:
    """Place an order under this name that stays in the book."""

    async def place() -> None:
        clock = SystemClock()
        site, own = sandbox_access(venue, sandbox.announced["venues"][venue])
        limits = GatewayLimits(symbols=("BTC/USDT",))
        gateway = build_gateway(spec_of(venue), site, own, clock=clock, rng=random.Random(1), limits=limits)
        try:
            (rules,) = await gateway.instruments(("BTC/USDT",))
            price = Decimal(20_000)
            command = PlaceOrder(
                cause=1,
                venue=venue,
                symbol="BTC/USDT",
                client_order_id=name,
                role=Role.HEDGE,
                side=Side.BUY,
                tif=TimeInForce.GTC,
                price=price,
                size=max(rules.min_size, Decimal("0.01")),
                expires_ns=clock.wall_ns() + 5 * NS_PER_S,
            )
            answer = await gateway.place(command)
            assert isinstance(answer, OrderAccepted), answer
        finally:
            await gateway.close()

    asyncio.run(place())


@pytest.mark.thorough
def test_an_account_that_is_well_passes_and_nothing_is_sent_but_questions(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(BUSY_MACHINE)
    with sandbox_process(tmp_path) as sandbox:
        found = doctored(tmp_path, sandbox)
        asked = [request for venue in VENUES for request in sandbox.ledger()[venue]["requests"]]
    assert {check for _, check in found} >= PRIVATE
    assert len({check for _, check in found}) >= CHECKS_IN_ALL
    assert not [row for row in found.values() if row["result"] == "fail"]
    assert asked and {request["kind"] for request in asked} == {"query"}
    for venue in VENUES:
        for check in PRIVATE - {"dead_man"}:
            expect(found, venue, check, "pass")


SETTINGS = """\
[run]
symbols = ["BTC/USDT", "ETH/USDT"]

[venues.gate]
order_entry = "websocket"

[venues.okx]
dedicated_account = true
max_orders_per_minute = 1

[venues.bitget]
max_orders_per_minute = 9
"""


@pytest.mark.thorough
def test_each_fault_is_found_where_it_is(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        run = ("run", "--sandbox", sandbox.admin, "--json")
        with engine_of(tmp_path, arb(*run, cwd=tmp_path)) as engine:
            engine.journal = tmp_path / "var" / "sandbox.journal.sqlite"
            engine.until_pairs(1)
            assert run_arb("halt", "--reason", "a test", cwd=tmp_path).code == 0
            engine.until(lambda status: status["halted"] == "asked", "it is halted")
            assert engine.stop().code == 0
        (tmp_path / "config.toml").write_text(SETTINGS)
        rest_an_order(sandbox, "okx", "byhand1")
        sandbox.ask("/balance", {"venue": "okx", "asset": "USDT", "free": "10"})
        rest_an_order(sandbox, "bitget", ClientOrderId(5, 6, Role.HEDGE, 0).encode())
        sandbox.ask("/balance", {"venue": "okx", "asset": "BTC", "free": "0.001"})
        sandbox.choose("okx", {"addresses": []})
        sandbox.fault("okx", "fee_tier_change", param="10", seconds=3600)
        sandbox.fault("okx", "min_size_change", param="100000", seconds=3600)
        sandbox.fault("gate", "key_revoked", seconds=3600)
        sandbox.fault("bitget", "ws_disconnect", seconds=3600)
        found = doctored(tmp_path, sandbox)
    expect(found, "local", "halt", "warn", "asked", "arb resume")
    expect(found, "local", "open_pairs", "pass")
    expect(found, "gate", "signature", "fail", "key: the venue does not know this key", "INVALID_KEY", "copy it again")
    for check in ("rights", "withdrawal", "fees", "funds", "left_orders", "private_stream"):
        expect(found, "gate", check, "fail", "not looked at", "see the finding of `signature`")
    expect(found, "gate", "expiry", "warn", "no expiry is enforced")
    expect(found, "okx", "signature", "pass")
    expect(found, "okx", "rate", "fail", "the guard 1 of all", "[venues.okx] max_orders_per_minute")
    expect(found, "okx", "dead_man", "pass", "once we fall silent")
    expect(found, "okx", "ip_list", "warn", "from any address")
    expect(found, "okx", "fees", "warn", "80 bps")
    expect(found, "okx", "funds", "warn", "of 2000 USDT", "BTC/USDT: sells 0.001 of", "transfer coins")
    expect(found, "okx", "minimums", "fail", "BTC/USDT: at least", "raise max_notional_quote")
    expect(found, "okx", "agreed_balances", "warn", "USDT", "bills")
    expect(found, "okx", "foreign_orders", "fail", "1 orders of others", "dead-man switch")
    expect(found, "bitget", "rate", "warn", "5 open pairs may need 10")
    expect(found, "bitget", "dead_man", "pass", "no switch")
    expect(found, "bitget", "left_orders", "fail", "not in this journal: arb", "another engine")
    expect(found, "bitget", "private_stream", "fail", "websockets may be blocked")


@pytest.mark.thorough
def test_a_refused_key_is_diagnosed_by_what_is_wrong_with_it(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        config = live_config(tmp_path, sandbox.announced, confirmed=False, changes={"ramp_start_quote": "0.5"})
        keys = keys_of(sandbox.announced)
        sandbox.choose("okx", {"mode": "multi_currency", "addresses": []})
        sandbox.choose("bitget", {"rights": ["stow", "wtow"]})
        doctor = ("doctor", "--json", "--config", str(config))
        well = findings(end_of(arb(*doctor, cwd=tmp_path, variables=keys)))
        wrong = keys | {
            "GATE_API_SECRET": "0123456789abcdef0123456789abcdef",
            "OKX_API_PASSPHRASE": "not-the-one-chosen",
            "BITGET_API_KEY": "bg_0123456789abcdef0123456789",
        }
        run = end_of(arb(*doctor, cwd=tmp_path, variables=wrong))
        ill = findings(run)
        without = findings(end_of(arb(*doctor, cwd=tmp_path)))
    assert not any(secret in run.out + run.err for secret in wrong.values())
    expect(well, "gate", "withdrawal", "fail", "does not report", "withdrawal_disabled_confirmed = true")
    expect(well, "okx", "withdrawal", "pass", "the venue reports that it may not")
    expect(well, "okx", "ip_list", "fail", "from any address", "unbound_key_allowed = true")
    expect(well, "okx", "borrowing", "fail", "mode multi-currency margin", "borrowing_allowed = true")
    expect(well, "bitget", "rights", "fail", "move funds away (wtow)")
    expect(well, "gate", "minimums", "fail", "allowed 0.5", "ramp_start_quote")
    expect(well, "gate", "coins", "warn", "NOVA/USDT", "docs/COINS.md")
    expect(well, "gate", "expiry", "warn", "not seen to refuse", "arb doctor --drill")
    expect(ill, "gate", "signature", "fail", "secret:", "[venues.gate.endpoints] rest")
    expect(ill, "okx", "signature", "fail", "passphrase:", "when the key was made")
    expect(ill, "bitget", "signature", "fail", "key:", "copy it again")
    assert not {check for _, check in without} & PRIVATE, "without keys nothing is asked of accounts"


@pytest.mark.thorough
def test_pairs_that_a_killed_run_left_open_are_named(tmp_path: Path) -> None:
    seed = drawn_seed()
    with sandbox_process(tmp_path, seed=seed) as sandbox:
        stage = Stage(tmp_path, sandbox, POINTS["one leg filled, the other not answered"], random.Random(seed))
        stage.until_killed(stage.point, 3)
        (tmp_path / "config.toml").write_text(f'[store]\nurl = "sqlite:///{tmp_path / DB}"\n')
        found = doctored(tmp_path, sandbox)
    expect(found, "local", "open_pairs", "warn", "pairs are open", "the next run finishes them")


@pytest.mark.thorough
def test_what_the_holder_chose_at_the_venue_is_judged(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        choices: dict[str, dict[str, Any]] = {
            "gate": {"rights": ["spot", "wallet", "account:read", "unified:read"], "addresses": []},
            "okx": {"rights": ["read_only", "withdraw"], "addresses": [], "mode": "multi_currency", "borrows": True},
            "bitget": {"rights": ["stor", "stow", "nobody-knows-this"], "mode": "classic"},
        }
        for venue, choice in choices.items():
            sandbox.choose(venue, choice)
        first = doctored(tmp_path, sandbox)
        sandbox.choose("gate", {"rights": ["spot", "wallet:read", "account:read"]})
        sandbox.choose("okx", {"rights": ["read_only"], "borrows": False, "mode": "spot"})
        sandbox.choose("bitget", {"mode": "unified", "rights": ["stor", "stow"]})
        then = doctored(tmp_path, sandbox)
    expect(first, "gate", "ip_list", "warn", "from any address")
    expect(first, "gate", "withdrawal", "fail", "may withdraw")
    expect(then, "gate", "signature", "fail", "rights:", "Unified account")
    expect(first, "okx", "withdrawal", "fail", "may withdraw", "make one that may not")
    expect(first, "okx", "rights", "fail", "may not trade spot")
    expect(first, "okx", "borrowing", "fail", "borrowing_allowed = true")
    expect(first, "okx", "account", "pass", "mode ")
    expect(first, "bitget", "rights", "fail", "nobody-knows-this")
    expect(then, "okx", "withdrawal", "pass", "the venue reports")
    expect(then, "okx", "borrowing", "pass", "borrows nothing")
    expect(then, "okx", "rights", "fail", "may not trade spot")
    expect(then, "bitget", "account", "pass", "mode unified")
