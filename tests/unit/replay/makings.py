"""Small captures made by hand: Gate and OKX frames as they are sent today, at instants of our choosing."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

START_S = 1_760_000_000
TRANSIT_MS = 20
"""How long every frame was on its way."""

Levels = list[tuple[str, str]]


class Tape:
    """Lines of a capture in the making; `at_s` is seconds after the start, which is `start_s`."""

    def __init__(self, start_s: float = START_S) -> None:
        self._start_s = start_s
        self.lines: list[dict[str, Any]] = []
        self._gate_id = 100
        self._okx_id = 500

    def gate(self, at_s: float, bids: Levels, asks: Levels, *, full: bool = False) -> "Tape":
        """Add a whole book (`full`) or a change of Gate's BTC_USDT."""
        result: dict[str, Any] = {"s": "ob.BTC_USDT.50", "b": bids, "a": asks}
        first, self._gate_id = self._gate_id + 1, self._gate_id + 5
        result |= {"u": self._gate_id, "full": True} if full else {"U": first, "u": self._gate_id}
        frame = {"channel": "spot.obu", "event": "update", "time_ms": self._sent_ms(at_s), "result": result}
        return self.raw(at_s, "gate", json.dumps(frame))

    def okx(self, at_s: float, bids: Levels, asks: Levels, *, full: bool = False) -> "Tape":
        """Add a snapshot (`full`) or a change of OKX's BTC-USDT."""
        previous, self._okx_id = self._okx_id, self._okx_id + 7
        data = {
            "bids": [[*level, "0", "1"] for level in bids],
            "asks": [[*level, "0", "1"] for level in asks],
            "ts": str(self._sent_ms(at_s)),
            "seqId": self._okx_id,
            "prevSeqId": -1 if full else previous,
        }
        arg = {"channel": "books", "instId": "BTC-USDT"}
        return self.raw(
            at_s, "okx", json.dumps({"arg": arg, "action": "snapshot" if full else "update", "data": [data]})
        )

    def raw(self, at_s: float, venue: str, raw: str, kind: str = "ws") -> "Tape":
        """Add any line."""
        self.lines.append({"t": self._start_s + at_s, "venue": venue, "kind": kind, "raw": raw})
        return self

    def write(self, path: Path, lines: Iterable[dict[str, Any]] | None = None) -> Path:
        """Write all lines, or those given."""
        path.write_text("".join(json.dumps(line) + "\n" for line in (self.lines if lines is None else lines)))
        return path

    def _sent_ms(self, at_s: float) -> int:
        return round((self._start_s + at_s) * 1000) - TRANSIT_MS


def quiet_market(start_s: float = START_S) -> Tape:
    """Return two books at 99.9 / 100.0, one unit each side, with both venues' clocks known."""
    tape = Tape(start_s)
    tape.gate(0.0, [("99.9", "1")], [("100.0", "1")], full=True)
    tape.okx(0.0, [("99.9", "1")], [("100.0", "1")], full=True)
    return tape.gate(0.1, [("99.8", "1")], []).okx(0.1, [("99.8", "1")], [])


def one_dislocation(start_s: float = START_S) -> Tape:
    """Return a market where OKX bids 101.0 for one second, one unit, and then no more."""
    tape = quiet_market(start_s)
    tape.okx(1.0, [("101.0", "1")], [("100.0", "0"), ("102.0", "1")])
    tape.okx(2.0, [("101.0", "0")], [("100.0", "1")])
    return tape.gate(2.1, [("99.8", "1")], [])
