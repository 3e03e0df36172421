"""That something still goes on is said for as long as nothing else is."""

import logging
import threading

from arb.cli.progress import still


class Heard(logging.Handler):
    """Counts the lines of each logger, and lets a test wait for so many."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.twice = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.names.append(record.name)
        if self.names.count("arb.cli.progress") >= 2:
            self.twice.set()


def test_it_is_said_again_and_again_until_anything_else_is_logged() -> None:
    root, ours, heard = logging.getLogger(), logging.getLogger("arb"), Heard()
    before, level = threading.active_count(), ours.level
    ours.setLevel(logging.INFO)
    root.addHandler(heard)
    try:
        with still("starting", every_s=0.01):
            assert heard.twice.wait(30)
            logging.getLogger("arb.app.run").info("books are live")
            speaker = next((one for one in threading.enumerate() if one.name == "arb-still"), None)
            if speaker is not None:
                speaker.join(30)
                assert not speaker.is_alive()
    finally:
        root.removeHandler(heard)
        ours.setLevel(level)
    assert heard.names.count("arb.app.run") == 1 and threading.active_count() == before
    assert not [one for one in root.handlers if type(one).__name__ == "_Heard"]
