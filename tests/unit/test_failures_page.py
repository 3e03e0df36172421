"""docs/FAILURES.md has every word by which the engine says that something went wrong."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from arb import errors
from arb.core.messages.incidents import ALERTS, HaltReason, IncidentKind
from arb.core.messages.reasons import Reason
from arb.core.state.control import TradingState
from arb.core.state.venue_health import HealthState
from arb.venues.kit.spec import VenueSpec
from arb.venues.registry import SPECS
from arb.view.health import WORDS
from arb.view.meanings import SECTIONS, meanings

DOCTOR = re.compile(r'Check\(about, "(\w+)"\)')


def words(page: str, heading: str) -> set[str]:
    """Return what stands in backquotes in the first column of the table under a heading."""
    _, _, rest = page.partition(f"\n## {heading}\n")
    assert rest, heading
    rows = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert all(len(row.strip("|").split("|")) >= 2 and row.strip("|").split("|")[-1].strip() for row in rows)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row.split("|")[1])}


@pytest.fixture
def page(repo_root: Path) -> str:
    return (repo_root / "docs" / "FAILURES.md").read_text()


def test_every_incident_halt_reason_and_exit_code_is_explained_and_no_other(page: str) -> None:
    assert words(page, "Incidents") == set(IncidentKind)
    assert words(page, "Halt reasons") == set(HaltReason)
    codes = {str(value) for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert words(page, "Exit codes") == codes
    assert words(page, "Why nothing is traded") == set(Reason)
    assert words(page, "States") == set(TradingState)
    assert words(page, "Check for cron") == {"ok", *WORDS}


def test_the_page_shows_the_meanings_of_these_tables(page: str) -> None:
    for sort, heading in SECTIONS.items():
        table = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        text = (files("arb.view") / "meanings.txt").read_text().partition(f"## {heading}\n")[2].partition("## ")[0]
        assert text.splitlines() == [line for line in table.splitlines() if line.startswith("| `")]
        assert set(meanings()[sort]) == words(page, heading)
    assert set(meanings()["health"]) == set(HealthState)
    assert meanings()["reason"]["stale_book"] == (
        "a book is not fit to trade. To do: arb doctor: books, lag; a slow machine or network."
    )


def test_every_kind_of_alert_stands_in_its_table_from_its_severity_on(page: str) -> None:
    assert words(page, "Alerts") == set(ALERTS)
    _, _, table = page.partition("\n## Alerts\n")
    for line in table.partition("\n## ")[0].splitlines():
        if line.startswith("| `"):
            _, kinds, least, ended_by, _ = (cell.strip() for cell in line.split("|"))
            for kind in re.findall(r"`(\w+)`", kinds):
                rule = ALERTS[IncidentKind(kind)]
                assert least.startswith(rule.least.value), kind
                assert (ended_by == "-") == (not rule.ended_by) and ("unless" in least or "but for" in least) == bool(
                    rule.but_for
                ), kind


def test_every_check_of_accounts_is_explained(page: str, repo_root: Path) -> None:
    source = (repo_root / "arb" / "app" / "doctor" / "account_checks.py").read_text()
    checks = set(DOCTOR.findall(source))
    assert len(checks) >= 15 and checks <= words(page, "Checks of the doctor")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_venue_has_a_page_with_its_regions_and_codes(spec: VenueSpec, repo_root: Path) -> None:
    page = (repo_root / "docs" / "venues" / f"{spec.name.upper()}.md").read_text()
    for heading in ("Make a key", "Region and environment", "Quirks"):
        assert f"\n## {heading}\n" in page
    for site in spec.sites:
        assert site.environment == "production" or f'"{site.environment}"' in page, site
        assert site.region == "global" or f'region = "{site.region}"' in page, site
    named = set(re.findall(r"`([A-Z_]{6,}|-\d{4}|\d{5})`", page.partition("| code |")[2]))
    assert named & set(spec.outcomes.key_troubles), "codes that a refused key meets"
