"""A real Prometheus judges the rules, and scrapes a real companion next to a real engine, as a desk would run them."""

import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from arb.watch.desk_files import BOARD, CONFIG, LIST, RULES, SHIPPED, SOURCE, write_files
from arb.watch.metrics import METRICS
from tests.integration.support import DB, arb, engine_of, run_arb, write_config
from tests.integration.test_watch import companion, until
from tests.unit.watch.receiving import web_server

RULE_TESTS = Path(__file__).with_name("rules.test.yml")


def tool(name: str) -> str:
    """Return the path of a program of Prometheus's; skip the test where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


def promtool(*arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        [tool("promtool"), *arguments], input=given, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_address() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_promtool_takes_the_configuration_with_its_rules(tmp_path: Path) -> None:
    write_files(tmp_path, "127.0.0.1:9464")
    assert "SUCCESS" in promtool("check", "config", str(tmp_path / CONFIG))


def fired(tmp_path: Path, rules: str) -> None:
    """Run the tests of the rules on `rules`."""
    (tmp_path / RULES).write_text(rules, encoding="utf-8")
    tests = RULE_TESTS.read_text(encoding="utf-8").replace("RULES", RULES)
    (tmp_path / "tests.yml").write_text(tests, encoding="utf-8")
    promtool("test", "rules", str(tmp_path / "tests.yml"))


def test_each_rule_fires_where_it_must_and_only_there(tmp_path: Path) -> None:
    rules = (SOURCE / RULES).read_text(encoding="utf-8")
    fired(tmp_path, rules)
    tested = RULE_TESTS.read_text(encoding="utf-8")
    assert [name for name in re.findall(r"- alert: (\w+)", rules) if f'"{name}"' not in tested] == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    "broken",
    [("arb_halted == 1", "arb_halted == 2"), ("> 120", "> 90"), (" == 0\n        for: 30s", " == 0\n        for: 1s")],
    ids=["never", "too_early", "too_quick"],
)
def test_the_tests_of_the_rules_can_fail(tmp_path: Path, broken: tuple[str, str]) -> None:
    rules = (SOURCE / RULES).read_text(encoding="utf-8")
    assert rules.count(broken[0]) == 1
    with pytest.raises(AssertionError, match="FAILED"):
        fired(tmp_path, rules.replace(*broken))


def got(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


class Prometheus:
    """A running Prometheus at `address`."""

    def __init__(self, address: str) -> None:
        self._api = f"http://{address}/api/v1"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of a query; raises `HTTPError` for one that Prometheus does not understand."""
        answer = json.loads(got(f"{self._api}/query?{urllib.parse.urlencode({'query': expression})}"))
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def rules(self) -> list[dict[str, Any]]:
        groups = json.loads(got(f"{self._api}/rules"))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


def is_ready(address: str) -> bool:
    try:
        return "Ready" in got(f"http://{address}/-/ready")
    except OSError:
        return False


@contextmanager
def prometheus(folder: Path) -> Iterator[Prometheus]:
    """Start Prometheus on the files in `folder`, scraping every second."""
    config = folder / CONFIG
    config.write_text(config.read_text(encoding="utf-8").replace("interval: 5s", "interval: 1s"), encoding="utf-8")
    address = free_address()
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([tool("prometheus"), *options], stdout=log, stderr=log)
    try:
        until(lambda: is_ready(address), "Prometheus is ready", 30.0)
        yield Prometheus(address)
    finally:
        process.terminate()
        process.wait(20.0)


@pytest.mark.thorough
def test_a_real_prometheus_reads_a_real_run_and_judges_it_by_the_rules(tmp_path: Path) -> None:
    tool("prometheus")
    address = free_address()
    write_config(tmp_path, listen=f'"{address}"')
    written = run_arb("watch", "--write-files", "desk", "--json", cwd=tmp_path)
    assert written.summary == {"written": [f"desk/{name}" for name in (*SHIPPED, LIST)]}
    run = arb("run", "--json", "--mode", "sandbox", "--db", f"sqlite:///{DB}", cwd=tmp_path)
    with web_server() as web, engine_of(tmp_path, run) as engine:
        engine.until_pairs(1)
        with companion(tmp_path, web.url), prometheus(tmp_path / "desk") as found:
            median = "histogram_quantile(0.5, sum by (le) (rate(arb_{}_seconds_bucket[20s])))"
            for name in ("tick_to_decision", "tick_to_order", "order_round_trip", "market_data_lag", "journal_write"):
                until(_is_number(found, median.format(name)), name, 60.0)
            page = got(f"http://{address}/metrics")
            promtool("check", "metrics", given=page)
            assert [name for name in METRICS if f"# HELP {name} " not in page] == []

            for expression in board_expressions():
                until(lambda: found.query(expression), expression, 60.0)  # noqa: B023
            assert {rule["health"] for rule in found.rules()} == {"ok"}
            assert "ArbEngineDown" not in firing(found) and "ArbCompanionDown" not in firing(found)

            assert run_arb("halt", "--reason", "lunch", "--db", f"sqlite:///{DB}", cwd=tmp_path).code == 0
            until(lambda: "ArbHalted" in firing(found), "the halt fires", 20.0)
            engine.stop()
            until(lambda: "ArbEngineDown" in firing(found), "the end of the engine fires", 60.0)


def _is_number(found: Prometheus, expression: str) -> Callable[[], bool]:
    return lambda: any(0 < float(row["value"][1]) < 60 for row in found.query(expression))


def firing(found: Prometheus) -> set[str]:
    return {rule["name"] for rule in found.rules() if rule["state"] == "firing"}


def board_expressions() -> Iterator[str]:
    """Yield the board's expressions that have a value while all is well."""
    for panel in json.loads((SOURCE / BOARD).read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "20s").replace("$instance", ".*")
            if not re.search(r"arb_(stops|alerts_open|unknown_orders|blocks|best_edge_bps|not_taken)\b", expression):
                yield expression
