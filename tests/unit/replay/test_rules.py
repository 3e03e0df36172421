"""Segments replay by the rules that they recorded, where these hold; captures without any as before."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.app.replay import replay_tapes
from arb.config import ReplayOptions, Settings
from arb.core.messages.events import InstrumentListed
from arb.core.messages.settings import Limits
from arb.errors import ArbError, StoreError
from arb.market.instrument import Instrument
from arb.replay.tapes import is_own, merged
from arb.store.tapes.tape import SegmentHead
from tests.builders import D, an_instrument
from tests.unit.replay.makings import START_S, Tape, one_dislocation

SETTINGS = Settings(limits=Limits(min_edge_bps=Decimal(1)))
_encode = msgspec.json.Encoder(decimal_format="string").encode


def listed(venue: str, **changes: object) -> Instrument:
    """Return rules such as a venue lists them."""
    native = {"gate": "BTC_USDT", "okx": "BTC-USDT"}.get(venue, "BTC/USDT")
    rules = an_instrument(venue, native_symbol=native, lot=D("0.5"), min_size=D("0.5"))
    return msgspec.structs.replace(rules, **changes)


def segment(path: Path, tape: Tape, *rules: tuple[float, Instrument], form: int = 1) -> Path:
    """Write a segment of a recording: a head, the frames of `tape`, and rules at their seconds after the start."""
    head = SegmentHead(recording="00ff", segment=1, arb="1", rules=form, sites={"gate": "production/global"})
    lines = [
        _line(at_s, known.venue, _encode(InstrumentListed(instrument=known)).decode()) for at_s, known in rules
    ] + tape.lines
    lines.sort(key=lambda line: line["t"])
    return tape.write(path, [_line(0, "", _encode(head).decode()), *lines])


def _line(at_s: float, venue: str, raw: str) -> dict[str, Any]:
    return {"t": START_S + at_s, "venue": venue, "kind": "event", "raw": raw}


def replayed(path: Path, **options: Any) -> dict[str, Any]:
    """Replay a segment; return the summary."""
    db = f"sqlite:///{path.parent}/out.sqlite"
    summary, code = replay_tapes(SETTINGS, ReplayOptions(files=(path,), db=db, **options))
    assert code == 0
    return summary


def both(**changes: object) -> tuple[tuple[float, Instrument], ...]:
    """Return the same changes of both venues' rules, at the head."""
    return (0.0, listed("gate", **changes)), (0.0, listed("okx", **changes))


def again(tape: Tape) -> Tape:
    """Let the same edge open once more, four seconds later, after all of it was renewed."""
    tape.gate(4.0, [], [("100.0", "0")]).gate(4.1, [], [("100.0", "2")])
    tape.okx(5.0, [("101.0", "2")], [("100.0", "0"), ("102.0", "1")])
    return tape.okx(6.0, [("101.0", "0")], [("100.0", "1")]).gate(6.1, [("99.8", "2")], [])


def test_steps_minimums_and_fees_are_those_that_were_listed(tmp_path: Path) -> None:
    summary = replayed(segment(tmp_path / "s", one_dislocation(), *both(taker_fee=D("0.002"), min_notional=D(5))))
    rules = summary["replay"]["instruments"]
    assert {(r["tick"], r["lot"], r["min_notional"], r["taker_fee"], r["rules"], r["changes"]) for r in rules} == {
        ("0.1", "0.5", "5", "0.002", "listed", 0)
    }
    assert summary["replay"]["sites"] == {"gate": "production/global"}
    assert Decimal(summary["fees"]["USDT"]) == Decimal("0.402"), "0.2 % of 100 and of 101"


def test_a_fee_that_is_given_wins_over_the_recorded_one(tmp_path: Path) -> None:
    path = segment(tmp_path / "s", one_dislocation(), *both(taker_fee=D("0.002")))
    summary = replayed(path, fee_bps=Decimal(5))
    assert Decimal(summary["fees"]["USDT"]) == Decimal("0.1005")


def test_a_minimum_that_nothing_reaches_lets_nothing_open(tmp_path: Path) -> None:
    assert replayed(segment(tmp_path / "s", one_dislocation(), *both(min_notional=D(500))))["pairs"]["opened"] == 0


@pytest.mark.parametrize(("changes", "opened"), [({}, 2), ({"tradable": False}, 1), ({"min_notional": D(500)}, 1)])
def test_rules_that_change_hold_from_their_place_on(tmp_path: Path, changes: dict[str, object], opened: int) -> None:
    tape = again(one_dislocation())
    summary = replayed(segment(tmp_path / "s", tape, *both(), (3.0, listed("okx", **changes))))
    assert summary["pairs"]["opened"] == opened
    assert {(r["venue"], r["changes"]) for r in summary["replay"]["instruments"]} == {
        ("gate", 0),
        ("okx", bool(changes)),
    }


def test_finer_steps_later_are_on_the_scale_from_the_beginning(tmp_path: Path) -> None:
    tape = again(one_dislocation())
    finer = {"tick": D("0.00000001"), "lot": D("0.00000001"), "min_size": D("0.00000001")}
    assert replayed(segment(tmp_path / "s", tape, *both(), (3.0, listed("okx", **finer))))["pairs"]["opened"] == 2


def test_a_segment_of_before_rules_were_kept_goes_by_the_levels_seen(tmp_path: Path) -> None:
    summary = replayed(segment(tmp_path / "s", one_dislocation(), *both(taker_fee=D(0)), form=0))
    assert {(r["lot"], r["taker_fee"], r["rules"]) for r in summary["replay"]["instruments"]} == {
        ("1", "0.001", "seen")
    }


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('{"type":"InstrumentListed","instrument":{"venue":"okx"}}', "cannot be read"),
        (_encode(InstrumentListed(instrument=listed("kraken"))).decode(), "'kraken', a venue that this arb does not"),
    ],
)
def test_rules_that_cannot_be_used_end_it_in_a_line_that_names_file_and_place(
    tmp_path: Path, rules: str, said: str
) -> None:
    tape = one_dislocation()
    tape.lines.insert(0, _line(0.0, "okx", rules))
    path = segment(tmp_path / "s", tape, *both())
    with pytest.raises(StoreError, match=said) as ended:
        replayed(path)
    assert str(path) in str(ended.value) and "\n" not in str(ended.value)


def test_rules_of_a_newer_form_are_refused_by_name(tmp_path: Path) -> None:
    path = segment(tmp_path / "s", one_dislocation(), *both(), form=2)
    with pytest.raises(StoreError, match="another arb") as ended:
        list(merged([path]))
    assert "\n" not in str(ended.value)


def test_a_torn_head_is_refused_in_a_line(tmp_path: Path) -> None:
    path = segment(tmp_path / "s", one_dislocation(), *both())
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ArbError) as ended:
        is_own(path)
    assert str(path) in str(ended.value) and "\n" not in str(ended.value)
