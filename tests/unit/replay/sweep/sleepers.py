"""Work that never ends, for whoever tests what ends it."""

import os
import threading
from pathlib import Path


def sleep(place: str) -> None:
    """Write down which process this is, and wait for ever."""
    Path(place).write_text(str(os.getpid()))
    threading.Event().wait()
