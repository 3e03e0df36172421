"""What is measured of the journal's disk."""

from pathlib import Path

import pytest

from arb.app.disk_facts import file_system, journal_disk_facts
from arb.clock import SystemClock

MOUNTS = """\
/dev/root / ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
host:/srv /srv/my\\040desk nfs4 rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/var/lib/arb", "ext4"), ("/run/arb", "tmpfs"), ("/running", "ext4"), ("/srv/my desk/var", "nfs4")],
)
def test_the_nearest_mount_above_a_folder_says_its_kind(folder: str, kind: str, tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert file_system(Path(folder), mounts) == kind
    assert file_system(Path(folder), tmp_path / "absent") == ""


def test_a_local_disk_is_synced_and_keeps_locks_and_nothing_is_left_there(tmp_path: Path) -> None:
    facts = journal_disk_facts(tmp_path, SystemClock())
    assert (facts.error, facts.lock_holds) == ("", True) and facts.sync_ms > 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    facts = journal_disk_facts(tmp_path / "absent", SystemClock())
    assert "No such file" in facts.error
