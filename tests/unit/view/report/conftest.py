"""Ledgers with the same made-up history, on both databases, and the columns of one."""

from pathlib import Path
from typing import Any

import pytest

from arb.store.ledger.migrate import upgrade
from arb.view.report.summary import Sources
from tests.support.history import a_history, fill_ledger


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Return what a report of three made-up days, in two quotes, is made of."""
    url = f"sqlite:///{tmp_path_factory.mktemp('history') / 'ledger.sqlite'}"
    fill_ledger(url, a_history(pairs=120, days=3))
    return Sources(url)


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Return what a report of a ledger without a row is made of."""
    url = f"sqlite:///{tmp_path_factory.mktemp('empty') / 'ledger.sqlite'}"
    upgrade(url)
    return Sources(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def history_url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Return the URL of a ledger with the history, on each database in turn."""
    sqlite = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    fill_ledger(url, a_history(pairs=60, days=3))
    return url
