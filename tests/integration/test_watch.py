"""`arb watch` next to a real engine, as a user starts them: a halt, a stopped process, a killed companion, and no secret."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from arb.clock import NS_PER_S, SystemClock
from arb.watch.memory import memory_path
from tests.integration.support import DB, Process, arb, arb_anew, end_of, engine_of, run_arb, write_config
from tests.unit.store.ledger.test_alerts import Stores, drift
from tests.unit.store.rows import T0, a_run
from tests.unit.watch.receiving import web_server

SECRET = "5d1e7f0a9b3c4e2d"
LEDGER = f"sqlite:///{DB}"
CLOCK = SystemClock()


@contextmanager
def companion(
    folder: Path,
    *urls: str,
    begin: Callable[..., Process] = arb,
    more: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Start `arb watch` on the ledger in `folder`; wait until it listens; kill it with the block if it still runs."""
    known = {"ARB_ALERT_URLS": " ".join(urls)} | dict(variables or {})
    process = begin("watch", "--json", "--db", LEDGER, *more, cwd=folder, variables=known)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["receivers"]
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def until(happened: Callable[[], object], what: str, within_s: float) -> float:
    """Wait; return after how many seconds it happened."""
    pause, began_ns = threading.Event(), CLOCK.monotonic_ns()
    while not happened():
        assert CLOCK.monotonic_ns() - began_ns < within_s * NS_PER_S, f"not within {within_s} s: {what}"
        pause.wait(0.02)
    return (CLOCK.monotonic_ns() - began_ns) / NS_PER_S


def test_a_halt_and_a_stopped_engine_arrive_within_seconds_and_an_orderly_end_is_no_alert(tmp_path: Path) -> None:
    write_config(tmp_path)
    with web_server() as web, companion(tmp_path, web.url) as watch:
        run = arb("run", "--json", "--mode", "sandbox", "--db", LEDGER, cwd=tmp_path)
        with engine_of(tmp_path, run) as engine:
            engine.until_pairs(1)
            assert web.taken == []
            assert run_arb("halt", "--reason", "lunch", "--db", LEDGER, cwd=tmp_path).code == 0
            until(lambda: web.taken, "the halt is sent", 5.0)
            assert web.titles == ["arb sandbox: halted"] and "asked: lunch" in web.taken[0][1]["message"]

            engine.until(lambda status: status["pairs"]["open"] == 0, "open pairs are finished")
            os.kill(run.pid, signal.SIGSTOP)
            until(lambda: len(web.taken) == 2, "the stopped engine is sent", 10.0)
            assert web.titles[1] == "arb sandbox: the engine gives no sign"
            os.kill(run.pid, signal.SIGCONT)
            until(lambda: len(web.taken) == 3, "it continues", 10.0)
            engine.stop()
        threading.Event().wait(7.0)  # longer than `hung_after_s`
        assert web.titles[2:] == ["arb sandbox: Over: the engine gives no sign"]
        watch.send_signal(signal.SIGTERM)
        ended = end_of(watch)
        assert (ended.code, ended.out) == (0, "")
        assert all("works again" in line or "no such file" in line for line in ended.err.splitlines()), ended.err


def test_a_killed_engine_arrives_within_seconds_and_its_next_start_ends_the_alert(tmp_path: Path) -> None:
    write_config(tmp_path)
    with web_server() as web, companion(tmp_path, web.url):
        for expected in (["the engine gives no sign"], ["Over: the engine gives no sign", "the engine gives no sign"]):
            run = arb("run", "--json", "--mode", "sandbox", "--db", LEDGER, cwd=tmp_path)
            with engine_of(tmp_path, run) as engine:
                seen = len(web.taken)
                engine.until_pairs(1)
                until(lambda: len(web.taken) - seen == len(expected) - 1, "it runs", 10.0)  # noqa: B023
                run.kill()
                until(lambda: len(web.taken) - seen == len(expected), "the killed engine is sent", 10.0)  # noqa: B023
                assert web.titles[seen:] == [f"arb sandbox: {title}" for title in expected]


@pytest.fixture
def alert(tmp_path: Path, ledger_file: Path) -> Path:
    """Return a folder with a ledger that has one open alert, and no engine."""
    (tmp_path / DB).write_bytes(ledger_file.read_bytes())
    stores = Stores(f"sqlite:///{tmp_path / DB}", tmp_path)
    stores.write(a_run(1, ended_ns=T0 + 2, exit_code=0), drift(1))
    stores.stop()
    return tmp_path


