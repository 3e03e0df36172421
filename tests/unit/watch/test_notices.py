"""The texts on a phone: the event, the money, the engine's next step, one command; and nothing of a surprise breaks one."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.core.messages.incidents import ALERTS, IncidentKind, Severity
from arb.masking import SECRETS
from arb.watch.engine import State
from arb.watch.notices import MEANINGS, Engine, digest, money, of_alert, of_ledger, of_receiver, of_silence

ENGINE = Engine("demo", "--mode live --environment demo", "USDT")
NS = 1_795_689_527_353_741_903
STATE: dict[str, Any] = {
    "now_ns": NS,
    "unhedged_notional": "583.0912",
    "unhedged": [
        {"asset": "ETH", "size": "-0.19", "value": "570", "age_ms": 5310},
        {"asset": "BTC", "size": "0.0002", "value": "13.1", "age_ms": 80},
    ],
    "open_pairs": [
        {"id": 80, "symbol": "ETH/USDT", "buy": "okx", "sell": "gate", "state": "repairing", "size": "0.65"},
    ],
}


def a_state(**changes: Any) -> State:
    return msgspec.convert(STATE | changes, State)


MONEY = money(a_state(), ENGINE.quote)


def a_row(kind: str = "late_leg", **changes: Any) -> dict[str, Any]:
    values = {
        "id": 1_795_689_505_000_000_001,
        "run": 1_795_689_505,
        "kind": kind,
        "venue": "gate",
        "symbol": "ETH/USDT",
        "since_ns": NS,
        "last_ns": NS,
        "seen_id": 2,
        "count": 1,
        "text": "pair 80 is unhedged",
        "what_to_do": ALERTS[IncidentKind(kind)].what_to_do if kind in set(IncidentKind) else "ask",
        "acknowledged_ns": None,
        "acknowledged_by": None,
        "reason": None,
    }
    return values | changes


def test_an_alert_names_event_money_next_step_and_command() -> None:
    notice = of_alert(a_row(), MONEY)
    assert notice.title == "a leg is unhedged beyond its deadline: gate ETH/USDT"
    assert notice.text(ENGINE).splitlines() == [
        "10:38 UTC: pair 80 is unhedged",
        f"Money: {MONEY}.",
        "The engine: repair continues within [repair] leg_loss_max_bps, and nothing opens there.",
        (
            f"To do: watch `unhedged` in `arb status {ENGINE.options}`; if it remains, run `arb flatten --reason TEXT "
            f"{ENGINE.options}` or hedge it by hand."
        ),
    ]
    assert MONEY.startswith(
        "583.09 USDT unhedged (-0.19 ETH for 5.3 s, +0.0002 BTC for 0.1 s); open: 80 ETH/USDT repairing"
    )
    assert MONEY.endswith("+0.65 at okx, -0.65 at gate")
    assert (notice.key, notice.serious, notice.wakes, notice.over) == ("1795689505000000001", True, True, None)


@pytest.mark.parametrize("kind", sorted(ALERTS))
def test_every_kind_of_alert_has_a_meaning_and_a_command(kind: IncidentKind) -> None:
    assert MEANINGS.keys() == ALERTS.keys()
    notice = of_alert(a_row(kind.value), MONEY)
    assert re.search(r"`arb \w+", notice.text(ENGINE))
    assert notice.serious or ALERTS[kind].least is not Severity.CRITICAL, "a critical alert is sent in quiet hours"
    assert notice.serious or not notice.wakes
    assert len(notice.title) < 80 and all(len(line) < 300 for line in notice.text(ENGINE).splitlines())


def test_the_longest_text_fits_every_service() -> None:
    long = of_alert(a_row(text="x" * 5_000, what_to_do="y" * 5_000), "z" * 5_000)
    assert len(long.text(ENGINE)) < 1_900
    kinds = [f"Over: {meaning.title}" for meaning in MEANINGS.values()] * 1_000
    assert len(digest(kinds, ["z" * 5_000] * 3, ENGINE)) < 1_900


def test_an_alert_that_is_over_names_who_ended_it() -> None:
    row = a_row(acknowledged_ns=NS, acknowledged_by="stop_lifted", reason="pair 80 is flat")
    assert of_alert(row, MONEY).over == "stop_lifted: pair 80 is flat"


def test_a_repeated_alert_has_its_count() -> None:
    assert "pair 80 is unhedged (7 times since 10:38 UTC)" in of_alert(a_row(count=7), MONEY).text(ENGINE)


def test_a_kind_of_a_newer_engine_is_sent_as_it_is_and_wakes() -> None:
    notice = of_alert(a_row("comet"), MONEY)
    assert notice.title == "comet: gate ETH/USDT" and notice.wakes


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (None, "unknown, no state of the engine was seen"),
        (a_state(unhedged=[], open_pairs=[]), "nothing unhedged; no open pair"),
    ],
)
def test_money_is_known_or_said_to_be_unknown(state: State | None, text: str) -> None:
    assert money(state, "USDT") == text


def test_very_many_open_pairs_are_counted_and_not_listed() -> None:
    text = money(a_state(open_pairs=STATE["open_pairs"] * 500), "USDT")
    assert text.endswith("and 497 more") and len(text) < 400


@pytest.mark.parametrize(("open_pairs", "wakes"), [([], False), (STATE["open_pairs"], True)])
def test_silence_wakes_someone_where_anything_is_open_or_nothing_is_known(open_pairs: Any, wakes: bool) -> None:
    notice = of_silence(a_state(unhedged=[], open_pairs=open_pairs), 5.5, MONEY, NS)
    assert notice.serious and notice.wakes is wakes
    assert "its last state is of 2026-11-26 10:38:47.353 UTC" in notice.text(ENGINE)
    assert of_silence(None, 5.5, MONEY, NS).wakes


def test_the_companions_own_faults_have_the_same_form() -> None:
    for notice in (of_ledger("locked", MONEY, NS), of_receiver("2 tgram", "401", MONEY, NS)):
        assert [line.partition(":")[0] for line in notice.text(ENGINE).splitlines()][1:] == [
            "Money",
            "The engine",
            "To do",
        ]
    assert of_receiver("2 tgram", "401", MONEY, NS).except_to == "2 tgram"


def test_no_text_holds_a_secret_or_a_line_of_someone_elses() -> None:
    SECRETS.hide(["0dd5ecret-of-a-venue"])
    notice = of_alert(a_row(text="refused 0dd5ecret-of-a-venue\nTo do: send coins to me"), MONEY)
    assert "0dd5ecret" not in notice.text(ENGINE) and len(notice.text(ENGINE).splitlines()) == 4


def test_a_digest_counts_kinds_and_names_the_latest() -> None:
    text = digest(["halted", "funds are short", "funds are short"], ["halted"], ENGINE)
    assert text.splitlines() == [
        "2 x funds are short",
        "1 x halted",
        "Latest: halted",
        "To do: `arb alerts --mode live --environment demo`",
    ]


def test_the_page_has_every_kind_as_it_is_sent(repo_root: Path) -> None:
    page = (repo_root / "docs" / "WATCH.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `((?!arb_)\w+)` \| (.+) \|$", page, re.MULTILINE))
    assert rows == {kind: f"{meant.title} | {meant.next_step} | {_wakes(kind)}" for kind, meant in MEANINGS.items()}


def _wakes(kind: IncidentKind) -> str:
    if MEANINGS[kind].wakes:
        return "yes"
    return "in quiet hours, too" if ALERTS[kind].least is Severity.CRITICAL else "-"
