"""What the keys of the screen do: each first asks, and only `y`, pressed by itself, does it.

Knows no terminal and does nothing itself: a key goes in, and what the user has confirmed comes out.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from arb.view.lines import Line, Span, line, wrapped

Alert = Mapping[str, Any]


class Action(StrEnum):
    """What a user can do on the screen."""

    HALT = "halt"
    FLATTEN = "flatten"
    ACKNOWLEDGE = "acknowledge"
    STOP = "stop"


class Confirmed(NamedTuple):
    """What a user has confirmed; `alert`: the id of what is acknowledged, `seen`: of the last incident in it that was shown."""

    action: Action
    alert: int = 0
    seen: int = 0


QUESTIONS = {
    Action.HALT: "halt: open no more pairs, finish the open ones; holds until `arb resume`.",
    Action.FLATTEN: "flatten: cancel own orders, trade own exposure away, then halt.",
}
KEYS = {"h": Action.HALT, "f": Action.FLATTEN, "a": Action.ACKNOWLEDGE, "q": Action.STOP}
STEPS = {"down": 1, "j": 1, "up": -1, "k": -1}
CONFIRM = "y: confirm   Esc: cancel"
HELP = (
    ("h", "halt: open no more pairs; open ones are finished; `arb resume` lifts it"),
    ("f", "flatten: cancel own orders, trade own exposure away, then halt"),
    ("a", "acknowledge an alert: up and down choose it"),
    ("q", "{stop}"),
    ("Ctrl-L", "redraw the screen"),
    ("? Esc", "close this page"),
)


class Dialogs:
    """What is asked now, if anything. `stopping`: what `q` asks; `hint`: what it says in the help."""

    def __init__(self, stopping: str, hint: str) -> None:
        self.asked: Action | None = None
        self.help = False
        self._stopping = stopping
        self._hint = hint
        self._chosen: Alert | None = None

    def press(self, keys: Sequence[str], alerts: Sequence[Alert]) -> Confirmed | None:
        """Take the keys that came at once; return what they confirm.

        Keys that arrive together with the one that asks confirm nothing: no person reads a question that fast.
        """
        for key in keys:
            if self.asked is None:
                if self._open(key, alerts):
                    return None
            elif key in ("y", "Y"):
                return self._confirm()
            elif key in ("esc", "n", "N"):
                self.asked = None
            elif key in STEPS and self.asked is Action.ACKNOWLEDGE:
                self._choose(STEPS[key], alerts)
        return None

    def leave(self) -> None:
        """Ask no more."""
        self.asked = None

    def _open(self, key: str, alerts: Sequence[Alert]) -> bool:
        """Take a key while nothing is asked; return whether it asks something."""
        if self.help:
            self.help = False
        elif key == "?":
            self.help = True
        elif key in KEYS and (alerts or KEYS[key] is not Action.ACKNOWLEDGE):
            self.asked, self._chosen = KEYS[key], alerts[0] if alerts else None
            return True
        return False

    def _choose(self, step: int, alerts: Sequence[Alert]) -> None:
        ids = [alert["id"] for alert in alerts]
        place = ids.index(self._chosen["id"]) if self._chosen and self._chosen["id"] in ids else -step
        self._chosen = alerts[(place + step) % len(alerts)] if alerts else self._chosen

    def _confirm(self) -> Confirmed | None:
        """Return the action as the screen asked it, even if the alerts have changed since."""
        action, self.asked = self.asked, None
        assert action is not None
        if action is not Action.ACKNOWLEDGE:
            return Confirmed(action)
        return None if self._chosen is None else Confirmed(action, self._chosen["id"], self._chosen["seen_id"])

    def footer(self, alerts: Sequence[Alert], width: int) -> list[Line]:
        """Return the lines at the bottom: the question that stands, or the keys there are."""
        if self.asked is None:
            keys = ["h halt", "f flatten", f"a acknowledge ({len(alerts)})" if alerts else "", "? help", "q stop"]
            return [line(Span("   ".join(key for key in keys if key), "bold"))]
        question = QUESTIONS.get(self.asked, self._stopping)
        if self.asked is Action.ACKNOWLEDGE and self._chosen is not None:
            alert = self._chosen
            more = "; up and down: another" if alerts[1:] else ""
            question = f"acknowledge alert {alert['short_id']}: {alert['kind']}: {alert['text']}{more}"
        return [*wrapped(question, width, "warn"), line(Span(CONFIRM, "bold"))]

    def page(self, width: int) -> list[Line]:
        """Return the page of help."""
        rows = [line(Span("keys; each but the last two asks before it does anything", "bold"))]
        for key, text in HELP:
            rows += wrapped(f"{key}: {text.format(stop=self._hint)}", width)
        return rows
