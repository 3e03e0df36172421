"""Orders written with a form: the same bytes as the general path, the same checks, and a new form for a new key."""

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import PlaceOrder
from arb.errors import VenueError
from arb.market.order import Role, Side, TimeInForce
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.endpoints import Credentials, Environment, Site, VenueEndpoint
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.order_form import OrderForm
from arb.venues.kit.rules.guard import SigningRefused
from arb.venues.kit.spec import VenueSpec
from arb.venues.transport.request import Outgoing, render
from tests.unit.venues.accounts import ACCOUNTS
from tests.virtual import START_NS, a_clock

SYMBOLS = ("BTC/USDT", "1000SATS/USDC", "A-B/USDT")
SITES = {
    "production": None,
    "demo": {"x-simulated-trading": "1"},
    "odd": {"x-one": "{0}", "x-two": "100 % {} 'quoted'"},
    "local": {},
}
VENUES = pytest.mark.parametrize("spec", ACCOUNTS, ids=lambda spec: spec.name)


class Venue:
    """One account whose orders are written both ways; the guard lets everything pass but what a test forbids."""

    def __init__(self, spec: VenueSpec, headers: Mapping[str, str] | None = None, **limits: Any) -> None:
        site = spec.production
        if headers == {}:  # what stands on this machine needs no encryption
            rest = "http://127.0.0.1:8080" + ("/api/v4" if spec.name == "gate" else "")
            site = Site(
                environment=Environment.TESTNET, endpoint=VenueEndpoint(rest=rest, ws_public="", ws_private=rest)
            )
        elif headers is not None:
            site = msgspec.structs.replace(site, headers=headers)
        given: dict[str, Any] = {"max_order_value_quote": Decimal("1e70"), "max_orders_per_minute": 10**6}
        self.clock = a_clock()
        self.gateway: VenueGateway = build_gateway(
            spec,
            site,
            Credentials(key="the-key", secret="the-secret", passphrase="the {phrase}"),
            clock=self.clock,
            rng=random.Random(1),
            limits=GatewayLimits(symbols=SYMBOLS, **(given | limits)),
        )
        self.gateway.value_sales(lambda _: Decimal(1))
        self.dialect, self.signer = self.gateway._dialect, self.gateway._signer
        self.dialect.learn({self.dialect.native_symbol(symbol): symbol for symbol in SYMBOLS})

    def by_form(self, command: PlaceOrder) -> Outgoing:
        """Return the order as it leaves."""
        return self.written(self.gateway._writes.form(command), command)

    def written(self, form: OrderForm, command: PlaceOrder) -> Outgoing:
        """Return an order as a form writes it now."""
        instants = self.clock.wall_ns(), self.clock.monotonic_ns()
        return Outgoing(form.origin, self.signer.order(form, command, *instants))

    def by_call(self, command: PlaceOrder) -> Outgoing:
        """Return it as the general path writes it."""
        return render(self.signer.signed(self.dialect.place(command)))


def an_order(spec: VenueSpec, **changes: Any) -> PlaceOrder:
    given: dict[str, Any] = {
        "cause": 1,
        "venue": spec.name,
        "symbol": "BTC/USDT",
        "client_order_id": "arb000000001000000b00",
        "role": Role.ENTRY,
        "side": Side.BUY,
        "tif": TimeInForce.IOC,
        "price": Decimal("60000.5"),
        "size": Decimal("0.0123"),
        "expires_ns": START_NS + NS_PER_S,
    }
    return PlaceOrder(**(given | changes))


NUMBERS = st.decimals("1e-18", "1e18", allow_nan=False, allow_infinity=False) | st.builds(
    lambda digits, exponent: Decimal((0, digits, exponent)),
    st.lists(st.integers(0, 9), min_size=1, max_size=25).filter(any).map(tuple),
    st.integers(-18, 9),
)
ORDERS = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(SYMBOLS),
        "client_order_id": st.text("0123456789ABCxyz", min_size=1, max_size=28),
        "role": st.sampled_from(Role),
        "side": st.sampled_from(Side),
        "tif": st.sampled_from(TimeInForce),
        "price": NUMBERS,
        "size": NUMBERS,
        "expires_ns": st.integers(START_NS + 3 * NS_PER_S, START_NS + 90 * NS_PER_S),
    }
)


@pytest.mark.thorough
@VENUES
@pytest.mark.parametrize("site", SITES)
@settings(max_examples=40)  # at each of so many sites of venues
@given(
    orders=st.lists(st.tuples(ORDERS, st.integers(0, 1500)), min_size=1, max_size=6),
    offset_ns=st.integers(-(10**9), 10**9),
)
def test_an_order_written_with_a_form_is_byte_for_byte_what_the_general_path_writes(
    spec: VenueSpec, site: str, orders: list[tuple[dict[str, Any], int]], offset_ns: int
) -> None:
    venue = Venue(spec, SITES[site])
    venue.signer.server_offset_ns = offset_ns
    for changes, after_ms in orders:
        venue.clock.advance(min(after_ms, 400) * NS_PER_MS)
        command = an_order(spec, **changes)
        assert venue.by_form(command) == venue.by_call(command)


@pytest.mark.thorough
@VENUES
@given(name=st.text(max_size=12))
def test_an_id_that_needs_an_escape_is_escaped_or_refused_alike(spec: VenueSpec, name: str) -> None:
    venue, command = Venue(spec), an_order(spec, client_order_id=name)
    try:
        expected = venue.by_call(command)
    except ValueError:
        with pytest.raises(ValueError, match="client order id"):
            venue.by_form(command)
    else:
        assert venue.by_form(command) == expected


