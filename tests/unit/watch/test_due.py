"""Which message is due: once, again, over; digests; quiet hours; the second receivers. Time is a number that the test moves."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.config import AlertSettings
from arb.watch.due import MINUTE_NS, Message, Rules, Sent, due_now, message
from arb.watch.notices import Engine, Notice

ENGINE = Engine("live", "--mode live", "USDT")
MIDNIGHT = 1_795_651_200 * NS_PER_S
NOON = MIDNIGHT + 12 * 60 * MINUTE_NS
RULES = Rules.of(AlertSettings())


def a_notice(key: str = "17", **changes: object) -> Notice:
    parts = {"title": "halted", "event": "12:00 UTC: asked", "money": "none", "next_step": "none", "to_do": "none"}
    return Notice(key=key, **parts | {"since_ns": NOON, "wakes": True} | changes)  # type: ignore[arg-type]


class Phone:
    """A receiver that takes every message at once, and remembers what the companion remembers of it."""

    def __init__(self, rules: Rules = RULES, *, second: bool = False) -> None:
        self.sent: dict[str, Sent] = {}
        self.messages: list[tuple[int, Message]] = []
        self._rules, self._second = rules, second

    def look(self, notices: Iterable[Notice], now_ns: int, *, gone: bool = True) -> list[str]:
        """Take all messages that are due at this instant; return their titles."""
        titles: list[str] = []
        while True:
            due = list(due_now(list(notices), self.sent, self._rules, now_ns, second=self._second, gone=gone))
            lately = sum(now_ns - ns < MINUTE_NS for ns, _ in self.messages)
            found = message(due, self.sent, now_ns, lately, ENGINE)
            if found is None:
                return titles
            self.sent |= found.sent(now_ns)
            self.messages.append((now_ns, found))
            titles.append(found.title)

    @property
    def last(self) -> str:
        return self.messages[-1][1].text


def test_a_notice_is_sent_once_again_while_it_lasts_and_once_when_it_is_over() -> None:
    phone, notice = Phone(), a_notice()
    assert phone.look([notice], NOON) == ["arb live: halted"]
    assert phone.look([notice], NOON + 60 * MINUTE_NS - 1) == []
    assert phone.look([notice], NOON + 60 * MINUTE_NS) == ["arb live: halted (still open)"]
    assert phone.look([notice], NOON + 61 * MINUTE_NS) == []
    over = a_notice(over="resume: checked")
    assert phone.look([over], NOON + 62 * MINUTE_NS) == ["arb live: Over: halted"]
    assert phone.last == "12:00 UTC: asked\nOver: resume: checked"
    assert phone.look([over], NOON + 999 * MINUTE_NS) == []


def test_a_notice_that_was_over_before_it_was_sent_is_sent_as_such() -> None:
    assert Phone().look([a_notice(over="stop_lifted: hedged")], NOON) == ["arb live: Over: halted"]


def test_a_notice_that_is_gone_is_over_unless_the_ledger_is_unread() -> None:
    phone = Phone()
    phone.look([a_notice(), a_notice("engine", title="no sign")], NOON)
    assert phone.look([], NOON + 1, gone=False) == ["arb live: Over: no sign"], "known without a ledger"
    assert phone.look([], NOON + 2) == ["arb live: Over: halted"]
    assert phone.look([a_notice("engine", title="no sign")], NOON + 3) == ["arb live: no sign"], "it may begin again"


@pytest.mark.parametrize("second", [False, True])
def test_a_storm_is_one_digest_and_one_more_a_minute(second: bool) -> None:
    phone = Phone(second=second)
    now_ns = NOON + 10 * MINUTE_NS
    storm = [a_notice(str(n), title=f"a venue rejects orders: gate C{n}/USDT") for n in range(1_000)]
    assert phone.look(storm, now_ns) == ["arb live: 1000 alerts"]
    assert phone.last.splitlines()[0] == "1000 x a venue rejects orders"
    assert "`arb alerts --mode live`" in phone.last
    more = [*storm, *(a_notice(f"{n}", title="a venue rejects orders: okx") for n in range(2_000, 2_500))]
    assert phone.look(more, now_ns + MINUTE_NS - 1) == []
    assert phone.look(more, now_ns + MINUTE_NS) == ["arb live: 500 alerts"]
    assert phone.look([], now_ns + 3 * MINUTE_NS) == ["arb live: 1500 alerts"]
    assert phone.last.splitlines()[0] == "1500 x Over: a venue rejects orders"


def test_a_serious_notice_of_another_title_does_not_wait_for_the_end_of_a_storm() -> None:
    phone = Phone()
    storm = [a_notice(str(n), title=f"a venue rejects orders: C{n}/USDT", serious=False) for n in range(50)]
    phone.look(storm, NOON)
    rest = (a_notice(str(n), title="a venue rejects orders", serious=False) for n in range(200, 220))
    halted = [a_notice("99"), *storm, *rest]
    assert phone.look(halted, NOON + NS_PER_S) == ["arb live: 21 alerts"]
    assert "1 x halted" in phone.last
    assert "halted" in phone.last.splitlines()[-2], "the latest names the serious one"


@pytest.mark.parametrize(
    ("at", "is_quiet"),
    [("21:59", False), ("22:00", True), ("23:59", True), ("00:00", True), ("06:29", True), ("06:30", False)],
)
def test_quiet_hours_hold_warnings_back_and_nothing_serious(at: str, is_quiet: bool) -> None:
    rules = Rules.of(AlertSettings(quiet_utc="22:00-06:30"))
    hours, minutes = map(int, at.split(":"))
    now_ns = MIDNIGHT + (hours * 60 + minutes) * MINUTE_NS
    warning, halt = a_notice("1", title="funds are short", serious=False, wakes=False), a_notice("2")
    assert Phone(rules).look([warning, halt], now_ns) == ["arb live: halted"] + ["arb live: funds are short"] * (
        not is_quiet
    )


def test_a_warning_of_the_night_is_sent_in_the_morning_even_if_it_is_over_by_then() -> None:
    phone = Phone(Rules.of(AlertSettings(quiet_utc="01:00-02:00")))
    warning = a_notice(title="funds are short", serious=False, wakes=False)
    assert phone.look([warning], MIDNIGHT + 90 * MINUTE_NS) == []
    over = a_notice(title="funds are short", serious=False, wakes=False, over="funds_short: enough")
    assert phone.look([over], MIDNIGHT + 120 * MINUTE_NS) == ["arb live: Over: funds are short"]


def test_second_receivers_get_what_wakes_after_a_while_without_acknowledgement() -> None:
    phone = Phone(second=True)
    notices = [a_notice("1"), a_notice("2", title="funds are short", serious=False, wakes=False)]
    assert phone.look(notices, NOON + 5 * MINUTE_NS - 1) == []
    assert phone.look(notices, NOON + 5 * MINUTE_NS) == ["arb live: halted"]
    assert phone.look([a_notice("1", over="ann: seen"), notices[1]], NOON + 6 * MINUTE_NS) == ["arb live: Over: halted"]


def test_second_receivers_sleep_on_where_someone_acknowledges_in_time() -> None:
    assert Phone(second=True).look([a_notice(over="ann: seen")], NOON + 9 * MINUTE_NS) == []


@given(
    st.lists(st.tuples(st.integers(0, 200), st.booleans(), st.integers(1, 300)), max_size=60),
)
def test_no_notice_is_lost_none_is_sent_twice_and_no_minute_has_many_messages(
    begins: list[tuple[int, bool, int]],
) -> None:
    """Judge: count by hand which notice was in which message, second by second."""
    phone = Phone()
    for second in range(600):
        now_ns = NOON + second * NS_PER_S
        notices = [
            a_notice(
                str(n),
                title=f"{'halted' if serious else 'funds are short'}: C{n}",
                serious=serious,
                since_ns=NOON + begin * NS_PER_S,
                over="ended" if second >= begin + lasts else None,
            )
            for n, (begin, serious, lasts) in enumerate(begins)
            if second >= begin
        ]
        phone.look(notices, now_ns)
    parts = [(due.key, due.over, ns) for ns, found in phone.messages for due in found.items]
    assert len({(key, over) for key, over, _ in parts}) == len(parts), "sent twice"
    for n, (begin, _, lasts) in enumerate(begins):
        first_ns = min(ns for key, _, ns in parts if key == str(n))
        assert 0 <= first_ns - NOON - begin * NS_PER_S <= MINUTE_NS
        last_ns = max(ns for key, over, ns in parts if key == str(n) and over)
        assert 0 <= last_ns - NOON - (begin + lasts) * NS_PER_S <= MINUTE_NS
    for ns, _ in phone.messages:
        assert sum(ns - MINUTE_NS < other <= ns for other, _ in phone.messages) <= 8
