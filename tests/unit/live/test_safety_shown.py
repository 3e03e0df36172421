"""Exposure and health as a person and a program see them."""

from decimal import Decimal
from typing import Any

from arb.cli.answers import to_text
from arb.cli.review import present
from arb.core.messages.events import QueueDrained, TroubleReported
from arb.core.messages.settings import HealthLimits
from arb.view.lines import text_of
from arb.view.screen.picture import picture
from arb.view.summary import present_state, summarise
from tests.builders import Bench
from tests.unit.core.trades.test_trade import crossed, fill


def troubled() -> Bench:
    """Return an engine with a naked leg at gate for two seconds, and a venue in quarantine."""
    bench = Bench()
    buy, _ = crossed(bench)
    fill(bench, buy, "1")
    bench.wait_ms(2000)
    bench.tell(QueueDrained())
    for _ in range(HealthLimits().unread_quarantined):
        bench.tell(TroubleReported(kind="balances_unread", text="no answer", venue="okx"))
    return bench


def summarised(bench: Bench) -> dict[str, Any]:
    return summarise(
        bench.engine,
        mode="sandbox",
        sandbox_id=None,
        seconds=2.0,
        dropped_opportunities=0,
        ceiling_net={},
        db="sqlite:///x",
        now_ns=bench.now_ns,
        report_currency="USDT",
    )


def test_the_summary_tells_the_days_exposure_by_venue_and_every_venues_health() -> None:
    summary = summarised(troubled())
    today = summary["exposure_today"]
    assert Decimal(today["quote_s"]) > 0 and today["by_venue"] == {"gate": today["quote_s"]}
    assert summary["venue_health"]["gate"] == {"state": "healthy", "cause": ""}
    assert summary["venue_health"]["okx"] == {"state": "quarantined", "cause": "unread 10 >= 10"}


def test_the_screen_shows_both() -> None:
    bench = troubled()
    about = {"mark": "", "mode": "sandbox", "environment": "sandbox", "ledger": "sqlite:///x", "started_ns": None}
    rows = picture(present_state(bench.engine, bench.now_ns) | {"about": about}, (120, 40), "")
    text = "\n".join(map(text_of, rows))
    assert "quarantined" in text and "unread 10 >= 10" in text
    assert "today on average " in text and "! UNHEDGED" in text


def test_the_status_of_a_running_engine_begins_with_both() -> None:
    lines = [text_of(row).rstrip() for row in to_text(present(summarised(troubled())), width=80)]
    assert lines[1].startswith("unhedged notional  ") and any(line.startswith("exposure") for line in lines)
    (row,) = [line.split("  ") for line in lines if line.startswith("okx")]
    assert row[-1] == "unread 10 >= 10" and "quarantined" in row
