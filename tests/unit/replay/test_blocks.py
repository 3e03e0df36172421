"""Tapes taken a block at a time: the same lines, the same instants, and the same journal as line by line."""

import gzip
import importlib.util
import json
import random
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.app.rerun import books_of_run
from arb.clock import NS_PER_MS, ManualClock
from arb.core.engine import Engine
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.records import OpportunityRecord
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.errors import ConfigError, StoreError
from arb.live.fast_books import BooksBy
from arb.market.arena import INT64_MAX
from arb.market.words import QUIET_FRAMES
from arb.replay.backtest import Backtest, clock_before
from arb.replay.blocks import FrameBlocks
from arb.replay.captured import Capture, Contents
from arb.replay.measured import Measuring
from arb.replay.rerun import Judge, Rerun, read_prologue
from arb.replay.tapes import Captured, OwnTape, merged
from arb.store.journal.journal import Journal
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import SegmentHead, encode_head
from arb.venues.books.compiled.layout import AT_END, AT_LINE
from tests.support.floor import BookFrames
from tests.support.taped import NoLedger, taped_run
from tests.unit.replay.test_tapes import HEAD

# Others take its makings: a module that is skipped whole would be left half made for them.
pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="compiled books need numba")
START_MS = 1_760_000_000_000


# What is read: as by `merged`, whatever stands in the text.


def handed_out(lines: Iterator[Captured]) -> tuple[list[Captured], str]:
    """Return all lines up to the end or an error, and that error's text."""
    found: list[Captured] = []
    try:
        found.extend(lines)
    except (StoreError, ConfigError) as error:
        return found, str(error)
    return found, ""


def in_blocks(paths: list[Path]) -> Iterator[Captured]:
    blocks = FrameBlocks([source for _, source in merged(paths).sources()], clocked=True)
    while blocks.take(INT64_MAX, 0, one_by_one=True) == AT_LINE:
        instant = blocks.next_ns
        captured = blocks.next()
        assert captured.line.received_ns == instant
        yield captured


def a_line(rng: random.Random, t: float) -> bytes:
    """Return a line as tapes hold it, or nearly."""
    raw = rng.choice(
        (
            '{"a":"b","c":[["1","2"]]}', "", "pong", 'a"b', "back\\slash", "new\nline", "caf\u00e9", "\U0001f600",
            "tab\t", "\x7f", '{"a":"' + "x" * rng.randrange(60) + '"}', "/", "\\", '\\"', '"',
        )
    )  # fmt: skip
    fields: dict[str, object] = {"t": t, "venue": rng.choice(("gate", "okx")), "kind": "ws", "raw": raw}
    if rng.random() < 0.5:
        fields["t_ns"] = round(t * 1e9) + rng.randrange(-5, 5)
    if rng.random() < 0.3:
        fields["url"] = rng.choice(("wss://x/y", "/a?b=c", ""))
    if rng.random() < 0.2:
        fields["kind"] = rng.choice(("http", "event"))
    if rng.random() < 0.2:
        fields["connection"] = "gate#2"
    if rng.random() < 0.1:
        fields["seq"] = rng.randrange(10)
    if rng.random() < 0.1:
        fields[rng.choice(("x", "unknown", "connectiox", "tt_ns"))] = rng.choice((1, "a", None))
    if rng.random() < 0.3:
        pairs = list(fields.items())
        rng.shuffle(pairs)
        fields = dict(pairs)
    compact = rng.random() < 0.8
    text = json.dumps(fields, separators=(",", ":") if compact else None, ensure_ascii=rng.random() < 0.5)
    return text.encode() + b"\n"


