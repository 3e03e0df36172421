"""Files that a person names are read whole: bounded, and a pipe that nobody writes to is not waited for."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arb.config import load_settings
from arb.config.coins import known_coins
from arb.config.writing import write_symbols
from arb.errors import ConfigError
from arb.files import MOST, whole, whole_text
from arb.replay.scan import read_scan_input
from arb.sandbox.__main__ import read_faults

READERS: list[Callable[[Path], Any]] = [
    load_settings, read_scan_input, read_faults, lambda path: known_coins(str(path)),
    lambda path: write_symbols(path, ["BTC/USDT"]),
]  # fmt: skip


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_without_a_writer_and_a_file_without_an_end_are_refused_at_once(
    kind: str, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    named = Path("/dev/zero") if kind == "device" else tmp_path / "pipe"
    if kind == "pipe":
        os.mkfifo(named)
    ends: list[BaseException] = []

    def reading() -> None:
        try:
            read(named)
        except BaseException as error:
            ends.append(error)

    thread = threading.Thread(target=reading, daemon=True)
    thread.start()
    thread.join(20)
    assert [type(end) for end in ends] == [ConfigError]
    assert ("no program writes" if kind == "pipe" else f"larger than {MOST:,} bytes") in str(ends[0])


def test_a_pipe_that_a_program_writes_to_is_read_to_its_end() -> None:
    """As a shell gives one: `--config <(...)` names the reading end of a pipe whose writing end is open."""
    reading, writing = os.pipe()

    def write() -> None:
        for part in (b"\xef\xbb\xbfone\r", b"\ntwo"):
            os.write(writing, part)
        os.close(writing)

    threading.Thread(target=write, daemon=True).start()
    try:
        assert whole_text(Path(f"/dev/fd/{reading}")) == "one\ntwo"
    finally:
        os.close(reading)


def test_a_file_of_the_greatest_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert whole(tmp_path / "a", 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        whole(tmp_path / "a", 4)
