"""Which site is meant, and which addresses may take the place of its own."""

from typing import Any

import pytest

from arb.errors import ConfigError
from arb.venues.kit.addresses import AddressOverrides, mixed_environments, origins_of, resolve_site
from arb.venues.kit.endpoints import GLOBAL, Environment, Site
from arb.venues.kit.spec import VenueSpec
from arb.venues.registry import SPECS, spec_of

PRODUCTION, TESTNET, DEMO = Environment.PRODUCTION, Environment.TESTNET, Environment.DEMO


def resolved(venue: str, environment: Any = PRODUCTION, region: Any = GLOBAL, **given: Any) -> Site:
    """Resolve a site; `given` are `hosts` and single addresses."""
    hosts = given.pop("hosts", ())
    return resolve_site(spec_of(venue), environment, region, AddressOverrides(**given), hosts)


def refused(venue: str, environment: Any = PRODUCTION, region: Any = GLOBAL, **given: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        resolved(venue, environment, region, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Refused.


@pytest.mark.parametrize(
    ("venue", "environment", "region", "said"),
    [
        ("gate", DEMO, GLOBAL, "[venues.gate] environment = 'demo': gate has none: give 'production' or 'testnet'"),
        ("okx", TESTNET, GLOBAL, "[venues.okx] environment = 'testnet': okx has none: give 'production' or 'demo'"),
        (
            "okx",
            DEMO,
            "mars",
            "[venues.okx] region = 'mars': okx's demo has no such region: give 'global', 'eea' or 'us'",
        ),
        ("gate", TESTNET, "eu", "[venues.gate] region = 'eu': gate's testnet has no such region: give 'global'"),
        (
            "bitget",
            PRODUCTION,
            "",
            "[venues.bitget] region = '': bitget's production has no such region: give 'global'",
        ),
        (
            "okx",
            PRODUCTION,
            "https://u:secret@x",
            "[venues.okx] region = '...': okx's production has no such region: give ",
        ),
    ],
)
def test_what_the_venue_has_not_is_refused_with_what_it_has(
    venue: str, environment: Environment, region: str, said: str
) -> None:
    assert refused(venue, environment, region).startswith(said)


@pytest.mark.parametrize(
    ("environment", "name", "address"),
    [
        (DEMO, "ws_private", "wss://ws.okx.com:8443/ws/v5/private"),
        (DEMO, "ws_public", "wss://WS.okx.com:8443/ws/v5/public"),
        (DEMO, "ws_public", "wss://wseea.okx.com:8443/ws/v5/public"),
        (PRODUCTION, "ws_private", "wss://wspap.okx.com:8443/ws/v5/private"),
    ],
)
def test_a_host_of_another_environment_is_refused_even_when_it_is_allowed(
    environment: Environment, name: str, address: str
) -> None:
    host = address.split("/")[2].split(":")[0].lower()
    line = refused("okx", environment, hosts=("www.okx.com", "ws.okx.com", "wspap.okx.com"), **{name: address})
    home = "demo" if environment is PRODUCTION else "production"
    assert f"{host!r} is a host of okx's {home}, and its environment is {environment.value!r}" in line


def test_an_allow_list_may_not_name_a_host_of_another_environment() -> None:
    line = refused("gate", TESTNET, hosts=("api-testnet.gateapi.io", "ws-testnet.gate.com", "api.gateio.ws"))
    assert line.startswith(
        "[venues.gate] hosts: 'api.gateio.ws' is a host of gate's production, and its environment is"
    )


def test_the_hosts_of_an_allow_list_are_names_alone() -> None:
    assert "hosts: '...' is no host: give only names, as in 'www.okx.com'" in refused("okx", hosts=("https://a.b",))
    assert "'www.okx.com.' is no host" in refused("okx", hosts=("www.okx.com.",))


@pytest.mark.parametrize("name", ["rest", "ws_public", "ws_private"])
def test_a_host_that_nobody_allowed_is_refused_whatever_goes_there(name: str) -> None:
    address = "https://aws.okx.com" if name == "rest" else "wss://aws.okx.com:8443/ws/v5/public"
    line = refused("okx", **{name: address})
    assert line == (
        f"[venues.okx.endpoints] {name}: 'aws.okx.com' is no allowed host: if it is okx's own, name it in [venues.okx] hosts"
    )
    allowed = resolved("okx", hosts=("www.okx.com", "ws.okx.com", "aws.okx.com"), **{name: address})
    assert getattr(allowed.endpoint, name) == address


def test_the_host_of_public_data_is_allowed_for_public_data_alone() -> None:
    moved = {"hosts": ("www.okx.com", "aws.okx.com"), "ws_private": "wss://aws.okx.com:8443/ws/v5/private"}
    site = resolved("okx", **moved)
    assert site.endpoint.ws_public.startswith("wss://ws.okx.com:") and site.hosts == moved["hosts"]
    assert "'ws.okx.com' is no allowed host" in refused("okx", rest="https://ws.okx.com", **moved)


def test_an_allow_list_without_the_sites_own_hosts_is_refused() -> None:
    line = refused("okx", PRODUCTION, "eea", hosts=("www.okx.com", "ws.okx.com"))
    assert line.startswith("[venues.okx] hosts: 'eea.okx.com' is no allowed host")


@pytest.mark.parametrize(
    ("venue", "name", "address", "said"),
    [
        ("okx", "rest", "http://www.okx.com", "'www.okx.com' is another machine, and http:// is not encrypted: write https://"),
        ("okx", "ws_private", "ws://ws.okx.com/ws/v5/private", "and ws:// is not encrypted: write wss://"),
        ("gate", "rest", "https://api.gateio.ws", "must end in /api/v4, as in https://api.gateio.ws/api/v4"),
        ("gate", "rest", "https://api.gateio.ws/api/v3", "must end in /api/v4"),
        ("okx", "rest", "https://www.okx.com/api/v5", "only the host is meant, without a path"),
        ("okx", "ws_public", "wss://ws.okx.com:8443", "the whole address is meant, with its path, as in wss://ws.okx.com"),
        ("okx", "rest", "wss://www.okx.com", "no address that can be used"),
        ("okx", "ws_public", "https://ws.okx.com/ws/v5/public", "no address that can be used"),
        ("okx", "rest", "www.okx.com", "no address that can be used"),
        ("okx", "rest", "https://key:hunter22@www.okx.com", "no address that can be used"),
        ("okx", "ws_public", "wss://ws.okx.com/ws/v5/public?token=hunter22", "no address that can be used"),
        ("okx", "rest", "https://www.okx.com:99999", "no address that can be used"),
        ("okx", "rest", "https://[www.okx.com", "no address that can be used"),
        ("okx", "rest", "https://www.okx.com./", "no address that can be used"),
        ("okx", "rest", "https://www okx.com", "no address that can be used"),
        ("okx", "rest", "https://www.okx.com\\@evil.example", "no address that can be used"),
        ("okx", "rest", "https://", "no address that can be used"),
    ],
)  # fmt: skip
def test_an_address_that_could_not_be_used_as_it_stands_is_refused(
    venue: str, name: str, address: str, said: str
) -> None:
    line = refused(venue, **{name: address})
    assert line.startswith(f"[venues.{venue}.endpoints] {name}: ") and said in line
    assert "hunter22" not in line


# Resolved.


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_site_of_a_venue_is_found_with_its_headers_and_with_hosts_for_all_that_carries_a_key(
    spec: VenueSpec,
) -> None:
    for site in spec.sites:
        found = resolve_site(spec, site.environment, site.region, AddressOverrides(), ())
        assert found == site
        for address in filter(None, (site.endpoint.rest, site.endpoint.ws_private)):
            assert any(f"://{host}" in address for host in found.hosts)


def test_the_sites_that_are_documented_are_the_ones_that_are_found() -> None:
    demo = resolved("okx", DEMO, "eea")
    assert (demo.endpoint.rest, demo.endpoint.ws_private) == (
        "https://eea.okx.com",
        "wss://wseeapap.okx.com:443/ws/v5/private",
    )
    assert demo.headers == {"x-simulated-trading": "1"} and demo.hosts == ("eea.okx.com", "wseeapap.okx.com")
    assert resolved("bitget", DEMO).headers == {"paptrading": "1"}
    assert resolved("gate", PRODUCTION, "eu").endpoint.rest == "https://api.gateeu.com/api/v4"
    assert resolved("gate", TESTNET).endpoint.ws_public == "wss://ws-testnet.gate.com/v4/ws/spot"
    for venue in ("gate", "okx", "bitget"):
        assert resolved(venue).headers == {}


def test_this_machine_may_take_the_place_of_any_address_without_encryption() -> None:
    site = resolved("gate", rest="HTTP://127.0.0.1:7000/api/v4/", ws_public="ws://localhost:7000/ws/v4/")
    assert site.endpoint.rest == "http://127.0.0.1:7000/api/v4"
    assert site.endpoint.ws_public == "ws://localhost:7000/ws/v4/"
    assert site.endpoint.ws_private == "wss://api.gateio.ws/ws/v4/"
    assert site.hosts == ("api.gateio.ws", "127.0.0.1", "localhost")


def test_a_replaced_address_keeps_the_headers_of_its_site() -> None:
    assert resolved("okx", DEMO, rest="http://[::1]:7000").headers == {"x-simulated-trading": "1"}


def test_connections_lead_to_each_origin_once() -> None:
    assert [(origin.host, origin.port, origin.tls) for origin in origins_of(resolved("okx").endpoint)] == [
        ("www.okx.com", 443, True),
        ("ws.okx.com", 8443, True),
    ]
    assert [origin.port for origin in origins_of(resolved("gate", rest="http://localhost:7/api/v4").endpoint)] == [
        7,
        443,
    ]


# Together.


def test_real_money_and_play_money_are_never_mixed() -> None:
    real, testnet, demo = resolved("bitget"), resolved("gate", TESTNET), resolved("okx", DEMO)
    assert mixed_environments([("gate", testnet), ("okx", demo)]) is None
    assert mixed_environments([("bitget", real), ("okx", resolved("okx", PRODUCTION, "us"))]) is None
    assert mixed_environments([]) is None
    assert (mixed_environments([("gate", testnet), ("okx", demo), ("bitget", real)]) or "").startswith(
        "[venues] mix real money, bitget (production), with gate (testnet), okx (demo): all enabled venues are production, or"
    )
