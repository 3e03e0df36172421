"""The clock of a run: carried forward by the steady clock, whatever becomes of the host's, and moved only on purpose."""

import time

from arb.clock import NS_PER_S, SystemClock


class Host:
    """The clocks of a machine."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000 * NS_PER_S
        self.steady = 5 * NS_PER_S

    def passes(self, ns: int) -> None:
        self.wall += ns
        self.steady += ns

    def clock(self) -> SystemClock:
        return SystemClock(lambda: self.wall, lambda: self.steady)


def test_a_clock_begins_with_the_systems_time() -> None:
    assert abs(SystemClock().wall_ns() - time.time_ns()) < NS_PER_S


def test_a_step_of_the_hosts_clock_does_not_move_it() -> None:
    host = Host()
    clock = host.clock()
    began_ns = clock.wall_ns()
    host.wall += 3600 * NS_PER_S
    host.passes(NS_PER_S)
    assert clock.wall_ns() == began_ns + NS_PER_S


def test_it_is_moved_by_so_much_and_goes_on_from_there() -> None:
    host = Host()
    clock = host.clock()
    began_ns, steady_ns = clock.wall_ns(), clock.monotonic_ns()
    clock.shift(-3600 * NS_PER_S)
    host.passes(NS_PER_S)
    assert clock.wall_ns() == began_ns - 3599 * NS_PER_S
    assert clock.monotonic_ns() == steady_ns + NS_PER_S
