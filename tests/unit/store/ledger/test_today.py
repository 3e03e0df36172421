"""What a screen reads of the day: the net of the pairs that closed on it, its causes, and trading time alone."""

from decimal import Decimal
from pathlib import Path

import pytest

from arb.clock import NS_PER_DAY, NS_PER_S
from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import PairRecord
from arb.errors import ConfigError
from arb.store.journal.journal import Journal
from arb.store.ledger.ledger import InlineLedger
from arb.store.ledger.sums import MINUTE_NS, MINUTES, TodayReader
from tests.support.history import a_history, fill_ledger
from tests.unit.store.rows import T0, a_finished_pair, a_pair, a_run, an_event, keep


def read(db_url: str, journal: Journal, now_ns: int, *story: AnyRecord) -> dict[str, object]:
    """Return what is read once these rows are in the ledger."""
    ledger = InlineLedger(db_url, journal)
    for seq, record in enumerate(story, 1):
        ledger.submit(journal.append(an_event(seq), keep(seq, record)))
    ledger.close()
    return TodayReader(db_url).read(now_ns)


def test_a_ledger_that_is_not_there_is_no_ledger(tmp_path: object) -> None:
    with pytest.raises(ConfigError):
        TodayReader(f"sqlite:///{tmp_path}/none.sqlite")


def test_before_a_pair_has_closed_there_is_nothing(db_url: str, journal: Journal) -> None:
    found = read(db_url, journal, T0, a_run(1))
    assert found["quotes"] == {} and found["minutes"] == {}


def test_the_days_terms_add_up_to_its_net(db_url: str, journal: Journal) -> None:
    found = read(db_url, journal, T0 + NS_PER_S, a_run(1), *a_finished_pair(1), *a_finished_pair(2), a_pair(3))
    quotes = found["quotes"]
    assert isinstance(quotes, dict)
    (quote, sums), *others = quotes.items()
    assert (quote, sums.pop("pairs"), others) == ("USDT", 2, [])
    net = sums.pop("realised_net")
    assert net == sum(sums.values(), Decimal(0)) != 0


def test_routes_and_venues_have_the_net_of_the_days_pairs(postgres_url: str, tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'ledger.sqlite'}", postgres_url):
        history = list(a_history(pairs=120, days=2))
        fill_ledger(url, history)
        last = {row.id: row for row in history if isinstance(row, PairRecord) and row.waterfall is not None}
        day = max(row.closed_ns or 0 for row in last.values()) // NS_PER_DAY
        mine = [row for row in last.values() if (row.closed_ns or 0) // NS_PER_DAY == day]
        found = TodayReader(url).read(day * NS_PER_DAY)

        def net_of(rows: list[PairRecord]) -> tuple[int, Decimal]:
            nets = [row.waterfall.realised_net_e8 for row in rows if row.waterfall is not None]
            return len(nets), Decimal(sum(nets)).scaleb(-8)

        routes = {
            (row["quote"], row["buy_venue"], row["sell_venue"]): (row["pairs"], row["net"]) for row in found["routes"]
        }
        assert len(routes) > 6 and len(found["venues"]) >= 3
        for route, sums in routes.items():
            assert sums == net_of([row for row in mine if (row.quote, row.buy_venue, row.sell_venue) == route]), route
        for sums in found["venues"]:
            there = [
                row for row in mine if row.quote == sums["quote"] and sums["venue"] in (row.buy_venue, row.sell_venue)
            ]
            assert (sums["pairs"], sums["net"]) == net_of(there), sums
        assert (
            sum(pairs for pairs, _ in routes.values()) == len(mine) == sum(q["pairs"] for q in found["quotes"].values())
        )
        nets = [row["net"] for row in found["routes"]]
        assert nets == sorted(nets, reverse=True)


def test_yesterday_is_not_today(db_url: str, journal: Journal) -> None:
    found = read(db_url, journal, T0 + NS_PER_DAY, a_run(1), *a_finished_pair(1))
    assert found["quotes"] == {} and found["minutes"] == {}


def test_minutes_in_which_nothing_ran_are_none(db_url: str, journal: Journal) -> None:
    found = read(db_url, journal, T0 + 9 * MINUTE_NS, a_run(1), *a_finished_pair(1))
    minutes = found["minutes"]
    assert isinstance(minutes, dict) and isinstance(found["ran_s"], float)
    nets = minutes["USDT"]
    assert len(nets) == MINUTES
    assert [place for place, net in enumerate(nets) if net] == [MINUTES - 10]
    assert nets[-1] is None and nets[0] is None, "the run wrote nothing so late, and had not begun so early"
    assert 0 < found["ran_s"] < 60
