"""Two places, and a backup of the engine at the first."""

from pathlib import Path

import pytest

from tests.unit.app.backup.places import Place, an_engine


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "first")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Place:
    return Place(tmp_path / "second")


@pytest.fixture
def made(place: Place, tmp_path: Path) -> Path:
    """Return the backup of an engine that ran at `place` while it was made."""
    with an_engine(place):
        return place.back_up(tmp_path / "copies")
