"""Which ledger a run may write to: what was simulated on paper never mixes with what was not."""

import random

import pytest

from arb.app.paper import require_kind
from arb.clock import ManualClock
from arb.core.events import RunStarted
from arb.core.records import RunRecord
from arb.errors import ConfigError
from arb.store.journal import Journal
from tests.unit.store.rows import T0, keep


def a_journal(mode: str, sandbox_id: str | None) -> Journal:
    """Return the journal of one run of a mode."""
    journal = Journal.in_memory(ManualClock(T0), random.Random(1))
    started = RunStarted(
        seq=1, t_ns=T0, run_id=1, nonce=1, mode=mode, sandbox_id=sandbox_id, account_ids={}, seed=None, version="t"
    )
    run = RunRecord(id=1, mode=mode, sandbox_id=sandbox_id, seed=None, version="t", started_ns=T0)
    journal.append(started, keep(1, run))
    return journal


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (("sandbox", "s"), ("paper", True)),
        (("live", None), ("paper", False)),
        (("replay", None), ("paper", False)),
        (("paper", "s"), ("paper", False)),
        (("paper", None), ("paper", True)),
        (("paper", None), ("live", False)),
        (("paper", "s"), ("sandbox", True)),
    ],
)
def test_a_ledger_of_another_kind_is_refused(before: tuple[str, str | None], now: tuple[str, bool]) -> None:
    mode, sandbox = now
    with pytest.raises(ConfigError, match="choose another --db"):
        require_kind(a_journal(*before), mode, sandbox=sandbox)


@pytest.mark.parametrize(("sandbox_id", "sandbox"), [("s", True), (None, False)])
def test_paper_goes_on_in_its_own_ledger(sandbox_id: str | None, sandbox: bool) -> None:
    require_kind(a_journal("paper", sandbox_id), "paper", sandbox=sandbox)
    require_kind(Journal.in_memory(ManualClock(T0), random.Random(1)), "paper", sandbox=sandbox)
