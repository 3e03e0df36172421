"""`arb sweep` as a user starts it: the same rows whatever works on them, and whatever is killed meanwhile."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration.support import Process, arb, run_until, stopped_when, write_config
from tests.unit.replay.sweep.markets import write_day

SETS = ("--set", "limits.min_edge_bps=0,40,80", "--set", "limits.max_notional_quote=150,2000")
LONG_S = 400.0


def sweep(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run a sweep of the folder's tapes; return its document."""
    tapes = sorted(path.name for path in folder.glob("day*.jsonl"))
    process = arb("sweep", *tapes, *SETS, "--json", *arguments, cwd=folder)
    out, err = process.communicate(timeout=LONG_S)
    assert process.returncode == code, err
    document: dict[str, Any] = json.loads(out)
    return document


def stopped_in_its_midst(folder: Path, runs: int, *arguments: str) -> Process:
    """Start a sweep of so many runs that knows none yet, and return it stopped (SIGSTOP) when some stand in its file."""
    whole, part = folder / "s.jsonl", folder / "s.jsonl.part"

    def start() -> Process:
        whole.unlink(missing_ok=True)
        return arb("sweep", *arguments, "--out", "s.jsonl", cwd=folder)

    return stopped_when(start, lambda: part.exists() and 0 < part.read_bytes().count(b"\n") < runs)


def refused(folder: Path, *arguments: str, code: int = 2) -> str:
    """Run a sweep that cannot be; return the one line that says why."""
    process = arb("sweep", *arguments, cwd=folder)
    out, err = process.communicate(timeout=LONG_S)
    assert (process.returncode, out) == (code, ""), err
    (line,) = err.splitlines()
    return line


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """Return a folder with the tapes of three days."""
    for day in range(3):
        write_day(tmp_path, day)
    return tmp_path


class Swept(NamedTuple):
    """A sweep of the three days that nothing disturbed: what it showed, and its file."""

    document: dict[str, Any]
    file: bytes


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    folder = tmp_path_factory.mktemp("swept")
    for day in range(3):
        write_day(folder, day)
    document = sweep(folder, "--jobs", "4", "--out", "s.jsonl")
    return Swept(document, (folder / "s.jsonl").read_bytes())


@pytest.fixture
def known(days: Path, swept: Swept) -> Path:
    """Return the folder of the three days, where `s.jsonl` has a line of each run already."""
    (days / "s.jsonl").write_bytes(swept.file)
    return days


@pytest.mark.thorough
def test_the_file_is_the_same_to_the_last_byte_whatever_the_number_of_workers(days: Path, swept: Swept) -> None:
    alone = sweep(days, "--jobs", "1", "--out", "s.jsonl")

    assert (days / "s.jsonl").read_bytes() == swept.file
    documents = [{k: v for k, v in found.items() if k != "file"} for found in (alone, swept.document)]
    assert documents[0] == documents[1]
    assert (alone["runs"], alone["runs_made_now"], alone["sets_tried"]) == (18, 18, 6)
    keys = [json.loads(line)["key"] for line in swept.file.splitlines()]
    assert keys == sorted(set(keys)) and len(keys) == 18


@pytest.mark.thorough
@pytest.mark.parametrize("step", [17, pytest.param(7, marks=pytest.mark.thorough)], ids=["few", "more"])
def test_every_row_says_what_a_replay_of_that_tape_with_those_settings_says(days: Path, step: int) -> None:
    sweep(days, "--fee", "5bps,10bps", "--out", "s.jsonl")
    rows = [json.loads(line) for line in (days / "s.jsonl").read_text().splitlines()]
    for row in rows[::step]:
        options = [f"--set={key}={value}" for key, value in row["set"].items() if not key.startswith("--")]
        options += [f"{key}={value}" for key, value in row["set"].items() if key.startswith("--")]
        process = arb("replay", row["tape"], *options, "--json", cwd=days)
        replayed = json.loads(process.communicate(timeout=LONG_S)[0])
        (earned,) = replayed["answer"]["earned"] or [{"net": "0", "fees": "0"}]
        assert (row["net"], row["frames"]) == (earned["net"], replayed["frames"])
        assert row["fees"] == earned["fees"]


@pytest.mark.thorough
def test_what_is_known_is_not_made_again_and_what_changed_is(known: Path, swept: Swept) -> None:
    days = known
    again = sweep(days, "--out", "s.jsonl")
    assert again["runs_made_now"] == 0
    assert (days / "s.jsonl").read_bytes() == swept.file
    assert again["sets"] == swept.document["sets"]

    (days / "day1.jsonl").rename(days / "day9.jsonl")
    assert sweep(days, "--out", "s.jsonl")["runs_made_now"] == 0, "the same tape by another name"

    write_day(days, 2, edges=11)
    assert sweep(days, "--out", "s.jsonl")["runs_made_now"] == 6, "another tape by the same name"

    (days / "config.toml").write_text("[repair]\nleg_loss_max_bps = 40\n")
    assert sweep(days, "--out", "s.jsonl")["runs_made_now"] == 18, "another setting, though no swept one"


