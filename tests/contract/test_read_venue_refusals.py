"""What the server in the role of Bybit and Binance answers and refuses, and in which words: the documented limits."""

import json
from typing import Any

import aiohttp

from tests.contract.test_venue_server_refusals import NOW_MS, Scene, play


async def said(ws: aiohttp.ClientWebSocketResponse, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request and return the next frame."""
    await ws.send_json(request)
    answer: dict[str, Any] = await ws.receive_json()
    return answer


def bybit(*symbols: str, op: str = "subscribe") -> dict[str, Any]:
    """Return a request for books of Bybit's."""
    return {"op": op, "req_id": "7", "args": [f"orderbook.50.{symbol}" for symbol in symbols]}


def test_bybit_confirms_by_the_requests_number_and_then_pushes_whole_books() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("bybit")
        answer = await said(ws, bybit("BTCUSDT", "ETHUSDT"))
        assert {key: answer[key] for key in ("success", "op", "req_id")} == {
            "success": True,
            "op": "subscribe",
            "req_id": "7",
        }
        frames = [await ws.receive_json() for _ in range(2)]
        assert [(frame["topic"], frame["type"]) for frame in frames] == [
            ("orderbook.50.BTCUSDT", "snapshot"),
            ("orderbook.50.ETHUSDT", "snapshot"),
        ]
        assert list(frames[0]) == ["topic", "ts", "type", "data", "cts"], "of spot `ts` stands before `type`"
        pong = await said(ws, {"op": "ping"})
        assert (pong["op"], pong["ret_msg"], pong["success"]) == ("ping", "pong", True)

    play(story)


def test_bybit_refuses_a_request_as_a_whole() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("bybit")
        for request, text in (
            (bybit("BTCUSDT", "NOUSDT"), "Invalid symbol :[orderbook.50.NOUSDT]"),
            (bybit(*["BTCUSDT"] * 11), "args size >10"),
            (bybit() | {"args": ["orderbook.7.BTCUSDT"]}, "error:handler not found,topic:orderbook.7.BTCUSDT"),
        ):
            answer = await said(ws, request)
            assert (answer["success"], answer["ret_msg"], answer["req_id"]) == (False, text, "7")
        assert (await said(ws, bybit("BTCUSDT")))["success"] is True
        await ws.receive_json()
        assert (await said(ws, bybit("BTCUSDT")))["ret_msg"] == "error:already subscribed,topic:orderbook.50.BTCUSDT"
        assert (await said(ws, bybit("BTCUSDT", op="unsubscribe")))["success"] is True

    play(story)


def test_bybit_counts_all_requests_of_an_address_together() -> None:
    async def story(scene: Scene) -> None:
        paths = ("/v5/market/time", "/v5/market/instruments-info?category=spot")
        assert {(await scene.get("bybit", paths[number % 2]))[0] for number in range(600)} == {200}
        assert await scene.get("bybit", paths[0]) == (403, "403, access too frequent")
        scene.now_s += 5.1
        assert (await scene.get("bybit", paths[0]))[0] == 200

    play(story)


def test_binance_confirms_with_nothing_but_a_number_and_serves_nobody_whom_it_does_not_list() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("binance")
        streams = ["btcusdt@depth@100ms", "nousdt@depth@100ms"]
        assert await said(ws, {"method": "SUBSCRIBE", "params": streams, "id": 3}) == {"result": None, "id": 3}
        scene.now_s += 1
        assert await said(ws, {"method": "GET_PROPERTY", "params": ["combined"], "id": 0}) == {"result": True, "id": 0}
        listed = await said(ws, {"method": "LIST_SUBSCRIPTIONS", "id": 4})
        assert listed == {"result": sorted(streams), "id": 4}
        scene.now_s += 1
        refused = await said(ws, {"method": "SUBSCRIBE", "params": ["btcusdt"], "id": 5})
        assert refused == {"error": {"code": 2, "msg": "Invalid request: invalid stream"}, "id": 5}
        scene.world.venues["binance"].step("BTCUSDT")
        pushed = await ws.receive_json()
        assert pushed["stream"] == "btcusdt@depth@100ms"
        assert list(pushed["data"]) == ["e", "E", "s", "U", "u", "b", "a"]

    play(story)


def test_binance_ends_a_connection_that_sends_six_messages_in_a_second_and_reads_none_that_is_too_long() -> None:
    async def story(scene: Scene) -> None:
        ws = await scene.connect("binance")
        await ws.send_json(
            {"method": "SUBSCRIBE", "params": [f"a{number}usdt@depth" for number in range(300)], "id": 1}
        )
        question = {"method": "LIST_SUBSCRIPTIONS", "id": 2}
        assert await said(ws, question) == {"result": [], "id": 2}, "the long one was not read, and nothing was said"
        for _ in range(3):
            await said(ws, question)
        await ws.send_json(question)
        end = await ws.receive()
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1008)

    play(story)


def test_binance_weighs_requests_by_their_length_and_bans_who_does_not_stop() -> None:
    async def story(scene: Scene) -> None:
        scene.now_s = 60.5 - NOW_MS / 1000 % 60  # a minute has begun
        weights = {100: 5, 500: 25, 1000: 50, 5000: 250}
        base = scene.info["venues"]["binance"]["rest"]
        used = 0
        for limit, weight in weights.items():
            async with scene.http.get(f"{base}/api/v3/depth?symbol=BTCUSDT&limit={limit}") as answer:
                used += weight
                assert (answer.status, answer.headers["X-MBX-USED-WEIGHT-1M"]) == (200, str(used))
        for _ in range((6000 - used) // 250):
            await scene.get("binance", "/api/v3/depth?symbol=BTCUSDT&limit=5000")
        async with scene.http.get(f"{base}/api/v3/depth?symbol=BTCUSDT&limit=5000") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
            assert json.loads(await answer.text())["code"] == -1003
        seen = [(await scene.get("binance", "/api/v3/time"))[0] for _ in range(12)]
        assert seen[0] == 429 and seen[-1] == 418
        scene.now_s += 60
        assert (await scene.get("binance", "/api/v3/time"))[0] == 418, "a ban outlasts the minute"
        scene.now_s += 61
        assert (await scene.get("binance", "/api/v3/time"))[0] == 200

    play(story)