def test_a_companion_killed_while_it_sends_repeats_one_message_and_loses_none(alert: Path) -> None:
    with web_server() as web:
        web.status = 0
        with companion(alert, web.url) as watch:
            until(lambda: web.taken, "it is sent", 20.0)
            watch.kill()
        web.status = 200
        web.released.set()
        with companion(alert, web.url):
            until(lambda: len(web.taken) == 2, "it is sent again", 20.0)
            memory = memory_path(alert / "a.journal.sqlite")
            until(lambda: b"balance" in memory.read_bytes(), "it is remembered", 5.0)
        with companion(alert, web.url) as watch:
            threading.Event().wait(3.0)
            assert len(web.taken) == 2
            second = run_arb("watch", "--db", LEDGER, cwd=alert)
            assert second.code == 2 and "no receiver of alerts" in second.err
            other = end_of(arb("watch", "--db", LEDGER, cwd=alert, variables={"ARB_ALERT_URLS": web.url}))
            assert other.code == 2 and "already running (process" in other.err


def test_a_companion_whose_receiver_hangs_ends_at_once_with_a_signal(alert: Path) -> None:
    with web_server() as web:
        web.status = 0
        with companion(alert, web.url, begin=arb_anew) as watch:
            until(lambda: web.taken, "it is sent", 20.0)
            watch.send_signal(signal.SIGINT)
            assert watch.wait(5.0) == 0


def test_notify_test_sends_to_every_receiver_and_names_each_fault(tmp_path: Path) -> None:
    with web_server() as good, web_server() as bad:
        bad.status = 401
        (tmp_path / ".env").write_text(f"ARB_ALERT_URLS='{good.url}/{SECRET} {bad.url}/{SECRET} jsn://{SECRET}'\n")
        (tmp_path / ".env").chmod(0o600)
        ended = run_arb("notify", "test", "--json", cwd=tmp_path)
    assert (ended.code, ended.err) == (3, "")
    assert [(row["receiver"], row["result"].partition(":")[0]) for row in ended.summary["receivers"]] == [
        ("1 json", "sent"),
        ("2 json", "NOT SENT"),
        ("3 jsn", "NOT SENT"),
    ]
    assert "error=401" in ended.out and "correct it" in ended.out and SECRET not in ended.out
    assert [path for path, _ in good.taken] == [f"/alerts/{SECRET}"]


def test_no_output_and_no_file_holds_a_part_of_an_address(alert: Path) -> None:
    """Planted: in paths, as token, as password, as heartbeat; each receiver fails, and one is no address."""
    urls = (
        f"json://127.0.0.1:1/alerts/{SECRET}",
        f"tgram://123456789:{SECRET}AAHq7gT3kQm2rX9vL/4711",
        f"json://ann:{SECRET}@127.0.0.1:1/",
        f"nothing://{SECRET}/{SECRET}",
    )
    (alert / "config.toml").write_text(f'[watch]\nheartbeat_url = "http://127.0.0.1:1/{SECRET}"\n')
    variables = {"ARB_ALERT_URLS": " ".join(urls), "ARB_WAKE_URLS": urls[0], "HTTPS_PROXY": "http://127.0.0.1:1"}
    with web_server() as web:
        variables["ARB_ALERT_URLS"] += f" {web.url}"
        watch = arb("watch", "--db", LEDGER, cwd=alert, variables=variables)
        # By itself, or in a digest where the faults are found at once.
        until(lambda: "receiver 4 nothing takes no messages" in json.dumps(web.taken), "the faults are sent", 30.0)
        watch.send_signal(signal.SIGTERM)
        ended = end_of(watch)
        messages = json.dumps(web.taken)
    shown = [
        end_of(arb(*command, cwd=alert, variables=variables))
        for command in (("notify", "test"), ("run", "--show-config"))
    ]
    texts = [messages, ended.out, ended.err, *(text for each in shown for text in (each.out, each.err))]
    texts += [
        path.read_text("utf-8", "replace") for path in alert.iterdir() if path.is_file() and path.name != "config.toml"
    ]
    assert [text for text in texts if SECRET in text] == []
    assert "***" in shown[1].out and "nothing takes no messages" in messages


def test_the_engines_process_never_loads_the_senders() -> None:
    code = "import sys, arb.app.run, arb.cli.engine; print('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