@pytest.mark.thorough
@pytest.mark.parametrize("killed", ["sweep", "sweep by ctrl-c", "worker"])
def test_a_killed_sweep_goes_on_where_it_was_and_a_killed_worker_is_replaced(
    days: Path, swept: Swept, killed: str
) -> None:
    part = days / "s.jsonl.part"
    tapes = sorted(path.name for path in days.glob("day*.jsonl"))
    process = stopped_in_its_midst(days, 18, *tapes, *SETS, "--json", "--jobs", "1")
    if killed != "worker":
        process.send_signal(signal.SIGKILL if killed == "sweep" else signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=LONG_S)
        assert process.returncode == (-signal.SIGKILL if killed == "sweep" else 130)
        # A slow one says how far it is.
        assert [
            line for line in err.splitlines() if not re.match(r"$|(reading tapes|replaying): \d+ of \d+", line)
        ] == []
        kept = len(part.read_bytes().splitlines())
        part.write_bytes(part.read_bytes() + b'{"key":"half of a row')
        found = sweep(days, "--jobs", "1", "--out", "s.jsonl")
        assert 0 < found["runs_made_now"] <= 18 - kept
    else:
        (worker,) = _workers_of(process.pid)
        signal.pidfd_send_signal(worker, signal.SIGKILL)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=LONG_S)
        assert process.returncode == 0, err
        assert json.loads(out)["runs_made_now"] == 18
    assert (days / "s.jsonl").read_bytes() == swept.file
    assert not part.exists()


def _workers_of(pid: int) -> list[int]:
    """Return handles of the processes at work for a sweep: children of its fork server."""
    children = {path.parent.name: int(re.findall(r"\) . (\d+) ", path.read_text())[0]) for path in _stats()}
    of_pid = [child for child, parent in children.items() if parent == pid]
    return [os.pidfd_open(int(child)) for child, parent in children.items() if str(parent) in of_pid]


def _stats() -> list[Path]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            path.read_text()
        except OSError:
            continue
        found.append(path)
    return found


@pytest.mark.thorough
def test_the_tape_of_a_run_is_swept_under_the_settings_of_the_run(tmp_path: Path) -> None:
    options = ("--seed", "5", "--tape", "run.jsonl.gz")
    run = run_until(
        lambda status: status["pairs"]["completed"] >= 8, "some pairs", *options, cwd=tmp_path, db="var/sandbox.sqlite"
    )
    assert run.code == 0, run.err
    process = arb("sweep", "run.jsonl.gz", "--set", "limits.min_edge_bps=0,9", "--json", cwd=tmp_path)
    out, err = process.communicate(timeout=LONG_S)
    assert process.returncode == 0, err
    for found in json.loads(out)["sets"]:
        option = f"limits.min_edge_bps={found['set']['limits.min_edge_bps']}"
        process = arb("replay", "run.jsonl.gz", "--set", option, "--json", cwd=tmp_path)
        (earned,) = json.loads(process.communicate(timeout=LONG_S)[0])["answer"]["earned"]
        assert found["net"] == earned["net"] != "0"
    assert "is replayed under its own limits" in refused(
        tmp_path, "run.jsonl.gz", "--set", "limits.min_edge_bps=0,9", "--config", str(write_config(tmp_path))
    )


@pytest.mark.thorough
def test_days_held_out_are_shown_and_choose_nothing(known: Path) -> None:
    found = sweep(known, "--hold-out", "1", "--out", "s.jsonl")
    best = found["sets"][0]
    assert (len(found["days"]), len(found["held_out"])) == (2, 1)
    assert best["held_out_net"] is not None and found["held_out_place_of_the_best"] in range(1, 7)
    assert [line for line in found["sentences"] if "held out it made" in line]
    named = sweep(known, "--hold-out", found["held_out"][0], "--out", "s.jsonl")
    assert (named["sets"], named["runs_made_now"]) == (found["sets"], 0)


def test_the_answer_for_a_person_begins_with_a_plain_sentence(known: Path) -> None:
    process = arb("sweep", "day0.jsonl", "day1.jsonl", *SETS, "--out", "s.jsonl", cwd=known)
    out, _ = process.communicate(timeout=LONG_S)
    first, second, third, *rest = out.splitlines()
    assert re.fullmatch(r"On 2 tapes of 2 days limits.min_edge_bps=\d+ .* made most: .* USDT.*\.", first)
    assert second.startswith("It is the best of 6 sets; ")
    assert third.startswith("6 sets were tried on these tapes: the best of so many looks better than it is")
    assert any(re.search(r"limits.min_edge_bps +limits.max_notional_quote +net +pairs +best", line) for line in rest)


@pytest.mark.thorough
def test_two_sweeps_into_one_file_are_refused(days: Path) -> None:
    process = stopped_in_its_midst(days, 6, "day0.jsonl", *SETS)
    try:
        assert "another sweep is writing there" in refused(days, "day0.jsonl", *SETS, "--out", "s.jsonl")
    finally:
        process.send_signal(signal.SIGCONT)
    process.communicate(timeout=LONG_S)
    assert process.returncode == 0