@VENUES
@pytest.mark.parametrize(
    ("changes", "limits", "code"),
    [
        ({"symbol": "ETH/USDT"}, {}, "guard_symbol"),
        ({"price": Decimal("NaN")}, {}, "guard_value"),
        ({"size": Decimal("sNaN")}, {}, "guard_value"),
        ({"price": Decimal("Infinity")}, {}, "guard_value"),
        ({"size": Decimal("-1")}, {}, "guard_value"),
        ({"price": Decimal(0)}, {}, "guard_value"),
        ({"size": Decimal(2)}, {"max_order_value_quote": Decimal(120_000)}, "guard_value"),
        ({"side": Side.SELL, "symbol": "1000SATS/USDC"}, {}, "guard_reference"),
        (
            {"side": Side.SELL, "size": Decimal(3), "price": Decimal("0.1")},
            {"max_order_value_quote": Decimal(5)},
            "guard_value",
        ),
    ],
)
def test_what_the_guard_refuses_of_a_call_it_refuses_of_a_form(
    spec: VenueSpec, changes: dict[str, Any], limits: dict[str, Any], code: str
) -> None:
    venue = Venue(spec, **limits)
    venue.gateway.value_sales({"BTC/USDT": Decimal(2)}.get)
    command = an_order(spec, **changes)
    for write in (venue.by_call, venue.by_form):
        with pytest.raises(VenueError) as refused:
            write(command)
        assert refused.value.code == code


@VENUES
def test_each_order_counts_against_the_minute_whichever_way_it_is_written(spec: VenueSpec) -> None:
    venue, command = Venue(spec, max_orders_per_minute=3), an_order(spec)
    venue.by_form(command), venue.by_call(command), venue.by_form(command)
    with pytest.raises(SigningRefused, match="within a minute"):
        venue.by_form(command)


@VENUES
def test_an_order_is_not_written_with_the_form_of_another_one(spec: VenueSpec) -> None:
    venue = Venue(spec)
    buying = venue.gateway._writes.form(an_order(spec))
    for changes in ({"side": Side.SELL}, {"symbol": "A-B/USDT"}):
        with pytest.raises(SigningRefused, match="in the form of one to buy BTC/USDT"):
            venue.written(buying, an_order(spec, **changes))


@VENUES
def test_there_is_no_form_for_an_address_that_is_not_allowed(spec: VenueSpec) -> None:
    venue, command = Venue(spec), an_order(spec)
    signer: Any = venue.signer
    api = signer.urls["api"]
    for name in ("private", "rest", "spot", "uta"):
        if isinstance(api.get(name), str):
            api[name] = "https://example.com"
        elif isinstance(api.get(name), dict):
            api[name] = dict.fromkeys(api[name], "https://example.com/api/v4")
    with pytest.raises(SigningRefused, match="not in the allow-list"):
        venue.by_form(command)


@VENUES
def test_a_prefetch_makes_the_forms_of_entries_ahead_and_counts_and_changes_nothing(spec: VenueSpec) -> None:
    venue, other = Venue(spec, max_orders_per_minute=2), Venue(spec, max_orders_per_minute=2)
    pacer = venue.gateway._pacer
    for _ in range(20):
        venue.gateway._writes.prefetch("BTC/USDT")
        venue.signer.guard.prefetch("BTC/USDT")
        pacer.prefetch(f"place {venue.dialect.native_symbol('BTC/USDT')}")

    orders = [an_order(spec, side=side) for side in Side]
    made = [venue.gateway._writes.form(order) for order in orders]
    assert [form.side for form in made] == ["buy", "sell"]
    for order, form in zip(orders, made, strict=True):
        assert pacer.try_entry(form.scope, venue.clock.monotonic_ns())
        assert venue.written(form, order) == other.by_call(order)
    assert all(venue.gateway._writes.form(order) is form for order, form in zip(orders, made, strict=True))


@VENUES
def test_a_prefetch_at_what_may_not_be_traded_makes_nothing(spec: VenueSpec) -> None:
    venue = Venue(spec)
    assert venue.gateway._writes.prefetch("ETH/USDT") == ()
    with pytest.raises(SigningRefused, match="not in the allow-list"):
        venue.by_form(an_order(spec, symbol="ETH/USDT"))


@VENUES
def test_nothing_but_an_order_has_a_form(spec: VenueSpec) -> None:
    venue = Venue(spec)
    call = venue.dialect.place(an_order(spec))
    for changes in ({"path": "withdrawals"}, {"method": "DELETE"}, {"params": call.params | {"leverage": "5"}}):
        with pytest.raises(SigningRefused):
            venue.signer.order_form(msgspec.structs.replace(call, **changes))


@VENUES
def test_a_symbol_that_is_allowed_later_is_signed_from_then_on(spec: VenueSpec) -> None:
    venue = Venue(spec, max_order_value_quote=Decimal(5000))
    order = an_order(spec, symbol="NEWCOIN/USDT", price=Decimal(2), size=Decimal(3))
    for way in (venue.by_form, venue.by_call):
        with pytest.raises(SigningRefused, match="not in the allow-list"):
            way(order)
    venue.gateway.allow(["NEWCOIN/USDT"])
    assert venue.by_form(order).data == venue.by_call(order).data
    with pytest.raises(SigningRefused, match="outside"):  # bounded like any other
        venue.by_form(msgspec.structs.replace(order, size=Decimal(3000)))
    venue.by_form(an_order(spec, size=Decimal("0.01")))  # the others are as they were
