"""What a process asks of the system: no Ctrl-C is lost, and who stands for another machine goes last on a processor."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from arb.process import no_interrupt_lost


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
