"""The page: one file that needs nothing else, that says what the ledger says, and trusts no text in it."""

import base64
import hashlib
import re
from decimal import Decimal
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("matplotlib", reason="the extra `notebooks` is not installed")

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import IncidentRecord
from arb.view.report import page_tables
from arb.view.report.brief import brief
from arb.view.report.page import render
from arb.view.report.summary import TERMS, Sources
from arb.view.report.text import Html, element
from tests.support.history import a_history, fill_ledger
from tests.support.once import once
from tests.unit.store.rows import a_run

EVIL = '=1+1<script>alert("x")</script>\' onload=1 &amp; \x01 $\\alpha'


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
        url = f"sqlite:///{folder / 'ledger.sqlite'}"
        fill_ledger(url, map(hostile, a_history(pairs=40, days=2)))
        (folder / "page.html").write_text(render(Sources(url)))

    return once(tmp_path_factory, "hostile", make)


@pytest.fixture(scope="module")
def hostile_sources(made: Path) -> Sources:
    return Sources(f"sqlite:///{made / 'ledger.sqlite'}")


@pytest.fixture(scope="module")
def page(made: Path) -> str:
    return (made / "page.html").read_text()


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


@pytest.mark.thorough
def test_texts_from_the_ledger_stay_texts(page: str) -> None:
    seen = Seen(page)
    assert seen.open == []
    assert not {"img", "iframe", "object", "link"} & set(seen.tags)
    assert seen.tags.count("script") == 1, "the page's own"
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert "&lt;script&gt;" in page and "\x01" not in page


