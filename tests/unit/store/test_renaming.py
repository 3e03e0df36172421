"""How one renames a class or a field and still reads what was written (docs/decisions/0002-frozen-names-on-disk.md).

The classes here are what tomorrow may bring.
"""

import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from arb.core.messages.commands import AnyCommand, SetTimer
from arb.core.messages.events import AnyEvent, AssetBalance, FeedUp
from arb.core.messages.records import BalanceRecord, Record
from arb.store.journal.journal import Journal
from arb.store.ledger.tables import Balance
from arb.store.ledger.writer import row_maker
from tests.unit.store.rows import a_balance

encode = msgspec.json.Encoder(decimal_format="string").encode


class Alarm(msgspec.Struct, frozen=True, kw_only=True, tag="SetTimer"):
    """`SetTimer`, renamed, with two renamed fields and a new one."""

    cause: int
    name: str = msgspec.field(name="timer")
    due_ns: int = msgspec.field(name="at_ns")
    repeats: bool = False


class Up(msgspec.Struct, frozen=True, kw_only=True, tag="FeedUp", rename={"place": "venue"}):
    """`FeedUp`, renamed, its field in the other way there is."""

    seq: int = 0
    t_ns: int = 0
    place: str


def test_a_class_renamed_without_its_tag_cannot_read_what_was_written() -> None:
    class Alarmed(msgspec.Struct, tag=True):
        cause: int
        timer: str
        at_ns: int

    with pytest.raises(msgspec.ValidationError, match="SetTimer"):
        msgspec.json.decode(encode(SetTimer(cause=1, timer="t", at_ns=2)), type=Alarmed)


def test_a_field_renamed_without_its_name_on_disk_cannot_read_what_was_written() -> None:
    class Forgetful(msgspec.Struct, tag="SetTimer"):
        cause: int
        name: str
        at_ns: int

    with pytest.raises(msgspec.ValidationError, match="name"):
        msgspec.json.decode(encode(SetTimer(cause=1, timer="t", at_ns=2)), type=Forgetful)


def test_a_class_and_its_fields_renamed_with_their_names_on_disk_read_and_write_the_old_bytes() -> None:
    old = encode(SetTimer(cause=1, timer="order:arb1", at_ns=2))
    assert msgspec.json.decode(old, type=Alarm | Up) == Alarm(cause=1, name="order:arb1", due_ns=2)
    assert msgspec.json.decode(encode(Alarm(cause=1, name="t", due_ns=2)), type=AnyCommand) == SetTimer(
        cause=1, timer="t", at_ns=2
    )
    up = encode(FeedUp(seq=3, t_ns=4, venue="gate"))
    assert msgspec.json.decode(up, type=Alarm | Up) == Up(seq=3, t_ns=4, place="gate")
    assert encode(Up(seq=3, t_ns=4, place="gate")) == up


class Holding(Record, frozen=True, kw_only=True, tag="BalanceRecord", rename={"available": "free", "origin": "source"}):
    """`BalanceRecord`, renamed."""

    id: int
    run_id: int
    account_id: str
    venue: str
    asset: str
    ns: int
    available: Decimal
    locked: Decimal
    origin: str
    cause: str
    wallet: str = "spot"


def test_the_ledger_calls_a_renamed_field_by_its_name_on_disk() -> None:
    old = a_balance(7, free=Decimal("1.50"))
    held = msgspec.json.decode(encode(old), type=Holding)
    assert held.available == Decimal("1.50")
    assert list(row_maker(Holding, Balance)([held])) == list(row_maker(BalanceRecord, Balance)([old]))


def test_a_journal_calls_a_renamed_class_by_its_tag(journal: Journal) -> None:
    commands: Any = (Alarm(cause=1, name="order:arb1", due_ns=2),)
    event: Any = Up(seq=1, t_ns=2, place="gate")
    journal.append(event, commands)
    with closing(sqlite3.connect(journal.path)) as db:
        assert db.execute("SELECT type FROM entries ORDER BY id").fetchall() == [("FeedUp",), ("SetTimer",)]
    reader = journal.reader()
    assert [entry.message for entry in reader.entries()] == [
        FeedUp(seq=1, t_ns=2, venue="gate"),
        SetTimer(cause=1, timer="order:arb1", at_ns=2),
    ]
    reader.close()


def test_a_field_that_is_not_known_is_passed_over() -> None:
    later = b'{"type":"FeedUp","seq":3,"t_ns":4,"venue":"gate","region":{"name":"far away"}}'
    assert msgspec.json.decode(later, type=AnyEvent) == FeedUp(seq=3, t_ns=4, venue="gate")


def test_numbers_stand_as_text() -> None:
    balance = AssetBalance(free=Decimal("0.10"), locked=Decimal("1E+2"))
    assert encode(balance) == b'{"free":"0.10","locked":"1E+2"}'
