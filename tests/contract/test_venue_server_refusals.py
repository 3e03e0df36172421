"""What the server in the role of the venues refuses, and in which words: the documented limits, errors and outages."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.venue_server import misfortunes
from tests.venue_server.server import World, serving
from tests.venue_server.venue import Clock

NOW_MS = 1_777_275_365_213
SUBSCRIBE = {
    "okx": {"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}]},
    "bitget": {"op": "subscribe", "args": [{"instType": "SPOT", "channel": "books", "instId": "BTCUSDT"}]},
}


class Scene:
    """The venues in this process, with a clock that stands where it is put."""

    def __init__(self) -> None:
        self.now_s = 0.0
        clock = Clock(lambda: NOW_MS + int(self.now_s * 1000), lambda: self.now_s)
        self.world = World(symbols=3, seed=5, rate=0.0, clock=clock)
        self.info: dict[str, Any] = {}
        self.http: aiohttp.ClientSession

    async def connect(self, venue: str) -> aiohttp.ClientWebSocketResponse:
        """Open a public connection."""
        return await self.http.ws_connect(self.info["venues"][venue]["ws_public"])

    async def get(self, venue: str, path: str) -> tuple[int, str]:
        """Ask over REST; return status and body."""
        async with self.http.get(self.info["venues"][venue]["rest"] + path) as answer:
            return answer.status, await answer.text()

    async def strike(self, **body: Any) -> tuple[int, Any]:
        """Ask for a misfortune; return status and answer."""
        async with self.http.post(self.info["control"] + "/control", json=body) as answer:
            return answer.status, await answer.json()


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    """Play a story in front of fresh venues."""

    async def whole() -> None:
        scene = Scene()
        async with serving(scene.world) as scene.info, aiohttp.ClientSession() as scene.http:
            await asyncio.wait_for(story(scene), 60)

    asyncio.run(whole())


def gate_request(event: str, stream: str, **more: Any) -> dict[str, Any]:
    """Return a request for a book of Gate's."""
    return {"time": NOW_MS // 1000, "id": 17, "channel": "spot.obu", "event": event, "payload": [stream], **more}


async def answer_of(ws: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """Return the next frame that is no book."""
    while True:
        frame: dict[str, Any] = json.loads(await ws.receive_str())
        if "action" not in frame and frame.get("event") != "update":
            return frame


def test_gate_echoes_the_number_of_a_request_and_refuses_a_second_subscription() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("gate")
        await ws.send_json(gate_request("subscribe", "ob.BTC_USDT.50"))
        taken = await answer_of(ws)
        await ws.send_json(gate_request("subscribe", "ob.BTC_USDT.50", id=18))
        twice = await answer_of(ws)

        assert (taken["id"], taken["payload"], taken["result"]) == (17, ["ob.BTC_USDT.50"], {"status": "success"})
        assert "error" not in taken
        assert (twice["id"], twice["result"]) == (18, {"status": "fail"})
        assert twice["error"] == {"code": 2, "message": "Alert sub ob.BTC_USDT.50"}

    play(story)


def test_gate_takes_a_subscription_anew_after_its_end_was_confirmed() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("gate")
        for event in ("subscribe", "unsubscribe", "subscribe"):
            await ws.send_json(gate_request(event, "ob.BTC_USDT.50"))
            assert (await answer_of(ws))["result"] == {"status": "success"}
        assert scene.world.venues["gate"].refused == {}

    play(story)


@pytest.mark.parametrize(
    "wrong", [{"time": NOW_MS // 1000 - 61}, {"payload": ["BTC_USDT"]}, {"payload": []}, {"channel": "spot.nothing"}]
)
def test_gate_refuses_a_request_it_cannot_take(wrong: dict[str, Any]) -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("gate")
        await ws.send_json(gate_request("subscribe", "ob.BTC_USDT.50", **wrong))
        refused = await answer_of(ws)
        assert (refused["error"]["code"], refused["result"]) == (2, {"status": "fail"})

    play(story)


def test_gate_acknowledges_names_that_nobody_lists_and_never_serves_them() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("gate")
        await ws.send_json(gate_request("subscribe", "ob.NOBODY_USDT.50"))
        assert (await answer_of(ws))["result"] == {"status": "success"}
        await ws.send_json({"time": NOW_MS // 1000, "channel": "spot.ping"})
        assert (await answer_of(ws))["channel"] == "spot.pong"

    play(story)


def test_okx_serves_what_is_asked_for_twice_twice_and_names_what_does_not_exist() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("okx")
        await ws.send_json(
            {"op": "subscribe", "args": [*SUBSCRIBE["okx"]["args"], {"channel": "books", "instId": "NO-USDT"}]}
        )
        await ws.send_json(SUBSCRIBE["okx"])
        frames = [json.loads(await ws.receive_str()) for _ in range(5)]
        assert [frame.get("event", frame.get("action")) for frame in frames] == [
            "subscribe", "snapshot", "error", "subscribe", "snapshot"
        ]  # fmt: skip
        assert frames[1]["data"][0]["prevSeqId"] == -1
        assert frames[2]["code"] == "60018" and "instId:NO-USDT doesn't exist" in frames[2]["msg"]

    play(story)


@pytest.mark.parametrize(("venue", "allowed", "code"), [("okx", 480, "60014"), ("bitget", 240, 30006)])
def test_only_so_many_requests_an_hour_and_connection(venue: str, allowed: int, code: object) -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect(venue)
        for _ in range(allowed):
            scene.now_s += 0.5  # Bitget hears ten messages a second
            await ws.send_json(SUBSCRIBE[venue])
            assert (await answer_of(ws))["event"] == "subscribe"
        scene.now_s += 0.5
        await ws.send_json(SUBSCRIBE[venue])
        refused = await answer_of(ws)
        assert (refused["event"], refused["code"]) == ("error", code)
        assert scene.world.venues[venue].refused == {"subscriptions": 1}

    play(story)


def test_bitget_ends_a_connection_that_sends_an_eleventh_message_within_a_second() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("bitget")
        for _ in range(10):
            await ws.send_str("ping")
            assert await ws.receive_str() == "pong"
        await ws.send_str("ping")
        assert (await answer_of(ws))["code"] == 30007
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE

    play(story)


def test_okx_lets_an_address_connect_three_times_a_second() -> None:
    async def story(scene: Scene) -> None:
        for _ in range(3):
            await scene.connect("okx")
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            await scene.connect("okx")
        scene.now_s += 1
        await scene.connect("okx")

    play(story)


def test_okx_ends_a_connection_whose_client_is_silent_for_half_a_minute() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("okx")
        scene.now_s += 31
        closed = await ws.receive()
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 4004)

    play(story)


def test_okx_confirms_a_book_that_did_not_change_for_a_minute_once_a_minute() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("okx")
        await ws.send_json(SUBSCRIBE["okx"])
        _, snapshot = [json.loads(await ws.receive_str()) for _ in range(2)]
        for _ in range(2):
            scene.now_s += 20
            await ws.send_str("ping")
            assert await ws.receive_str() == "pong"
        scene.now_s += 20
        [confirmed] = json.loads(await ws.receive_str())["data"]
        last = snapshot["data"][0]["seqId"]
        assert (confirmed["bids"], confirmed["asks"]) == ([], [])
        assert (confirmed["prevSeqId"], confirmed["seqId"]) == (last, last)
        await ws.send_str("ping")
        assert await ws.receive_str() == "pong"

    play(story)


@pytest.mark.parametrize("venue", ["gate", "okx", "bitget"])
@pytest.mark.parametrize(("what", "status"), [("unavailable", 503), ("restricted", 451)])
def test_an_outage_refuses_questions_and_connections_until_it_ends(venue: str, what: str, status: int) -> None:
    path = {"gate": "/spot/time", "okx": "/api/v5/public/time", "bitget": "/api/v2/public/time"}[venue]

    async def story(scene: Scene) -> None:
        assert await scene.strike(venue=venue, what=what, for_s=60) == (200, {"struck": what})
        assert (await scene.get(venue, path))[0] == status
        with pytest.raises(aiohttp.WSServerHandshakeError, match=str(status)):
            await scene.connect(venue)
        scene.now_s += 60
        assert (await scene.get(venue, path))[0] == 200
        await scene.connect(venue)

    play(story)


def test_okx_answers_the_twenty_first_question_within_two_seconds_with_429() -> None:
    async def story(scene: Scene) -> None:
        path = "/api/v5/public/instruments?instType=SPOT"
        assert [(await scene.get("okx", path))[0] for _ in range(20)] == [200] * 20
        assert await scene.get("okx", path) == (429, '{"msg": "Too Many Requests", "code": "50011"}')
        scene.now_s += 2
        assert (await scene.get("okx", path))[0] == 200

    play(story)


def test_listings_change_as_the_venues_state_it() -> None:
    async def story(scene: Scene) -> None:
        for what in ("tick", "suspended", "delisting"):
            for venue, native in (("gate", "BTC_USDT"), ("okx", "BTC-USDT"), ("bitget", "BTCUSDT")):
                assert (await scene.strike(venue=venue, what=what, symbol=native))[0] == 200
        gate = json.loads((await scene.get("gate", "/spot/currency_pairs/BTC_USDT"))[1])
        [okx] = json.loads((await scene.get("okx", "/api/v5/public/instruments?instType=SPOT&instId=BTC-USDT"))[1])[
            "data"
        ]
        [bitget] = json.loads((await scene.get("bitget", "/api/v2/spot/public/symbols?symbol=BTCUSDT"))[1])["data"]
        soon_ms = NOW_MS + 3_600_000
        assert (gate["precision"], gate["trade_status"], gate["delisting_time"]) == (2, "untradable", soon_ms // 1000)
        assert (okx["tickSz"], okx["state"], okx["expTime"]) == ("0.01", "suspend", str(soon_ms))
        assert (bitget["pricePrecision"], bitget["status"], bitget["offTime"]) == ("3", "halt", str(soon_ms))

    play(story)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"venue": "nobody", "what": "cut"}, "venue: 'nobody' is none of gate, okx, bitget"),
        ({"venue": "okx", "what": "earthquake"}, "what: 'earthquake' is none of cut, gap"),
        ({"venue": "okx", "what": "cut"}, "connection: okx has none"),
        ({"venue": "okx", "what": "gap", "symbol": "BTC_USDT"}, "symbol: okx has no book of 'BTC_USDT'"),
        ({"venue": "okx", "what": "cut", "when": "now"}, "unknown: when; known are"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(body: dict[str, Any], words: str) -> None:
    async def story(scene: Scene) -> None:
        status, answer = await scene.strike(**body)
        assert status == 400 and answer["error"].startswith(words)

    play(story)


def test_the_mixed_schedule_is_drawn_from_the_seed() -> None:
    open_now = {"gate": ([1, 2], ["BTC_USDT", "SOL_USDT"]), "okx": ([7], ["BTC-USDT"])}

    def struck(seed: int) -> list[tuple[str, misfortunes.Asked]]:
        rng = random.Random(seed)
        return [misfortunes.drawn(rng, open_now) for _ in range(200)]

    assert struck(1) == struck(1) != struck(2)
    assert {wish.what for _, wish in struck(1)} == set(misfortunes.ACTIONS) - set(misfortunes.LASTING)
