"""The symbols that `arb init` proposes: those that the rules choose on the venues' markets now, or none in time."""

import threading
from pathlib import Path

from arb.app.markets import best_symbols, show_markets
from arb.config import EMBEDDED, MarketsOptions, Settings
from arb.config.loader import load_text

SETTINGS = load_text("[run.auto]\nmin_volume_quote = 0\nmax_book_spread_bps = 1000\n", Settings, "config.toml")
OPTIONS = MarketsOptions(config=Path("config.toml"), sandbox=EMBEDDED)


def test_they_are_those_that_arb_markets_would_choose() -> None:
    found = best_symbols(SETTINGS, OPTIONS, 60)
    assert found and set(found) == set(show_markets(SETTINGS, OPTIONS, {})["chosen"])


def test_venues_that_do_not_answer_in_time_propose_none() -> None:
    assert best_symbols(SETTINGS, OPTIONS, 0.01) == ()
    for thread in threading.enumerate():
        if thread.name == "arb-symbols":
            thread.join()  # a person answers meanwhile; the next test must not find its sandbox
