"""Keys: nothing is done that was not asked, shown and confirmed by a key of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.view.lines import text_of
from arb.view.screen.dialogs import Action, Confirmed, Dialogs

ALERTS = [
    {
        "id": 7,
        "short_id": "1-7",
        "seen_id": 8,
        "kind": "halt",
        "text": "contradiction",
        "what_to_do": "look",
        "since_ns": 0,
        "count": 1,
    },
    {
        "id": 9,
        "short_id": "1-9",
        "seen_id": 11,
        "kind": "store",
        "text": "disk full",
        "what_to_do": "make room",
        "since_ns": 0,
        "count": 2,
    },
]


def dialogs() -> Dialogs:
    """Return dialogs that ask nothing."""
    return Dialogs("stop the run?", "stop the run")


def shown(found: Dialogs, width: int = 200) -> str:
    """Return what stands at the bottom."""
    return "\n".join(text_of(row) for row in found.footer(ALERTS, width))


@pytest.mark.parametrize(("key", "action"), [("h", Action.HALT), ("f", Action.FLATTEN), ("q", Action.STOP)])
def test_a_key_asks_and_only_y_confirms(key: str, action: Action) -> None:
    found = dialogs()
    assert found.press([key], ALERTS) is None
    assert "y: confirm" in shown(found)
    assert found.press(["enter"], ALERTS) is None and found.asked is action
    assert found.press(["y"], ALERTS) == Confirmed(action)
    assert found.asked is None


@given(st.lists(st.sampled_from(["h", "f", "a", "q", "y", "enter", "x", "?"]), max_size=12))
def test_keys_that_come_at_once_never_confirm_what_one_of_them_asks(keys: list[str]) -> None:
    assert dialogs().press(keys, ALERTS) is None


@pytest.mark.parametrize("key", ["esc", "n"])
def test_escape_leaves_a_question(key: str) -> None:
    found = dialogs()
    found.press(["f"], ALERTS)
    assert found.press([key], ALERTS) is None
    assert found.press(["y"], ALERTS) is None


def test_another_key_neither_confirms_nor_leaves() -> None:
    found = dialogs()
    found.press(["h"], ALERTS)
    assert found.press(["f", " "], ALERTS) is None
    assert found.asked is Action.HALT


def test_an_alert_is_chosen_and_acknowledged() -> None:
    found = dialogs()
    found.press(["a"], ALERTS)
    assert "acknowledge alert 1-7: halt: contradiction" in shown(found)
    found.press(["down"], ALERTS)
    assert "acknowledge alert 1-9" in shown(found)
    assert found.press(["y"], ALERTS) == Confirmed(Action.ACKNOWLEDGE, 9, 11)


def test_what_is_acknowledged_is_what_stands_there_though_another_alert_has_come() -> None:
    found = dialogs()
    found.press(["a"], ALERTS)
    assert found.press(["y"], [{**ALERTS[1], "id": 3}, *ALERTS]) == Confirmed(Action.ACKNOWLEDGE, 7, 8)


def test_without_an_alert_there_is_nothing_to_acknowledge() -> None:
    found = dialogs()
    found.press(["a"], [])
    assert found.asked is None
    assert "acknowledge" not in "".join(text_of(row) for row in found.footer([], 80))


def test_help_names_every_key_and_any_key_closes_it() -> None:
    found = dialogs()
    found.press(["?"], [])
    assert found.help
    page = "\n".join(text_of(row) for row in found.page(60))
    for key in ("h: halt", "f: flatten", "a: acknowledge", "q: stop the run"):
        assert key in page
    assert len(found.page(60)) <= 11, "the page fits on the smallest screen"
    found.press(["h"], [])
    assert (found.help, found.asked) == (False, None)