@pytest.mark.parametrize("zipped", [False, True])
@given(seed=st.integers(0, 2**32))
def test_the_same_lines_are_handed_out(tmp_path_factory: pytest.TempPathFactory, zipped: bool, seed: int) -> None:
    rng, folder = random.Random(seed), tmp_path_factory.mktemp("tapes")
    paths = []
    for number in range(rng.randrange(1, 4)):
        t, texts = START_MS / 1000 + rng.choice((0, 0, 0.05, 3)), []
        for _ in range(rng.randrange(40)):
            t += rng.choice((0, 0.001, 0.0203, rng.random(), -0.05))
            texts.append(a_line(rng, t))
            if rng.random() < 0.02:
                texts.append(rng.choice((b"\n", b"  \n", b"{\n", b'{"t":1}\n', b"\xff\n", b"null\n", b"{}\n")))
        text = b"".join(texts)
        text = text[: len(text) - rng.randrange(30)] if rng.random() < 0.3 else text
        text = gzip.compress(text) if zipped else text
        text = text[: len(text) - rng.randrange(12)] if rng.random() < 0.2 else text
        paths.append(folder / f"{number}.jsonl")
        paths[-1].write_bytes(text)
    try:
        lines = merged(paths)
    except StoreError:
        return
    assert handed_out(in_blocks(paths)) == handed_out(iter(lines))


@given(t=st.floats(1.1e9, 2.1e9), places=st.integers(0, 9))
def test_an_instant_is_the_one_that_python_reads(
    tmp_path_factory: pytest.TempPathFactory, t: float, places: int
) -> None:
    path = tmp_path_factory.mktemp("tape") / "t"
    texts = (repr(t), f"{t:.{places}f}")
    path.write_text("".join(f'{{"t":{text},"venue":"gate","kind":"ws","raw":"x"}}\n' for text in texts))
    assert [captured.line.received_ns for captured in in_blocks([path])] == [round(float(text) * 1e9) for text in texts]


@pytest.mark.parametrize("seqs", [(11, 12, 13), (11, 13), (12,), (11, 11), (), (11, None, 12)])
def test_numbers_of_a_run_s_tape_are_without_a_gap(tmp_path: Path, seqs: tuple[int | None, ...]) -> None:
    path = tmp_path / "t"
    head = TapeLine(1.7e9, "", "event", encode_head(HEAD).decode())
    lines = [head, *(TapeLine(1.7e9, "gate", "ws", "{}", seq=seq, t_ns=17 * 10**17) for seq in seqs)]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

    def in_parts() -> Iterator[TapeLine]:
        for source in OwnTape([path]).lines().sources():
            blocks = FrameBlocks([source], clocked=False)
            while blocks.take(INT64_MAX, 0) != AT_END:
                yield blocks.next()

    assert handed_out(in_parts()) == handed_out(OwnTape([path]).lines())  # type: ignore[arg-type]


# What comes of it: the same journal.


class Untraded(NoLedger):
    """A ledger that remembers the opportunities that nobody traded."""

    def __init__(self) -> None:
        self.records: list[OpportunityRecord] = []

    def submit_untraded(self, record: OpportunityRecord) -> None:
        self.records.append(record)


def explored(paths: list[Path], *, compiled: bool) -> Capture:
    lines = merged(paths)
    measuring = Measuring(lines) if compiled else None
    return Contents(lines if measuring is None else measuring, measuring).capture(Decimal("0.0001"))


def replayed(paths: list[Path], *, compiled: bool) -> tuple[list[object], int]:
    """Replay captures; return everything that came of it, and how many frames no Python has seen."""
    capture = explored(paths, compiled=compiled)
    settings = EngineSettings(
        limits=Limits(),
        timing=Timing(),
        repair=RepairPolicy(),
        venues=tuple(VenueProfile(venue, PlaceRate(10, 1000), enforces_expiry=True) for venue in capture.venues),
        symbols=tuple(capture.scales),
    )
    latency_ns = 20 * NS_PER_MS
    clock = clock_before(next(merged(paths)).line.received_ns, latency_ns)
    journal, ledger = Journal.in_memory(ManualClock(0), random.Random(1)), Untraded()
    backtest = Backtest(capture, settings, clock, journal, ledger, latency_ns=latency_ns, seed=1, compiled=compiled)
    exit_code = backtest.run(merged(paths))
    books = backtest.engine.state.books
    arena, connections = books.arena, books.connections.values()
    for row in range(arena.rows):
        arena.complete(row)
    seen = [(found.last_byte_ns, found.lag_ns, found.lags, found.gaps) for found in connections]
    quiet = sum(found.words[QUIET_FRAMES] for found in connections)
    entries = list(journal.reader().entries())
    after = exit_code, str(backtest.fault), clock.wall_ns(), books.frames, books.updates, arena.block.tobytes()
    return [*entries, *ledger.records, *seen, after], quiet


