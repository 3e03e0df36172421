"""Control of a running engine: the halt file and the Unix socket beside the journal."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.core.messages.events import AnyEvent, FlattenAsked, HaltAsked, ResumeAsked
from arb.core.state.positions.holdings import Held, KnownInventory
from arb.errors import ConfigError
from arb.live.control import (
    LINE_LIMIT,
    ControlRequests,
    ControlServer,
    ask,
    halt_file,
    read_halt_file,
    remove_halt_file,
    require_socket,
    socket_path,
    write_halt_file,
)
from arb.market.wallets import CurrencyChain
from arb.process import user_name


def an_answer(wish: dict[str, Any]) -> dict[str, Any]:
    """Answer with what was asked."""
    assert wish.pop("peer") == user_name()
    return {"heard": wish}


def serving(journal: Path, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` while a control socket listens beside `journal`."""

    async def main() -> None:
        server = ControlServer(journal, an_answer)
        await server.start()
        try:
            await work()
        finally:
            await server.close()

    asyncio.run(main())


async def exchange(journal: Path, sent: bytes) -> bytes:
    """Send bytes to the socket, end the sending side, and return everything that comes back."""
    reader, writer = await asyncio.open_unix_connection(str(socket_path(journal)))
    writer.write(sent)
    writer.write_eof()
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
def test_what_is_no_file_in_the_place_of_a_halt_file_halts_and_holds_nothing_up(kind: str, tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"
    place = halt_file(journal)
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "device":
        place.symlink_to("/dev/zero")
    else:
        place.mkdir()
    found: list[str | None] = []
    reading = threading.Thread(target=lambda: found.append(read_halt_file(journal)), daemon=True)
    reading.start()
    reading.join(5)
    assert found and found[0] is not None and found[0].startswith("halt file") and len(found[0]) < 200


def test_a_socket_whose_name_is_too_long_is_refused_before_anything_begins(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90) / ("d" * 90)
    require_socket(deep / "a.journal.sqlite")  # reached through its directory, however long that is
    for name in ("a" * 120, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 60):
        with pytest.raises(ConfigError, match=r"too long for the system.*choose a shorter --db"):
            require_socket(deep / f"{name}.journal.sqlite")


def test_nobody_listening_is_no_answer(tmp_path: Path) -> None:
    assert ask(tmp_path / "a.journal.sqlite", {"do": "status"}) is None


def test_a_socket_left_by_a_dead_process_is_no_answer_and_is_replaced(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(socket_path(journal)))
    left.close()
    assert ask(journal, {"do": "status"}) is None

    async def work() -> None:
        assert await asyncio.to_thread(ask, journal, {"do": "status"}) == {"heard": {"do": "status"}, "loop": []}

    serving(journal, work)
    assert not socket_path(journal).exists()


@pytest.mark.parametrize(
    "garbage", [b"no json\n", b"\xff\xfe\n", b"[1]\n", b"null\n", b"[" * 60_000 + b"\n", b"9" * 60_000 + b"\n", b"\n"]
)
def test_garbage_gets_an_error_and_the_next_question_an_answer(tmp_path: Path, garbage: bytes) -> None:
    journal = tmp_path / "a.journal.sqlite"

    async def work() -> None:
        reported = (await exchange(journal, garbage + b'{"do":"status"}\n')).splitlines()
        assert len(reported) == 2
        assert set(json.loads(reported[0])) == {"error"}
        assert json.loads(reported[1]) == {"heard": {"do": "status"}, "loop": []}

    serving(journal, work)


def test_a_line_beyond_the_limit_ends_that_connection_and_no_other(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"

    async def work() -> None:
        assert await exchange(journal, b"x" * (3 * LINE_LIMIT) + b"\n") == b""
        assert await asyncio.to_thread(ask, journal, {"do": "halt"}) == {"heard": {"do": "halt"}}

    serving(journal, work)


def test_an_asker_that_goes_away_harms_nobody(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"

    async def work() -> None:
        _, writer = await asyncio.open_unix_connection(str(socket_path(journal)))
        writer.write(b'{"do":"status"}\n' * 100)
        writer.transport.abort()
        assert await asyncio.to_thread(ask, journal, {"do": "status"}) is not None

    serving(journal, work)


def test_a_path_longer_than_the_kernel_allows_works(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    journal = folder / "a.journal.sqlite"
    assert len(str(socket_path(journal))) > 108

    async def work() -> None:
        assert await asyncio.to_thread(ask, journal, {"do": "status"}) == {"heard": {"do": "status"}, "loop": []}

    serving(journal, work)


def test_only_the_owner_may_ask(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"

    async def work() -> None:
        assert socket_path(journal).stat().st_mode & 0o777 == 0o600

    serving(journal, work)


def test_a_mute_engine_is_given_up_on(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(socket_path(journal)))
        mute.listen()
        assert ask(journal, {"do": "status"}, timeout_s=0.05) is None


def test_the_halt_file_is_written_read_and_removed_beside_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "deep" / "a.journal.sqlite"
    assert read_halt_file(journal) is None
    assert write_halt_file(journal, "too hot") == halt_file(journal)
    assert halt_file(journal) == tmp_path / "deep" / "a.journal.halt"
    assert read_halt_file(journal) == "too hot"
    assert remove_halt_file(journal)
    assert not remove_halt_file(journal)
    assert read_halt_file(journal) is None


def test_an_empty_or_unreadable_halt_file_halts_too(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"
    halt_file(journal).touch()
    assert read_halt_file(journal) == "halt file"
    halt_file(journal).unlink()
    halt_file(journal).mkdir()
    assert str(read_halt_file(journal)).startswith("halt file unreadable")


def obeying(obeyed: list[AnyEvent]) -> Callable[[AnyEvent], str]:
    """Return what obeys everything, and keeps it."""

    def obey(event: AnyEvent) -> str:
        obeyed.append(event)
        return ""

    return obey


def unasked() -> KnownInventory:
    raise AssertionError("nobody asked for the inventory")


def test_the_inventory_is_answered_as_it_is_known_and_reads_back(tmp_path: Path) -> None:
    known = KnownInventory(
        ns=7,
        held={"gate": {"BTC": Held(Decimal("1.10"), Decimal(1))}},
        chains={
            "okx": (CurrencyChain(asset="BTC", named="BTC-Bitcoin", chain="bitcoin", withdrawal_fee=Decimal("1e-8")),)
        },
        prices={"BTC": Decimal(60_000)},
    )
    requests = ControlRequests(tmp_path / "j", lambda event: "", dict, lambda: known)
    answer = json.loads(json.dumps(requests.answer({"do": "inventory"})))
    assert msgspec.convert(answer["inventory"], KnownInventory, strict=False) == known


def test_a_reason_that_is_no_text_halts_and_can_be_written_down(tmp_path: Path) -> None:
    obeyed: list[AnyEvent] = []
    ControlRequests(tmp_path / "a.journal.sqlite", obeying(obeyed), dict, unasked).answer(
        {"do": "halt", "reason": "a\udcffb\0c"}
    )
    assert obeyed == [HaltAsked(reason="a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c")]
    write_halt_file(tmp_path / "a.journal.sqlite", "a\udcffb")
    assert read_halt_file(tmp_path / "a.journal.sqlite") == "a?b"


def test_a_request_is_by_the_user_at_the_other_end_whatever_it_claims(tmp_path: Path) -> None:
    journal, obeyed = tmp_path / "a.journal.sqlite", list[AnyEvent]()
    requests = ControlRequests(journal, obeying(obeyed), lambda: {"halted": None}, unasked)

    async def main() -> None:
        server = ControlServer(journal, requests.answer)
        await server.start()
        for do in ("halt", "flatten", "resume"):
            await asyncio.to_thread(ask, journal, {"do": do, "reason": "lunch", "peer": "ada", "by": "ada"})
        await server.close()

    asyncio.run(main())
    assert obeyed == [kind(reason="lunch", by=user_name()) for kind in (HaltAsked, FlattenAsked, ResumeAsked)]


def test_a_halt_file_that_cannot_be_written_says_where_and_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="writable"):
        write_halt_file(tmp_path / "file" / "a.journal.sqlite", "x")


def test_a_resumption_hands_its_allowance_on_and_says_what_still_holds(tmp_path: Path) -> None:
    obeyed: list[AnyEvent] = []
    requests = ControlRequests(tmp_path / "j", obeying(obeyed), lambda: {"halted": "why"}, unasked)
    assert requests.answer({"do": "resume", "reason": "go", "allow_loss": "2.5"}) == {"done": "resume", "halted": "why"}
    assert requests.answer({"do": "resume", "reason": "go"}) == {"done": "resume", "halted": "why"}
    assert requests.answer({"do": "halt", "reason": "no"}) == {"done": "halt"}
    assert obeyed == [
        ResumeAsked(reason="go", allow_loss=Decimal("2.5")),
        ResumeAsked(reason="go"),
        HaltAsked(reason="no"),
    ]


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "1e99", "ten", [1], {}])
def test_an_allowance_that_is_no_amount_changes_nothing(tmp_path: Path, amount: object) -> None:
    obeyed: list[AnyEvent] = []
    requests = ControlRequests(tmp_path / "j", obeying(obeyed), dict, unasked)
    assert "error" in requests.answer({"do": "resume", "reason": "go", "allow_loss": amount})
    assert obeyed == []
