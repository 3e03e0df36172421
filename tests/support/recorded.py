"""The recorded and documented answers of venues, where a folder of them lies beside the repository."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest


class Answer(NamedTuple):
    """One answer, `venue/door/endpoint--case`; status None: not recorded. `strength`: strong, weak or documented."""

    name: str
    status: int | None
    strength: str
    raw: bytes

    @property
    def endpoint(self) -> str:
        """Return what was asked, or the channel: the name without door and case."""
        return self.name.split("/")[2].partition("--")[0]


def answers(repo_root: Path, venue: str, door: str) -> list[Answer]:
    """Return what a venue is known to have said over `door`, rest or ws; skip the test where the folder is not there."""
    folder = repo_root.parent / "shared" / "data" / "answers"
    if not folder.is_dir():
        pytest.skip("the recorded answers are not in ../shared/data")
    found = []
    for path in sorted((folder / venue / door).glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        name = path.relative_to(folder).with_suffix("").as_posix()
        strength = record.get("strength") or record["evidence"]
        found.append(Answer(name, record.get("status"), strength, record["raw"].encode()))
    return found
