"""Gate's EU entity: the API of `gate`, but books by `spot.order_book_update`; `spot.obu` it refuses as any unknown channel.

From the documents: payload `[pair, interval]`, `100ms` for changes of the best 100 levels and `20ms` for those of the best 20;
`U` and `u` are the first and the last id of a change, sizes are absolute; the snapshot is fetched from `/spot/order_book` with
`with_id=true`, whose `id` counts the same changes, and more than 100 levels are answered by an empty book. A payload with an
unknown pair is refused as a whole. Newer servers push the whole book first, as `full`: asked for with the misfortune `full`.
What the snapshot's address answers can be spoilt: see `fetched`.
"""

import json
from typing import Any

from aiohttp import web

from tests.venue_server.fetched import FetchedServer
from tests.venue_server.gate import Gate
from tests.venue_server.listing import Row
from tests.venue_server.market import Change, Channel, Side, Update
from tests.venue_server.session import Session

LEVELS = {"100ms": 100, "20ms": 20}


class GateEu(Gate, FetchedServer):
    """See the module's text."""

    interval_s = 0.1
    depth = 100
    channel = "spot.order_book_update"
    region = "eu"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.full_first = False
        self._intervals: dict[tuple[int, str], str] = {}
        self._before: dict[str, tuple[Side, Side]] = {}

    def pairs_of(self, payload: list[Any]) -> list[str]:
        """See `Gate`: one pair and an interval."""
        if len(payload) != 2 or not all(isinstance(part, str) for part in payload) or payload[1] not in LEVELS:
            return []
        return [payload[0]]

    def on_subscribe(self, session: Session, request: Row, pairs: list[str]) -> None:
        """See `Gate`."""
        [pair] = pairs
        if pair not in self.channels:
            self._refuse_request(session, request, 2, f"unknown currency pair: {pair}")
            return
        self._intervals[session.number, pair] = request["payload"][1]
        self.answer(session, request)
        session.subscribed.add(pair)
        if pair in self.muted:
            session.muted.add(pair)
        elif self.full_first:
            self._send(session, self._whole(self.channels[pair], LEVELS[request["payload"][1]]))

    def step(self, native: str) -> None:
        """See `VenueServer`; what the best 20 levels were is remembered for those who follow these alone."""
        self._before[native] = _top(self.channels[native])
        super().step(native)

    def push_frame(self, native: str, frame: str) -> None:
        """See `VenueServer`: to each by its interval."""
        few = ""
        for session in self.sessions.values():
            if native not in session.subscribed or native in session.muted:
                continue
            if self._intervals[session.number, native] == "20ms":
                few = few or self._of_the_best(frame, native)
                self._send(session, few)
            else:
                self._send(session, frame)

    def snapshot_frame(self, channel: Channel) -> str:
        """See `VenueServer`."""
        return self._whole(channel, self.depth)

    def update_frame(self, channel: Channel, update: Update) -> str:
        """See `VenueServer`; sides without changes are empty."""
        self.rng.shuffle(update.bids)
        self.rng.shuffle(update.asks)
        return self._frame(channel, (update.first, update.last), (update.bids, update.asks), str(self.depth))

    def order_book(self, request: web.Request) -> Any:
        """See `Gate`, unless the answer is spoilt."""
        return self.fetched(request)

    def book_answer(self, request: web.Request) -> Any:
        """See `FetchedServer`."""
        answer = super().order_book(request)
        if isinstance(answer, dict) and int(request.query.get("limit", "10")) > 100:
            answer |= {"asks": [], "bids": []}
        return answer

    def native_asked(self, request: web.Request) -> str:
        """See `FetchedServer`."""
        return request.query["currency_pair"]

    def fault(self) -> Row:
        """See `FetchedServer`."""
        return {"label": "SERVER_ERROR", "message": "x"}

    def _whole(self, channel: Channel, levels: int) -> str:
        sides = [list(side.items())[:levels] for side in (channel.bids, channel.asks)]
        return self._frame(channel, (channel.last + 1, channel.last), (sides[0], sides[1]), str(levels), full=True)

    def _of_the_best(self, frame: str, native: str) -> str:
        """Return what a change of the best 100 levels is to those who follow the best 20."""
        result = json.loads(frame)["result"]
        changes = [_difference(*sides) for sides in zip(self._before[native], _top(self.channels[native]), strict=True)]
        return self._frame(self.channels[native], (result["U"], result["u"]), (changes[0], changes[1]), "20")

    def _frame(
        self, channel: Channel, ids: tuple[int, int], sides: tuple[Change, Change], level: str, *, full: bool = False
    ) -> str:
        now_ms = self.clock.wall_ms()
        result: Row = {"t": channel.changed_ms, "e": "depthUpdate", "E": now_ms // 1000, "s": channel.native}
        result |= {"full": True} if full else {}
        result |= {"U": ids[0] if not full else ids[1], "u": ids[1], "l": level}
        result |= {"b": self.side(channel, sides[0]), "a": self.side(channel, sides[1])}
        return self.pushed(result, now_ms)


def _top(channel: Channel) -> tuple[Side, Side]:
    few = LEVELS["20ms"]
    return dict(list(channel.bids.items())[:few]), dict(list(channel.asks.items())[:few])


def _difference(old: Side, new: Side) -> Change:
    changes = [(price, size) for price, size in new.items() if old.get(price) != size]
    return changes + [(price, 0) for price in old if price not in new]
