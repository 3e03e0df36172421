"""`arb` on a host whose clocks are wrong: `python host_clock.py FILE ARGUMENTS...` runs `arb ARGUMENTS...`.

FILE holds two numbers, which may be changed while it runs (`HostClock`): by how many nanoseconds the wall clock is ahead of
true time, and for how many all clocks of the host have stood still, as those of a suspended virtual machine do.
"""

import mmap
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

LAYOUT = struct.Struct("=qq")


class HostClock:
    """The numbers in the file, as a test sets them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "host_clock"
        self.path.write_bytes(LAYOUT.pack(0, 0))

    def set(self, *, ahead_ns: int = 0, stood_ns: int = 0) -> None:
        """Put the wall clock ahead of true time (or, below zero, behind), and let all clocks have stood still."""
        with self.path.open("r+b") as file:
            file.write(LAYOUT.pack(ahead_ns, stood_ns))

    def pass_by(self, ns: int) -> None:
        """Let so much time have passed at once, on all clocks, since the beginning."""
        self.set(stood_ns=-ns)


def _disturb(path: Path) -> None:
    """Make what Python asks the operating system for the time answer as the file says."""
    with path.open("rb") as file:
        numbers = mmap.mmap(file.fileno(), LAYOUT.size, access=mmap.ACCESS_READ)
    wall, steady, of_clock = time.time_ns, time.monotonic_ns, time.clock_gettime_ns

    def wall_ns() -> int:
        ahead_ns, stood_ns = LAYOUT.unpack(numbers)
        return wall() + int(ahead_ns) - int(stood_ns)

    def standing(read: Callable[[], int]) -> int:
        return read() - int(LAYOUT.unpack(numbers)[1])

    def of_clock_ns(clock: int) -> int:
        return wall_ns() if clock == time.CLOCK_REALTIME else standing(lambda: of_clock(clock))

    time.time_ns = wall_ns
    time.time = lambda: wall_ns() / 1e9
    time.monotonic_ns = lambda: standing(steady)
    time.monotonic = lambda: standing(steady) / 1e9
    time.clock_gettime_ns = of_clock_ns
    time.clock_gettime = lambda clock: of_clock_ns(clock) / 1e9


if __name__ == "__main__":
    _disturb(Path(sys.argv[1]))
    from arb.cli.root import main

    sys.exit(main(sys.argv[2:]))