Speech = dict[str, Callable[[str], str]]
NATIVE: Speech = {"gate": lambda s: f"{s}_USDT", "okx": lambda s: f"{s}-USDT", "bitget": lambda s: f"{s}USDT"}


def a_market(rng: random.Random, folder: Path, *, steps: int = 400) -> list[Path]:
    """Write captures of three venues and two symbols, whose books cross now and then, in one to three files."""
    books = {(venue, base): BookFrames(venue, NATIVE[venue](base)) for venue in NATIVE for base in ("BTC", "ETH")}
    mids = dict.fromkeys(("BTC", "ETH"), 10_000)
    texts: list[list[bytes]] = [[] for _ in range(rng.randrange(1, 4))]
    file_of = {venue: rng.randrange(len(texts)) for venue in NATIVE}
    ahead_ms = {venue: rng.choice((-700, 0, 300)) for venue in NATIVE}
    shown: dict[tuple[str, str], tuple[str, str]] = {}
    at_ms = START_MS
    for step in range(steps):
        at_ms += rng.choice((0, 0, 1, 3, 11, 40, 40, 120, 700))
        venue, base = key = rng.choice(list(books))
        frames = books[key]
        mids[base] += rng.choice((-1, 0, 0, 1))
        shift = rng.choice((40, -40)) if rng.random() < 0.05 else 0
        bid, ask = (f"{(mids[base] + shift + off) / 10:.1f}" for off in (-3, 3))
        sent_ns = (at_ms + ahead_ms[venue] - rng.randrange(1, 30)) * NS_PER_MS
        size = f"{rng.randrange(1, 9)}.{rng.randrange(10)}"
        if key not in shown or rng.random() < 0.01:
            frame = frames.whole(f"{bid}x{size}", f"{ask}x{size}", sent_ns)
        else:
            if rng.random() < 0.02:
                frames.skip()
            old_bid, old_ask = shown[key]
            gone = (f"{old_bid}x0 " if old_bid != bid else "", f"{old_ask}x0 " if old_ask != ask else "")
            frame = frames.change(f"{gone[0]}{bid}x{size}", f"{gone[1]}{ask}x{size}", sent_ns)
        shown[key] = bid, ask
        sent = [frame]
        if (
            venue == "okx" and rng.random() < 0.8
        ):  # its BBO check, before the change or after it, and now and then wrong
            said = size if rng.random() < 0.98 else "77.7"
            sent.insert(rng.randrange(2), frames.best(f"{bid}x{said}", f"{ask}x{size}", sent_ns))
        for raw in sent:
            compact = json.dumps(json.loads(raw), separators=(",", ":")) if rng.random() < 0.97 else raw.decode()
            line = TapeLine(at_ms / 1000, venue, "ws", compact, t_ns=at_ms * NS_PER_MS if step % 3 else None)
            texts[file_of[venue]].append(msgspec.json.encode(line) + b"\n")
    paths = [folder / f"{number}.jsonl" for number, lines in enumerate(texts) if lines]
    for path, lines in zip(paths, filter(None, texts), strict=True):
        path.write_bytes(b"".join(lines))
    return paths


