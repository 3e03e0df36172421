"""What is measured of this machine."""

import asyncio
from pathlib import Path

import pytest

from arb.app.doctor.local_checks import clock_discipline, file_system, journal_disk_facts, loop_kind
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


def test_the_kernel_says_whether_its_clock_is_kept_or_nothing() -> None:
    facts = clock_discipline()
    assert facts.kept in (None, True, False) and facts.error_ms >= 0


def test_the_loop_that_runs_is_named_with_what_waits_for_its_sockets() -> None:
    async def kind() -> str:
        return loop_kind(asyncio.get_running_loop())

    assert asyncio.run(kind()) in ("asyncio on epoll", "asyncio on kqueue")
