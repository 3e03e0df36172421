"""Commands that are forked do as those do that Python was started for: words, exit codes, signals, places."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.support import SOON_S, arb, arb_anew, end_of, sandbox_process, write_config


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("status", "--db", "sqlite:///none.sqlite"), ("nonsense",), ("run", "--show-config"), ()],
    ids=["an answer", "an error", "bad usage", "a file of the folder", "nothing"],
)
def test_it_says_and_ends_with_what_a_command_does_for_which_python_is_started(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    write_config(tmp_path, min_edge_bps="77")
    variables = {"OKX_API_KEY": "only here"}
    forked, anew = (start(*arguments, cwd=tmp_path, variables=variables) for start in (arb, arb_anew))
    assert end_of(forked) == end_of(anew)
    assert forked.pid not in (os.getpid(), anew.pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_reaches_it_and_its_end_is_told_as_such(tmp_path: Path, number: signal.Signals) -> None:
    with sandbox_process(tmp_path) as sandbox:
        process = sandbox.process
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(SOON_S)
        process.send_signal(number)
        assert process.wait() == (-signal.SIGKILL if number is signal.SIGKILL else 0)
        process.send_signal(number)  # nobody is there any more
        assert process.poll() == process.returncode


def test_what_it_said_is_kept_while_its_end_is_waited_for_in_vain(tmp_path: Path) -> None:
    process, said = arb("run", "--show-config", cwd=tmp_path), ""
    while not said:
        with contextlib.suppress(subprocess.TimeoutExpired):
            said, _ = process.communicate(timeout=0.001)
    assert said == end_of(arb("run", "--show-config", cwd=tmp_path)).out