class Texts(HTMLParser):
    """Every text of a page as a spreadsheet that opens it would take it, but for style sheet and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._tag = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag

    def handle_data(self, data: str) -> None:
        if self._tag not in ("style", "script") and data.strip():
            self.texts.append(data)


def test_no_text_from_the_ledger_is_a_formula_to_a_spreadsheet_that_opens_the_page(page: str) -> None:
    texts = Texts(page).texts
    assert [text for text in texts if text.startswith("'=1+1<script>")]
    formulas = [text for text in texts if text.strip()[0] in "=+-@"]
    assert [text for text in formulas if not re.fullmatch(r"\s*[+-][\d.,]+\s*", text)] == []
    assert any(text.startswith("\N{MINUS SIGN}") for text in texts), "numbers below zero look as ever"


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd", "-2+3", "@SUM(1)", "\t=1", "\r=1", " =1", "\N{NO-BREAK SPACE}=1", "\uff1d1", "\tx"]
)
def test_a_text_that_begins_as_a_formula_is_quoted(text: str) -> None:
    assert element("td", text) == f"<td>&#x27;{text}</td>"
    assert element("td", Html(text)) == f"<td>{text}</td>"


@pytest.mark.parametrize("text", ["", " ", "a=1", "1+1", "\N{MINUS SIGN}5", "\N{EN DASH}", "'=1"])
def test_other_texts_stand_as_they_are(text: str) -> None:
    assert element("td", text) == f"<td>{escape(text)}</td>"


def test_the_page_needs_nothing_from_outside(page: str, hostile_sources: Sources) -> None:
    without_names = re.sub(r' xmlns(:xlink)?="[^"]*"', "", page).replace(hostile_sources.db, "")
    assert not re.search(r"https?:|//[a-z]|@import|src=", without_names)
    assert not [value for name, value in Seen(page).attributes if name in ("href", "xlink:href") and value[:1] != "#"]
    assert all(found == "#" for found in re.findall(r"url\((.)", page))


def policy_of(page: str) -> dict[str, str]:
    """Return what a page allows its browser, by the kind of thing; of each only its own inlined text, by hash."""
    (policy,) = [value for name, value in Seen(page).attributes if name == "content" and "default-src" in value]
    return {kind: rest for kind, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_page_allows_its_browser_its_one_style_sheet_and_its_one_script_and_nothing_else(page: str) -> None:
    (styles,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (script,) = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    assert policy_of(page) == {
        "default-src": "'none'",
        "style-src": hashed(styles),
        "script-src": hashed(script),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    attributes = {name for name, _ in Seen(page).attributes}
    assert "style" not in attributes, "the policy forbids it, so it would not be drawn"
    assert not [name for name in attributes if name.startswith("on")]


@pytest.mark.thorough
def test_a_static_page_has_no_script_and_allows_none(hostile_sources: Sources, page: str) -> None:
    static = render(hostile_sources, static=True)
    assert "script" not in Seen(static).tags and "script-src" not in policy_of(static)
    assert not [name for name, _ in Seen(static).attributes if name.startswith("data-")]
    assert Texts(static).texts == Texts(page).texts, "with the script or without, the same stands there"


def test_the_summary_to_send_on_says_what_the_ledger_says(page: str) -> None:
    (text,) = re.findall(r'<div class="brief">(.*?)</div>', page, re.DOTALL)
    assert "48 h of trading in 2 runs (sandbox) between 2025-10-10 00:" in text
    assert re.search(r"40 pairs earned [\d.,]+ USDT after all fees, \d+.% of the [\d.,]+ USDT expected", text), text
    assert "What cost most of it: hedges and unwinds, " in text and "What went wrong: " in text
    assert "<script" not in text


def test_the_summary_names_each_kind_of_incident_once_and_none_that_is_but_news() -> None:
    rows = [("venue_health", "gate", "warning", 2), ("venue_health", "gate", "info", 2), ("venue_health", "okx", "warning", 3),
            ("halt", None, "critical", 1), ("resume", None, "info", 1)]  # fmt: skip
    names = ("kind", "venue", "severity", "incidents")
    facts: dict[str, Any] = {
        "runs": [{"mode": "paper", "halted": None}], "run_seconds": 60, "from_ns": None, "selected": {}, "finished": {},
        "incidents": [dict(zip(names, row, strict=True)) for row in rows], "pairs": {}, "repaired_pairs": 0,
    }  # fmt: skip
    assert brief(facts, [])[-1] == "What went wrong: 6 incidents: halt 1 (critical), venue_health 5."


def test_no_two_things_on_the_page_have_one_id(page: str) -> None:
    ids = [value for name, value in Seen(page).attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = re.findall(r'(?:xlink:)?href="#([^"]+)"|url\(#([^)]+)\)', page)
    assert {first or second for first, second in targets} <= set(ids)


def test_the_waterfall_stands_there_to_the_last_digit(page: str, hostile_sources: Sources) -> None:
    sums = {(row["quote"], term): 0 for row in hostile_sources.sums.pairs for term in TERMS}
    for row in hostile_sources.sums.pairs:
        for term in TERMS:
            sums[row["quote"], term] += row[f"{term}_e8"]
    for amount_e8 in sums.values():
        whole, part = divmod(abs(amount_e8), 10**8)
        sign = "\N{MINUS SIGN}" if amount_e8 < 0 else ""
        assert f">{sign}{whole:,}.{part:08}</td>" in page


def test_what_legs_cost_stands_beside_the_sum(page: str, hostile_sources: Sources) -> None:
    assert page.count("Beside the sum: legs falling short were expected to cost ") == len(
        {row["quote"] for row in hostile_sources.sums.pairs}
    )


def test_the_page_says_how_long_was_traded_in_all_and_on_each_day(page: str) -> None:
    assert " \N{MIDDLE DOT} 48 h of trading</p>" in page  # two days, each from midnight to midnight
    assert page.count("<td>24 h</td>") >= 2


def test_both_grounds_have_their_colours(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    used = set(re.findall(r"var\(--([a-z]+)\)", page))
    assert used <= set(re.findall(r"--([a-z]+): #", page))


def test_an_empty_ledger_makes_a_page_that_says_so(nothing: Sources) -> None:
    page = render(nothing)
    assert Seen(page).open == []
    assert page.count('class="none"') > 15
    assert "no run yet" in page and "nothing earned, nothing lost" in page


def test_the_page_of_a_paper_ledger_says_so_first(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    fill_ledger(url, [a_run(1, mode="paper", sandbox_id=None)])
    page = render(Sources(url))
    assert "<h1>PAPER trade report</h1>" in page and "none could reach a venue" in page


def test_pairs_of_unproved_coins_have_a_table_of_their_own_where_there_are_any() -> None:
    row = {"quote": "USDT", "symbol": "SOL/USDT", "buy_venue": "gate", "sell_venue": "okx", "pairs": 3, "repaired": 0}
    row |= {name: Decimal("1.5") for name in ("expected", "net", "kept_percent", "fees", "hedge_cost")}
    shown = page_tables.unproved({"unproved": [row]}, "USDT")
    assert "Unproved coins, in no sum" in shown and "SOL/USDT" in shown and "1.50" in shown
    assert page_tables.unproved({"unproved": [row]}, "BTC") == "" == page_tables.unproved({"unproved": []}, "USDT")
