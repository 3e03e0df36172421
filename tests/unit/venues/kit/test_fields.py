"""Warnings about what a venue sends: counted, and written ever more rarely."""

import logging

import pytest

from arb.venues.kit.fields import ThrottledWarning


def test_a_warning_that_is_due_a_million_times_is_written_twenty_times(caplog: pytest.LogCaptureFixture) -> None:
    rarely = ThrottledWarning(logging.getLogger("arb.test"))
    for _ in range(1_000_000):
        rarely.warn("odd")
    assert rarely.count == 1_000_000
    assert len(caplog.records) == 20