@pytest.mark.thorough
@given(seed=st.integers(0, 2**32))
def test_a_first_pass_finds_the_same_books_and_steps(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    rng = random.Random(seed)
    paths = a_market(rng, tmp_path_factory.mktemp("tapes"), steps=900)
    for path in paths:  # steps of their own here and there: 0.5, 2.25, 300, 0.00000000007
        text = path.read_bytes()
        for _ in range(rng.randrange(4)):
            size = rng.choice(list(re.finditer(rb'"[1-9]\.[0-9]\\"', text)))
            number = rng.choice((b"0.5", b"2.25", b"300", b"0.00000000007", b"0.0001", b"10", b"1.0", b"0.500"))
            text = text[: size.start() + 1] + number + text[size.end() - 2 :]
        path.write_bytes(text)
    assert explored(paths, compiled=True) == explored(paths, compiled=False)


@pytest.mark.thorough
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_markets_are_decided_alike(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    paths = a_market(random.Random(seed), tmp_path_factory.mktemp("tapes"))
    (plain, none), (found, quiet) = (replayed(paths, compiled=compiled) for compiled in (False, True))
    assert found == plain
    assert quiet > none == 0


def in_segments(paths: list[Path], rng: random.Random) -> list[Path]:
    """Return each capture as a recording of several segments, in any order."""
    segments: list[Path] = []
    for path in paths:
        lines = path.read_bytes().splitlines(keepends=True)
        cuts = sorted({0, *(rng.randrange(len(lines)) for _ in range(3))})
        for number, (begin, end) in enumerate(pairwise((*cuts, len(lines))), 1):
            head = SegmentHead(recording=path.stem, segment=number, arb="1")
            t = msgspec.json.decode(lines[begin])["t"]
            first = TapeLine(t, "", "event", msgspec.json.encode(head).decode())
            segments.append(path.with_name(f"{rng.random()}.jsonl"))
            segments[-1].write_bytes(b"".join((msgspec.json.encode(first), b"\n", *lines[begin:end])))
    rng.shuffle(segments)
    return segments


@pytest.mark.thorough
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_segments_of_recordings_are_decided_alike(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    rng = random.Random(seed)
    paths = a_market(rng, tmp_path_factory.mktemp("tapes"), steps=150)
    segments = in_segments(paths, rng)
    (plain, _), (found, quiet) = (replayed(segments, compiled=compiled) for compiled in (False, True))
    assert found == plain
    assert quiet > 0


def test_a_frame_with_another_escape_is_as_malformed_as_it_is(tmp_path: Path) -> None:
    paths = a_market(random.Random(2), tmp_path)
    text = paths[0].read_bytes().splitlines(keepends=True)
    for number in range(40, len(text), 30):
        text[number] = text[number].replace(rb"\"", rb"\n")
        text[number - 9] = text[number - 9].replace(rb"USDT", rb"US\u0044T")
        text[number - 5] = text[number - 5].replace(rb"\"", rb"\/", 1)
    paths[0].write_bytes(b"".join(text))
    (plain, _), (found, quiet) = (replayed(paths, compiled=compiled) for compiled in (False, True))
    assert found == plain
    assert quiet


@pytest.mark.parametrize("compiled", [False, True])
def test_all_frames_of_an_instant_have_come_before_anything_is_decided(tmp_path: Path, compiled: bool) -> None:
    frames = {venue: BookFrames(venue, NATIVE[venue]("BTC")) for venue in ("gate", "okx")}

    def line(venue: str, ms: int, bid: str, gone: str = "") -> bytes:
        make, ask = (frames[venue].change if ms else frames[venue].whole), {"gate": "120", "okx": "101"}[venue]
        frame = make(f"{gone} {bid}x1", f"{ask}x1", (START_MS + ms - 9) * NS_PER_MS)
        raw = json.dumps(json.loads(frame), separators=(",", ":"))
        at_ms = START_MS + ms
        return msgspec.json.encode(TapeLine(at_ms / 1000, venue, "ws", raw, t_ns=at_ms * NS_PER_MS)) + b"\n"

    quiet = [line(venue, ms, "100") for ms in (0, 200, 400, 600) for venue in ("gate", "okx")]
    gone = line("gate", 800, "102"), line("gate", 800, "100", "102x0")
    stays = line("gate", 900, "102"), line("gate", 1200, "100", "102x0")
    path = tmp_path / "t.jsonl"
    for lines, pairs in (((*quiet, *gone), 0), ((*quiet, *gone, *stays), 1)):
        path.write_bytes(b"".join(lines))
        entries = replayed([path], compiled=compiled)[0]
        opened = [entry for entry in entries if isinstance(getattr(entry, "message", None), PlaceOrder)]
        assert bool(opened) == bool(pairs)


def test_a_malformed_line_ends_both_at_the_same_place(tmp_path: Path) -> None:
    paths = a_market(random.Random(4), tmp_path)
    whole = paths[0].read_bytes().splitlines(keepends=True)
    paths[0].write_bytes(b"".join([*whole[: len(whole) // 2], b"{not json\n", *whole[len(whole) // 2 :]]))
    (plain, _), (found, _) = (replayed(paths, compiled=compiled) for compiled in (False, True))
    assert found == plain
    assert "malformed tape line" in str(found[-1])


def test_a_book_of_another_file_by_the_same_name_is_another_book(tmp_path: Path) -> None:
    """Two connections of one venue, both captured: what the first file shows is traded, the second is read for the counts."""
    rng = random.Random(7)
    paths = a_market(rng, tmp_path, steps=300)
    other = tmp_path / "other.jsonl"
    lines = [line for path in paths for line in path.read_bytes().splitlines(keepends=True) if b'"gate"' in line]
    other.write_bytes(b"".join(lines[len(lines) // 3 :]))
    (plain, _), (found, quiet) = (replayed([*paths, other], compiled=compiled) for compiled in (False, True))
    assert found == plain
    assert quiet


@pytest.mark.thorough
@pytest.mark.parametrize(
    "names",
    [
        ("gate_spot_20210422",), ("bybit_v5_ob500_20241201_xrp",), ("okx_20210722_conn1", "okx_20210722_conn2"),
        ("binance_spot_20240808_btc",), ("binance_spot_20210417",),
        # Five days lie between these two, with timers in each second of them.
        pytest.param(("binance_spot_20210417", "gate_spot_20210422"), marks=pytest.mark.thorough),
        ("binance_usdm_20210722", "okx_20210722_conn1"), ("bitget_spot_20220407", "bitget_perp_20220407"),
    ],
)  # fmt: skip
def test_recorded_markets_are_decided_alike(recording: Callable[[str], Path], names: tuple[str, ...]) -> None:
    paths = [recording(name) for name in names]
    (plain, _), (found, _) = (replayed(paths, compiled=compiled) for compiled in (False, True))
    assert found == plain


@pytest.mark.parametrize("parts", [1, 3])
def test_the_tape_of_a_run_leads_to_the_run_s_own_journal(tmp_path: Path, parts: int) -> None:
    run = taped_run(3, edges=4)
    head = TapeLine(run.lines[0].t, "", "event", encode_head(run.head).decode())
    lines = [msgspec.json.encode(line) + b"\n" for line in (head, *run.lines)]
    size = -(-len(lines) // parts)
    paths = [tmp_path / f"{number}.jsonl" for number in range(parts)]
    for number, path in enumerate(paths):
        path.write_bytes(b"".join(lines[number * size : (number + 1) * size]))
    tape, kept = OwnTape(paths), []
    books = books_of_run(read_prologue(tape.lines()), tape.head, BooksBy.COMPILED)
    engine = Engine(tape.head.settings, books)
    engine.load(tape.head.restored)
    rerun = Rerun(engine, lambda event, commands, untraded: kept.append((event, commands)), Judge(run.entries))
    assert rerun.run(tape.lines()) is None
    assert rerun.last_ns == max(line.received_ns for line in run.lines)
    assert (books.frames, books.updates) == (run.engine.state.books.frames, run.engine.state.books.updates)
    assert any(isinstance(command, PlaceOrder) for _, commands in kept for command in commands)
    assert sum(found.words[QUIET_FRAMES] for found in books.connections.values()) > 50
