"""What a user asks of a running engine over the control socket, and how it is answered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from arb.core.events import AnyEvent, FlattenAsked, HaltAsked, ResumeAsked
from arb.live.control import remove_halt_file
from arb.live.node import Node


class Wishes:
    """Answers one wish at a time; `summary` tells the present state at an instant (ns UTC)."""

    def __init__(self, node: Node, journal: Path, summary: Callable[[int], dict[str, Any]]) -> None:
        self._runner = node.runner
        self._now_ns = node.now_ns
        self._journal = journal
        self._summary = summary

    def answer(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Answer one wish."""
        event: AnyEvent
        reason = str(wish.get("reason", "operator"))
        match wish.get("do"):
            case "status":
                return self._summary(self._now_ns())
            case "halt":
                event = HaltAsked(reason=reason)
            case "resume":
                event = ResumeAsked(reason=reason)
            case "flatten":
                event = FlattenAsked(reason=reason)
            case other:
                return {"error": f"unknown wish {other!r}: status, halt, resume or flatten"}
        trouble = self._runner.obey(event)
        if trouble:
            return {"error": trouble}
        if isinstance(event, ResumeAsked):
            remove_halt_file(self._journal)
        return {"done": str(wish["do"])}
