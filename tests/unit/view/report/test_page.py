"""The report's file: it needs nothing else, says what the ledger says, and trusts no text in it."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.app.review import INCIDENTS_SHOWN, PAIRS_SHOWN, report_page
from arb.config import ReviewOptions, Settings
from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import IncidentRecord
from arb.view.report import page as pages
from arb.view.report.brief import brief
from arb.view.report.summary import TERMS, Sources
from tests.support.history import a_history, fill_ledger
from tests.support.once import once
from tests.unit.store.rows import a_run

EVIL = '=1+1</script><!--<script>alert("x")</script>\' onload=1 &amp; \x01 $\\alpha'


def written(ledger: Path) -> str:
    """Return the page of a ledger, as the command writes it."""
    report_page(Settings(), ReviewOptions(mode="sandbox", db=f"sqlite:///{ledger}"), ledger.with_name("page.html"))
    return ledger.with_name("page.html").read_text()


def hostile(record: AnyRecord) -> AnyRecord:
    """Return a row with markup in every text that a venue or a user may have had a hand in."""
    if isinstance(record, IncidentRecord):
        return msgspec.structs.replace(record, text=EVIL, kind=EVIL, venue=EVIL)
    names = {name: f"{EVIL}{getattr(record, name)}" for name in ("venue", "buy_venue") if getattr(record, name, None)}
    if getattr(record, "symbol", None) == "BTC/USDC":  # one quote is enough to look at
        names |= {"symbol": "BTC/USDT"} | ({"quote": "USDT"} if hasattr(record, "quote") else {})
    return msgspec.structs.replace(record, **names)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a hostile ledger and its page."""

    def make(folder: Path) -> None:
        fill_ledger(f"sqlite:///{folder / 'ledger.sqlite'}", map(hostile, a_history(pairs=40, days=2)))
        written(folder / "ledger.sqlite")

    return once(tmp_path_factory, "hostile", make)


@pytest.fixture(scope="module")
def hostile_sources(made: Path) -> Sources:
    return Sources(f"sqlite:///{made / 'ledger.sqlite'}")


@pytest.fixture(scope="module")
def page(made: Path) -> str:
    return (made / "page.html").read_text()


def answers_of(page: str) -> Any:
    return json.loads(re.findall(r'<script type="application/json" id="answers">(.*?)</script>', page, re.DOTALL)[0])


class Seen(HTMLParser):
    """What a browser would make of a page: elements, attributes, and whether all that was opened was closed."""

    VOID = frozenset(("meta", "br", "img", "link", "input"))

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_texts_from_the_ledger_are_data_that_no_script_runs_and_stay_what_they_are(page: str) -> None:
    seen = Seen(page)
    assert seen.open == []
    assert not {"img", "iframe", "object", "link"} & set(seen.tags)
    assert seen.tags.count("script") == 3, "the answers, and the page's own two"
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert "<!--" not in page and "\x01" not in page
    assert {row["text"] for row in answers_of(page)["incidents"]["incidents"]} == {EVIL}


@given(st.dictionaries(st.text(), st.text() | st.sampled_from(["</script>", "<!--<script", "]]>", "\u2028"])))
def test_whatever_text_an_answer_holds_it_cannot_end_and_comes_out_as_it_went_in(answers: dict[str, str]) -> None:
    assert "<" not in pages.embedded(answers)
    assert json.loads(pages.embedded(answers)) == answers


def test_the_page_needs_nothing_from_outside(page: str, hostile_sources: Sources) -> None:
    for name in ("http://www.w3.org/2000/svg", "https://github.com/leeoniya/uPlot", hostile_sources.db):
        page = page.replace(name, "")
    assert not re.search(r"https?:|@import|src=|url\(|\beval\(|new Function|\bfetch\(|XMLHttpRequest|WebSocket", page)
    assert not [value for name, value in Seen(page).attributes if name in ("href", "src")]


