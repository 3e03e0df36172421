"""Live mode with a sandbox in the venues' place: the settings lead to its addresses, and the user's keys open its accounts."""

import json
import signal
from pathlib import Path

import pytest

from tests.integration import truth
from tests.integration.live_mode import CONSENTS, coins_traded, keys_of, live_config, live_engine
from tests.integration.support import DB, WELL_ENDED, arb, end_of, engine_of, run_arb, run_until, sandbox_process, where
from tests.integration.tls_front import tls_front

LINES_S = 11
"""Within this a run has written two lines of its state into its log."""
THREE_COINS = (
    'overrides = { "gate:NOVA" = "different from okx:NOVA", "okx:NOVA" = "different from bitget:NOVA",'
    ' "bitget:NOVA" = "different from gate:NOVA" }'
)
"""The sandbox's own lists say that NOVA is one coin; the user's word counts more."""


def test_live_trades_with_the_users_keys_over_a_kill_and_refuses_other_coins(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        config = live_config(tmp_path, sandbox.announced)
        text = config.read_text()
        assert text.count("overrides = {}") == 1
        config.write_text(text.replace("overrides = {}", THREE_COINS))
        with live_engine(tmp_path, sandbox) as engine:
            status = engine.until_pairs(3)
            assert (status["mode"], status["environment"]) == ("live", "sandbox")
            engine.process.send_signal(signal.SIGKILL)
            engine.process.wait()
        with live_engine(tmp_path, sandbox) as engine:
            engine.trade_on(2, "after the kill")
            assert "NOVA/USDT" not in coins_traded(engine)
            ended = engine.stop()
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
        assert ended.summary["sandbox_id"] == sandbox.announced["sandbox_id"], seen
        assert ended.summary["pairs"]["open"] == ended.summary["unknown_orders"] == 0, seen
        assert truth.differences(tmp_path / DB, sandbox.ledger()) == [], seen
        # The same ledger is refused to a run that brings a sandbox of its own, and to one on demo accounts.
        for other in (["--sandbox", sandbox.admin], [*CONSENTS, "--environment", "demo"]):
            keys = keys_of(sandbox.announced, "DEMO_")
            refused = end_of(arb("run", *where(tmp_path), *other, "--for", "1s", cwd=tmp_path, variables=keys))
            assert refused.code == 2 and "mode 'live' on a sandbox's books" in refused.err, refused


@pytest.mark.thorough
def test_demo_has_keys_and_a_ledger_of_its_own_and_says_demo_everywhere(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        config = live_config(tmp_path, sandbox.announced)
        demo = ("--environment", "demo", "--config", str(config))
        keys = keys_of(sandbox.announced, "DEMO_")
        live = [*CONSENTS, *demo, "--for", "10m"]
        wrong = end_of(arb("run", *live, cwd=tmp_path, variables=keys_of(sandbox.announced)))
        assert wrong.code == 2 and "set DEMO_GATE_API_KEY" in wrong.err, wrong
        ended = run_until(
            lambda status: status["pairs"]["completed"] > 0 and status["seconds"] > LINES_S,
            "a pair is completed, and the log has lines",
            *live,
            cwd=tmp_path,
            db="var/demo.sqlite",
            variables=keys,
        )
        assert (ended.code, ended.summary["mode"]) == (0, "demo"), ended
        assert ended.summary["note"].startswith("DEMO: ") and ended.summary["pairs"]["completed"] > 0, ended
        assert " DEMO ON A SANDBOX | " in ended.err, "every line of the log says so"
        assert (tmp_path / "var" / "demo.sqlite").exists()
        assert not (tmp_path / "var" / "live.sqlite").exists()
        for command in ("status", "pairs", "explain 1", "report", "report --html page.html"):
            shown = run_arb(*command.split(), "--mode", "live", *demo, cwd=tmp_path)
            assert shown.code == 0 and ("DEMO" in shown.out or "html" in command), shown
        assert "DEMO trade report" in (tmp_path / "page.html").read_text()


@pytest.mark.thorough
def test_a_key_of_which_nobody_knows_whether_it_may_withdraw_ends_the_start(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        live_config(tmp_path, sandbox.announced, confirmed=False)
        with live_engine(tmp_path, sandbox) as engine:
            ended = end_of(engine.process)
            assert ended.code == 3 and "withdrawal_disabled_confirmed = true" in ended.err, ended


@pytest.mark.thorough
def test_live_over_tls_reaches_only_whom_it_believes_and_the_keys_can_be_tested(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox, tls_front(tmp_path, sandbox.announced) as front:
        config = live_config(tmp_path, sandbox.announced, base=front.base)
        (tmp_path / ".env").write_text("".join(f"{name}={key}\n" for name, key in keys_of(sandbox.announced).items()))
        (tmp_path / ".env").chmod(0o600)
        ask = ("keys", "test", "--json", "--config", str(config))
        answered = end_of(arb(*ask, cwd=tmp_path, variables=front.variables))
        assert answered.code == 0, answered
        rows = {row["venue"]: row for row in json.loads(answered.out)}
        assert {row["result"] for row in rows.values()} == {"accepted"} and len(rows) == 3
        assert all("***" in row["account"] and row["address"].startswith("https://") for row in rows.values()), rows
        doubted = end_of(arb(*ask, cwd=tmp_path))
        assert doubted.code == 3 and "CERTIFICATE_VERIFY_FAILED" in doubted.out, "a certificate that nobody vouches for"
        with engine_of(
            tmp_path, arb("run", *CONSENTS, "--json", *where(tmp_path), cwd=tmp_path, variables=front.variables)
        ) as engine:
            engine.until_pairs(3)
            ended = engine.stop()
        assert (ended.code, ended.summary["halted"]) in WELL_ENDED, ended
        assert truth.differences(tmp_path / DB, sandbox.ledger()) == [], ended
        sandbox.change_keys()
        refused = end_of(arb(*ask, cwd=tmp_path, variables=front.variables))
        assert refused.code == 3, refused
        assert {row["result"] for row in json.loads(refused.out)} == {"not accepted"}, refused
