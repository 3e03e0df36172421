"""What a process asks of the system: no Ctrl-C is lost, and who stands for another machine goes last on a processor."""

import ctypes
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from arb.process import ServiceManager, no_interrupt_lost, own_folder


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # the handler runs between two steps of Python
        pass


def _guarded(act: Callable[[], object], went_on: list[bool]) -> None:
    with no_interrupt_lost():
        act()
        went_on.append(True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_a_callback_of_c_swallows_comes_at_the_end_of_the_block() -> None:
    went_on: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        _guarded(ctypes.CFUNCTYPE(None)(_interrupt), went_on)
    assert went_on  # what it raised was lost, as it is in a compiler


def test_an_interrupt_that_comes_through_ends_the_block_at_once() -> None:
    went_on: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        _guarded(_interrupt, went_on)
    assert not went_on
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_block_without_an_interrupt_ends_as_it_would_and_a_failure_in_it_is_the_one_that_is_seen() -> None:
    with no_interrupt_lost():
        pass
    with pytest.raises(ValueError, match="its own"), no_interrupt_lost():
        raise ValueError("its own")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_has_another_use_for_interrupts_keeps_it() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with no_interrupt_lost():
            os.kill(os.getpid(), signal.SIGINT)
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_changes() -> None:
    failures: list[BaseException] = []

    def block() -> None:
        try:
            with no_interrupt_lost():  # handlers can be set by the main thread only
                pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert failures == []


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has such a policy")
def test_who_gives_way_is_scheduled_so_with_the_threads_it_starts() -> None:
    asked = (
        "import os, threading; from arb.process import give_way; give_way();"
        "thread = threading.Thread(target=lambda: print(os.sched_getscheduler(0) == os.SCHED_BATCH));"
        "thread.start(); thread.join()"
    )
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout == "True\n"


def test_a_crash_writes_no_memory_to_disk_and_says_where_it_was(tmp_path: Path) -> None:
    code = (
        "import os, signal; from arb.process import keep_memory_private; keep_memory_private();"
        "print(open('/proc/self/limits').read(), flush=True); os.kill(os.getpid(), signal.SIGSEGV)"
    )
    crashed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert crashed.returncode == -signal.SIGSEGV and "Segmentation fault" in crashed.stderr
    assert re.search(r"Max core file size\s+0\s+0", crashed.stdout)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux calls dumpable")
def test_every_command_is_dumpable_for_nobody() -> None:
    code = "import ctypes; from arb.cli import main; main(['--version']); print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.endswith(
        "0\n"
    )


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_in_which_others_may_write_is_not_ours(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(0o700)
    folder = tmp_path / "arb"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PermissionError, match="others can change"):
        own_folder(folder)


def test_nor_is_one_on_whose_way_others_may_write(tmp_path: Path) -> None:
    (tmp_path / "way").mkdir()
    (tmp_path / "way").chmod(0o777)
    with pytest.raises(PermissionError, match="way"):
        own_folder(tmp_path / "way" / "arb" / "compiled")
    (tmp_path / "link").symlink_to(tmp_path / "way")
    with pytest.raises(PermissionError, match="way"):
        own_folder(tmp_path / "link" / "arb")


def test_a_folder_that_is_made_is_its_users_alone(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        made = own_folder(tmp_path / "cache" / "arb" / "compiled")
    finally:
        os.umask(before)
    assert all(stat.S_IMODE(place.stat().st_mode) == 0o700 for place in (made, made.parent, made.parent.parent))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_of_another_user_is_not_ours(tmp_path: Path) -> None:
    folder = tmp_path / "arb"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    with pytest.raises(PermissionError, match="owner 65534"):
        own_folder(folder)


def _listening(address: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(address)
    listening.settimeout(2.0)
    return listening


@pytest.mark.parametrize("abstract", [False, True])
def test_a_service_manager_gets_each_message_at_its_socket(tmp_path: Path, abstract: bool) -> None:
    named = f"arb-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with _listening(f"\0{named}" if abstract else named) as listening:
        manager = ServiceManager({"NOTIFY_SOCKET": f"@{named}" if abstract else named})
        manager.notify("READY=1", "STATUS=a\nREADY=0")
        assert manager and listening.recv(1000) == b"READY=1\nSTATUS=a READY=0"


def test_a_service_manager_that_takes_no_message_or_is_none_costs_no_wait(tmp_path: Path) -> None:
    with _listening(str(tmp_path / "full")):
        full = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "full")})
        for _ in range(10_000):  # more than its socket holds
            full.notify("WATCHDOG=1")
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).notify("READY=1")
    assert not ServiceManager({})


@pytest.mark.parametrize(
    ("limit_us", "of", "beat_s"),
    [("", "", 10.0), ("30000000", "", 10.0), ("3000000", "", 1.0), ("3000000", "1", 10.0), ("soon", "", 10.0)],
)
def test_three_beats_fit_into_the_limit_of_a_watchdog_that_watches_this_process(
    limit_us: str, of: str, beat_s: float
) -> None:
    assert ServiceManager({"WATCHDOG_USEC": limit_us, "WATCHDOG_PID": of}).beat_s == beat_s