def policy_of(page: str) -> dict[str, str]:
    """Return what a page allows its browser, by the kind of thing; of each only its own inlined text, by hash."""
    (policy,) = [value for name, value in Seen(page).attributes if name == "content" and "default-src" in value]
    return {kind: rest for kind, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_page_allows_its_browser_its_one_style_sheet_and_its_two_scripts_and_nothing_else(page: str) -> None:
    (styles,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert policy_of(page) == {
        "default-src": "'none'",
        "style-src": hashed(styles),
        "script-src": " ".join(map(hashed, scripts)),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert len(scripts) == 2 and "style" not in {name for name, _ in Seen(page).attributes}


def test_every_module_of_the_page_finds_in_the_one_script_what_it_takes_from_others(page: str) -> None:
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    given_by: dict[str, set[str]] = {}
    for name, source in re.findall(
        r"^const (\w+)_js = \(\(\) => \{\n(.*?)^\}\)\(\);$", script, re.DOTALL | re.MULTILINE
    ):
        for names, module in re.findall(r"^const \{ (.*?) \} = (\w+)_js;$", source, re.MULTILINE):
            assert set(names.split(", ")) <= given_by[module], name
        given_by[name] = set(re.findall(r"^return \{ (.*?) \};$", source, re.MULTILINE)[0].split(", "))
    assert tuple(given_by) == pages.ORDER


def test_the_summary_to_send_on_says_what_the_ledger_says(page: str) -> None:
    text = " ".join(answers_of(page)["report"]["brief"])
    assert "48 h of trading in 2 runs (sandbox) between 2025-10-10 00:" in text
    assert re.search(r"40 pairs earned [\d.,]+ USDT after all fees, \d+.% of the [\d.,]+ USDT expected", text), text
    assert "What cost most of it: hedges and unwinds, " in text and "What went wrong: " in text
    assert "40 pairs earned" in page.partition("<noscript>")[2].partition("</noscript>")[0], "without scripts, too"


def test_the_summary_names_each_kind_of_incident_once_and_none_that_is_but_news() -> None:
    rows = [("venue_health", "gate", "warning", 2), ("venue_health", "gate", "info", 2), ("venue_health", "okx", "warning", 3),
            ("halt", None, "critical", 1), ("resume", None, "info", 1)]  # fmt: skip
    names = ("kind", "venue", "severity", "incidents")
    facts: dict[str, Any] = {
        "runs": [{"mode": "paper", "halted": None}], "run_seconds": 60, "from_ns": None, "selected": {}, "finished": {},
        "incidents": [dict(zip(names, row, strict=True)) for row in rows], "pairs": {}, "repaired_pairs": 0,
    }  # fmt: skip
    assert brief(facts)[-1] == "What went wrong: 6 incidents: halt 1 (critical), venue_health 5."


def test_the_waterfall_lies_there_to_the_last_digit(page: str, hostile_sources: Sources) -> None:
    sums = {(row["quote"], term): 0 for row in hostile_sources.sums.pairs for term in TERMS}
    for row in hostile_sources.sums.pairs:
        for term in TERMS:
            sums[row["quote"], term] += row[f"{term}_e8"]
    shown = answers_of(page)["report"]["waterfall"]
    for (quote, term), amount_e8 in sums.items():
        whole, part = divmod(abs(amount_e8), 10**8)
        assert shown[quote][term] == f"{'-' * (amount_e8 < 0)}{whole}.{part:08}"


def test_the_page_says_how_long_was_traded_in_all_and_on_each_day(page: str) -> None:
    assert " \N{MIDDLE DOT} 48 h of trading</p>" in page  # two days, each from midnight to midnight
    assert {row["run_seconds"] for row in answers_of(page)["report"]["days"]} == {"86400.000"}


def test_the_page_of_a_long_history_is_little_larger_than_that_of_a_short_one(tmp_path: Path) -> None:
    fill_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", a_history(pairs=1500, days=3, untraded_per_pair=1))
    found = answers_of(page := written(tmp_path / "ledger.sqlite"))
    assert len(found["pairs"]["pairs"]) == PAIRS_SHOWN and len(found["incidents"]["incidents"]) <= INCIDENTS_SHOWN
    assert len(page) < 1_000_000


def test_an_empty_ledger_makes_a_page_that_says_so(nothing: Sources) -> None:
    page = written(Path(nothing.db.removeprefix("sqlite:///")))
    assert Seen(page).open == [] and "no run yet" in page
    figures = [one for part in pages.FIGURES for one in answers_of(page)[part]["quotes"][""].values()]
    assert len(figures) == 18 and all(one["empty"] for one in figures)


def test_the_page_of_a_paper_ledger_says_so_first(tmp_path: Path) -> None:
    fill_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", [a_run(1, mode="paper", sandbox_id=None)])
    page = written(tmp_path / "ledger.sqlite")
    assert "<h1>PAPER trade report</h1>" in page and "none could reach a venue" in page
