"""Whatever a client sends, every venue answers or ignores it: no frame and no request can break the world."""

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.sandbox.admin import Admin
from arb.sandbox.exact import parse
from arb.sandbox.gate.auth import check_channel
from arb.sandbox.wire import NESTING_MAX, HttpRequest
from arb.sandbox.world import HttpReply
from tests.unit.sandbox.bench import Bench


def words(text: str) -> st.SearchStrategy[str]:
    """Return one of the words of a text."""
    return st.sampled_from(text.split())


WORDS = words(
    "subscribe unsubscribe api login spot.obu spot.orders spot.order_book spot.login ob.BTC_USDT.50 books orders "
    "BTC-USDT BTCUSDT BTC_USDT SPOT trade ticker 100ms !all limit market buy sell ioc 0.5 60000 -1 1e9 NaN \u00b2 ping "
    "9999999999999999999999999999999999999999 SUBSCRIBE UNSUBSCRIBE SET_PROPERTY btcusdt@depth session.logon order.place "
    "userDataStream.subscribe.signature account.status btcusdt@kline_1m"
)
KEYS = words(
    "time channel event payload auth KEY SIGN op args instId instType id req_id req_param currency_pair side amount "
    "price text timeout topic symbol size sz px ordType orderType force clOrdId clientOid apiKey timestamp sign passphrase "
    "method params signature"
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 10**30), st.floats(allow_nan=False), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=12,
)
PATHS = {
    "gate": ["/ws/v4/"],
    "okx": ["/ws/v5/public", "/ws/v5/private"],
    "bitget": ["/v2/ws/public", "/v2/ws/private", "/v3/ws/private"],
    "bybit": ["/v5/public/spot", "/v5/private"],
    "binance": ["/binance/stream", "/binance/ws-api/v3"],
}
QUIET = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("venue", list(PATHS))
@QUIET
@given(frames=st.lists(st.one_of(st.dictionaries(KEYS, VALUES, max_size=8), VALUES, st.text(max_size=9)), max_size=4))
def test_no_frame_breaks_a_venue(venue: str, frames: list[Any]) -> None:
    bench = Bench(venue, small=True)
    for path in PATHS[venue]:
        stream = bench.open(path)
        for frame in frames:
            bench.world.receive(stream.session_id, frame if isinstance(frame, str) else json.dumps(frame), bench.now_ns)
    bench.advance(NS_PER_S)


def signed(bench: Bench, method: str, path: str, query: str, body: bytes) -> HttpRequest:
    """Sign any bytes as the venue's documentation says."""
    profile, stamp = bench.exchange.profile, str(bench.now_ns // NS_PER_S)
    text = "\n".join((method, path, unquote_plus(query), hashlib.sha512(body).hexdigest(), stamp))
    sign = hmac.new(profile.secret.encode(), text.encode(), hashlib.sha512).hexdigest()
    return HttpRequest(method, path, query, {"key": profile.key, "timestamp": stamp, "sign": sign}, body)


@QUIET
@given(body=VALUES, query=st.dictionaries(KEYS, WORDS, max_size=4), path=st.sampled_from(["orders", "my_trades", "²"]))
def test_no_signed_request_breaks_gate(body: Any, query: dict[str, str], path: str) -> None:
    bench = Bench("gate", small=True)
    for method, data in (("GET", b""), ("DELETE", b""), ("POST", json.dumps(body).encode())):
        bench.world.submit(signed(bench, method, f"/api/v4/spot/{path}", urlencode(query), data), bench.now_ns)
    seen = 0
    for _ in range(40):
        bench.now_ns += NS_PER_S // 10
        seen += sum(isinstance(output, HttpReply) for output in bench.world.advance(bench.now_ns))
    assert seen == 3


@pytest.mark.parametrize("header", ["\N{SUPERSCRIPT TWO}", "", "NaN", "1e99"])
def test_strange_headers_are_refused(header: str) -> None:
    bench = Bench("gate")
    names = ("key", "sign", "timestamp", "x-gate-exptime")
    headers = dict.fromkeys(names, header)
    assert bench.send(HttpRequest("GET", "/api/v4/spot/accounts", "", headers, b""))[0] in (401, 403)
    signed = bench.signed(["private", "spot"], "accounts")
    assert bench.send(HttpRequest("GET", signed.path, "", {**signed.headers, "sign": header}, b""))[0] == 401


@given(st.one_of(st.text(), st.floats(), st.integers(), st.booleans(), st.none()))
def test_a_number_is_read_exactly_or_not_at_all(value: object) -> None:
    read = parse(value)
    assert read is None or read == Decimal(str(value))


def test_a_channel_without_auth_is_refused() -> None:
    bench = Bench("gate")
    with pytest.raises(Exception, match="auth is required"):
        check_channel(None, "spot.orders", "subscribe", "1", bench.exchange.profile, bench.now_ns)


@pytest.mark.parametrize("value", ["\u0661", " 1 ", "1_0", "1\n", "", "+", "."])
def test_blanks_and_the_digits_of_other_scripts_are_no_number(value: str) -> None:
    assert parse(value) is None


DEPTHS = [NESTING_MAX - 4, NESTING_MAX + 1, 990, 100_000]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize(("venue", "path"), [(venue, path) for venue, paths in PATHS.items() for path in paths])
def test_however_deep_a_frame_nests_the_connection_goes_on(
    venue: str, path: str, opening: str, closing: str, depth: int
) -> None:
    stream = Bench(venue, small=True).open(path)
    nested = opening * depth + ("1" if "a" in opening else "") + closing * depth
    for frame in (
        nested,
        f'{{"op":{nested},"args":[{{}}]}}',
        f'{{"op":"subscribe","args":[{{"channel":"books","instId":{nested}}}]}}',
        f'{{"event":"subscribe","channel":"spot.obu","payload":[{nested}]}}',
        f'{{"method":"SUBSCRIBE","id":1,"params":[{nested}]}}',
    ):
        assert stream.send(frame) != []


@pytest.mark.parametrize(("venue", "path"), [("okx", "/ws/v5/private"), ("bitget", "/v2/ws/private")])
@pytest.mark.parametrize("op", [["x"], {"a": 1}, {}, None, 7])
def test_an_op_of_another_type_is_refused_and_the_connection_goes_on(venue: str, path: str, op: Any) -> None:
    stream = Bench(venue, small=True).open(path)

    [refused] = stream.send({"op": op, "args": [{}]})

    assert refused["event"] == "error"
    assert stream.send("ping") == ["pong"]


@pytest.mark.parametrize("depth", [NESTING_MAX + 1, 1_000, 100_000])
@pytest.mark.parametrize("path", ["/book", "/fault", "/balance", "/key"])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_deeply_nested_admin_request_is_answered_400(path: str, opening: bytes, depth: int) -> None:
    bench = Bench("gate", small=True)

    status, answer = Admin(bench.world, {}).handle("POST", path, opening * depth, bench.now_ns)

    assert (status, "deeper" in str(answer["error"])) == (400, True)


@pytest.mark.parametrize("depth", [NESTING_MAX + 1, 990, 100_000])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_deeply_nested_order_is_answered_400(opening: bytes, depth: int) -> None:
    bench, body = Bench("gate", small=True), opening * depth

    status, answer = bench.send(signed(bench, "POST", "/api/v4/spot/orders", "", body))

    assert (status, answer["label"]) == (400, "INVALID_REQUEST_BODY")
    for path in ("/api/v5/trade/order", "/api/v2/spot/trade/place-order"):
        assert Bench("okx", small=True).send(HttpRequest("POST", path, "", {}, body))[0] in (400, 401)
