"""What is asked with a key that is for a currency list alone, how it is signed, and that nothing else can be."""

import hashlib
import hmac
from base64 import b64encode
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS
from arb.errors import VenueProtocolError
from arb.venues.binance.dialect import BinanceDialect
from arb.venues.bybit.dialect import BybitDialect
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import KeyedDialect, KeyFacts
from arb.venues.kit.endpoints import Credentials, Site
from arb.venues.kit.keyed_list import ListClient
from arb.venues.kit.rules.guard import SigningGuard, SigningRefused
from arb.venues.kit.rules.key_rights import list_key_refusals, may_more
from arb.venues.registry import SPECS, spec_of
from tests.virtual import a_clock

KEY = Credentials(key="the-key-of-a-list", secret="the-secret-of-a-list", passphrase="the-phrase")
VENUES = [spec.name for spec in SPECS if spec.currency_key is not None]
AHEAD_NS = 7_000 * NS_PER_MS


def client(venue: str, site: Site | None = None) -> ListClient:
    clock, spec = a_clock(), spec_of(venue)
    assert spec.currency_key is not None
    made = ListClient(clock, site or spec.production, KEY, guard(venue), spec.currency_key)
    made.server_offset_ns = AHEAD_NS
    return made


def guard(venue: str) -> SigningGuard:
    return SigningGuard(
        venue=venue,
        hosts=spec_of(venue).production.hosts,
        symbols=(),
        max_order_value_quote=Decimal(1),
        max_orders_per_minute=1,
        clock=a_clock(),
    )


def dialect(venue: str) -> KeyedDialect:
    asked = spec_of(venue).currency_key
    assert asked is not None
    return asked.make()


def calls(venue: str) -> list[Call]:
    language = dialect(venue)
    many = tuple(f"A{number}" for number in range(40))
    return [
        language.clock(),
        *language.key_calls(),
        *language.currency_calls(("BTC", "USDT")),
        *language.currency_calls(many),
    ]


def test_the_venues_with_such_a_list_are_these() -> None:
    assert VENUES == ["okx", "bybit", "binance"]


@pytest.mark.parametrize("venue", VENUES)
def test_every_question_of_the_list_is_a_get_that_the_client_writes_and_no_other_exists(venue: str) -> None:
    made = client(venue)
    for call in calls(venue):
        request = made.signed(call)
        assert (request.method, request.body) == ("GET", None)
        assert request.url.startswith(spec_of(venue).production.endpoint.rest + "/")
    asked = spec_of(venue).currency_key
    assert asked is not None
    assert asked.questions == {(call.api[0], call.path) for call in calls(venue)}
    assert len(asked.questions) == 3


def test_a_public_question_carries_no_key() -> None:
    for venue in VENUES:
        request = client(venue).signed(dialect(venue).clock())
        assert all(KEY.key not in text for text in (request.url, *request.headers.values()))


@pytest.mark.parametrize("venue", VENUES)
def test_nothing_but_those_gets_is_ever_signed(venue: str) -> None:
    made = client(venue)
    for call in calls(venue):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            with pytest.raises(SigningRefused) as refused:
                made.signed(msgspec.structs.replace(call, method=method))
            assert refused.value.code == "guard_endpoint"
        with pytest.raises(SigningRefused):
            made.signed(msgspec.structs.replace(call, items=({"ordId": "1"},)))
    for api, path in (
        ("private", "trade/order"),
        ("private", "asset/withdrawal"),
        ("private", "v5/asset/withdraw/create"),
        ("private", "v5/order/create"),
        ("sapi", "capital/withdraw/apply"),
        ("private", "order"),
        ("public", "userDataStream"),
    ):
        with pytest.raises(SigningRefused):
            made.signed(Call(scope="GET", api=(api,), method="GET", path=path, params={}))


@given(st.sampled_from(VENUES), st.text(max_size=40), st.sampled_from(["public", "private", "sapi", "rest"]))
def test_no_other_path_is_signed(venue: str, path: str, api: str) -> None:
    asked = spec_of(venue).currency_key
    assert asked is not None
    if (api, path) in asked.questions:
        return
    with pytest.raises(SigningRefused):
        CLIENTS[venue].signed(Call(scope="GET", api=(api,), method="GET", path=path, params={}))


CLIENTS = {venue: client(venue) for venue in VENUES}


def test_a_host_that_is_not_allowed_gets_no_key() -> None:
    for venue in VENUES:
        site = spec_of(venue).production
        elsewhere = msgspec.structs.replace(
            site, endpoint=msgspec.structs.replace(site.endpoint, rest="https://example.com"), hosts=site.hosts
        )
        with pytest.raises(SigningRefused) as refused:
            client(venue, elsewhere).signed(dialect(venue).key_calls()[0])
        assert refused.value.code == "guard_host"


