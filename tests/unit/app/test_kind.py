"""Of which kind a run is: a ledger takes runs of its first run's kind alone, and every screen of what is not real says so."""

import itertools
import random

import pytest

from arb.app.build import RunKind
from arb.app.run import Run
from arb.clock import ManualClock
from arb.config import LiveSettings, Mode, RunOptions, Settings
from arb.core.messages.events import RunStarted
from arb.core.messages.records import RunRecord
from arb.errors import ConfigError
from arb.store.journal.journal import Journal
from arb.store.ledger.domains import CODES, note_on
from tests.unit.store.rows import T0, keep

KINDS = {
    "a sandbox": RunKind(Mode.SANDBOX, demos=False, sandbox=True),
    "paper": RunKind(Mode.PAPER, demos=False, sandbox=False),
    "paper on demos": RunKind(Mode.PAPER, demos=True, sandbox=False),
    "paper on a sandbox": RunKind(Mode.PAPER, demos=False, sandbox=True),
    "live": RunKind(Mode.LIVE, demos=False, sandbox=False),
    "live on a sandbox": RunKind(Mode.LIVE, demos=False, sandbox=True),
    "demo": RunKind(Mode.LIVE, demos=True, sandbox=False),
    "demo on a sandbox": RunKind(Mode.LIVE, demos=True, sandbox=True),
}
ALIKE = {("paper", "paper on demos"), ("paper on demos", "paper")}
"""What the accounts beside the ledger keep apart, and not the ledger itself (`store/journal/account_file.py`)."""


def a_journal(kind: RunKind) -> Journal:
    """Return the journal of one run of a kind."""
    mode, sandbox_id = kind.recorded, "s" if kind.sandbox else None
    journal = Journal.in_memory(ManualClock(T0), random.Random(1))
    started = RunStarted(
        seq=1, t_ns=T0, run_id=1, nonce=1, mode=mode, sandbox_id=sandbox_id, account_ids={}, seed=None, version="t"
    )
    run = RunRecord(id=1, mode=mode, sandbox_id=sandbox_id, seed=None, version="t", started_ns=T0)
    journal.append(started, keep(1, run))
    return journal


@pytest.mark.parametrize(("before", "now"), list(itertools.product(KINDS, KINDS)))
def test_a_ledger_takes_runs_of_its_first_runs_kind_alone(before: str, now: str) -> None:
    journal = a_journal(KINDS[before])
    if before == now or (before, now) in ALIKE:
        KINDS[now].require(journal)
        return
    with pytest.raises(ConfigError, match="choose another --db"):
        KINDS[now].require(journal)


@pytest.mark.parametrize("name", list(KINDS))
def test_a_new_ledger_takes_every_kind(name: str) -> None:
    KINDS[name].require(Journal.in_memory(ManualClock(T0), random.Random(1)))


def test_every_kind_but_the_sandboxs_own_stands_first_in_what_a_run_shows() -> None:
    assert {name: kind.mark for name, kind in KINDS.items()} == {
        "a sandbox": "",
        "paper": "PAPER",
        "paper on demos": "PAPER DEMO",
        "paper on a sandbox": "PAPER",
        "live": "LIVE",
        "live on a sandbox": "LIVE ON A SANDBOX",
        "demo": "DEMO",
        "demo on a sandbox": "DEMO ON A SANDBOX",
    }


@pytest.mark.parametrize("name", list(KINDS))
def test_what_rows_say_of_a_kind_is_known_and_noted_where_the_figures_are_not_real(name: str) -> None:
    recorded = KINDS[name].recorded
    assert recorded in CODES["runs"]["mode"]
    noted = note_on((recorded,)).get("note", "")
    assert noted.partition(":")[0] == {"paper": "PAPER", "demo": "DEMO"}.get(recorded, "")


@pytest.mark.parametrize(("enabled", "live"), [(False, False), (True, False), (False, True)])
def test_a_live_run_is_not_even_made_without_both_consents(enabled: bool, live: bool) -> None:
    settings = Settings(live=LiveSettings(enabled=enabled))
    with pytest.raises(ConfigError, match="needs your consent twice"):
        Run(settings, RunOptions(mode=Mode.LIVE, live=live))