def hexed(text: str) -> str:
    return hmac.new(KEY.secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def test_signatures_are_those_of_the_documents_on_the_venues_time() -> None:
    now_ms = (a_clock().wall_ns() + AHEAD_NS) // NS_PER_MS
    asked = client("bybit").signed(dialect("bybit").currency_calls(("BTC",))[0])
    window = asked.headers["X-BAPI-RECV-WINDOW"]
    assert asked.headers["X-BAPI-TIMESTAMP"] == str(now_ms)
    assert asked.url.endswith("/v5/asset/coin/query-info?coin=BTC")
    assert asked.headers["X-BAPI-SIGN"] == hexed(f"{now_ms}{KEY.key}{window}coin=BTC")
    asked = client("binance").signed(dialect("binance").currency_calls(("BTC",))[0])
    query, _, signature = asked.url.partition("?")[2].rpartition("&signature=")
    assert asked.url.startswith("https://api.binance.com/sapi/v1/capital/config/getall?")
    assert query.startswith(f"timestamp={now_ms}") and signature == hexed(query)
    assert asked.headers["X-MBX-APIKEY"] == KEY.key
    asked = client("okx").signed(dialect("okx").currency_calls(("BTC",))[0])
    stamp = asked.headers["OK-ACCESS-TIMESTAMP"]
    text = f"{stamp}GET/api/v5/asset/currencies?ccy=BTC"
    made = b64encode(hmac.digest(KEY.secret.encode(), text.encode(), "sha256")).decode()
    assert asked.headers["OK-ACCESS-SIGN"] == made and asked.headers["OK-ACCESS-PASSPHRASE"] == KEY.passphrase


def bybit_facts(**changed: Any) -> KeyFacts:
    result = {
        "readOnly": 0,
        "permissions": {"Spot": ["SpotTrade"], "Wallet": [], "Derivatives": []},
        "ips": ["*"],
        "userID": 24617703,
        "parentUid": "0",
    }
    return BybitDialect(has_key=True).key_facts(({"retCode": 0, "result": result | changed},))


def test_what_a_key_may_do_at_bybit() -> None:
    facts = bybit_facts()
    assert (facts.can_trade, facts.can_withdraw, facts.ip_bound, facts.account) == (True, False, False, "24617703")
    facts = bybit_facts(permissions={"Wallet": ["AccountTransfer", "Withdraw"]})
    assert (facts.can_trade, facts.can_withdraw, facts.moves) == (False, True, ("AccountTransfer",))
    facts = bybit_facts(readOnly=1, permissions={"Spot": ["SpotTrade"], "Wallet": ["Withdraw"]}, ips=["10.0.0.1"])
    assert (facts.can_trade, facts.can_withdraw, facts.moves, facts.ip_bound) == (False, False, (), True)
    assert list_key_refusals(bybit_facts(permissions={"Spot": []}))[0][0] == "key_rights_unknown"
    assert list_key_refusals(bybit_facts(permissions={"Wallet": ["SomethingNew"]}))[0][0] == "key_moves_funds"


@pytest.mark.parametrize(
    "changed", [{"permissions": None}, {"permissions": []}, {"permissions": {"Wallet": "Withdraw"}}, {"readOnly": None}]
)
def test_rights_that_bybit_does_not_name_are_no_rights_to_rely_on(changed: dict[str, Any]) -> None:
    with pytest.raises(VenueProtocolError):
        bybit_facts(**changed)


def test_what_a_key_may_do_at_binance() -> None:
    reads = {"ipRestrict": False, "enableReading": True, "enableWithdrawals": False, "enableInternalTransfer": False,
             "permitsUniversalTransfer": False, "enableSpotAndMarginTrading": False,
             "enablePortfolioMarginTrading": True}  # fmt: skip

    def facts(**changed: Any) -> KeyFacts:
        return BinanceDialect(has_key=True).key_facts((reads | changed,))

    assert (facts().can_trade, facts().can_withdraw, facts().moves) == (False, False, ())
    assert facts(enableSpotAndMarginTrading=True).can_trade and facts(enableWithdrawals=True).can_withdraw
    assert facts(permitsUniversalTransfer=True).moves == ("permitsUniversalTransfer",)
    assert (
        list_key_refusals(BinanceDialect(has_key=True).key_facts(({"ipRestrict": True},)))[0][0] == "key_rights_unknown"
    )
    with pytest.raises(VenueProtocolError):
        facts(enableWithdrawals="maybe")


def test_a_key_for_a_list_is_refused_for_what_takes_funds_away_and_warned_of_for_trading() -> None:
    def of(**facts: Any) -> KeyFacts:
        return KeyFacts(**({"can_trade": False, "can_withdraw": False, "ip_bound": None} | facts))

    assert list_key_refusals(of()) == () and may_more(of()) is None
    assert [code for code, _ in list_key_refusals(of(can_withdraw=True))] == ["key_withdraws"]
    assert [code for code, _ in list_key_refusals(of(can_withdraw=None))] == ["key_rights_unknown"]
    assert [code for code, _ in list_key_refusals(of(moves=("x",)))] == ["key_moves_funds"]
    assert list_key_refusals(of(can_trade=True)) == () and "may trade" in (may_more(of(can_trade=True)) or "")
    assert may_more(of(can_trade=None)) is not None
