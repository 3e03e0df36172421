"""What a user may write about environments, addresses and the proxy, and what a mistake is answered with."""

import json
import os
from pathlib import Path

import pytest

from arb.cli.shared import settings_from
from arb.config import Settings, load_settings
from arb.config.loader import load_text
from arb.config.show import as_toml, plain
from arb.errors import ConfigError
from arb.masking import SECRETS
from arb.venues.kit.endpoints import Environment
from arb.venues.transport.way import DIRECT

SECRET = "hunter22-hunter22"
ALL_DEMO = '[venues.gate]\nenvironment = "testnet"\n[venues.okx]\nenvironment = "demo"\nregion = "eea"\n'
ALL_DEMO += '[venues.bitget]\nenvironment = "demo"\n'


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def complaint(folder: Path, text: str, mode: int = 0o600) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(written(folder, text, mode))
    line = str(caught.value)
    assert "\n" not in line and SECRET not in line and line.startswith(f"{folder}/config.toml")
    return line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[venues.okx]\nenvironment = "sandbox"', ":2: [venues.okx] environment = \"sandbox\": give one of 'production', "),
        ('[venues.okx]\nenvironment = "testnet"', ": [venues.okx] environment = 'testnet': okx has none: give 'production' or"),
        ('[venues.okx]\nregion = "eu"', ": [venues.okx] region = 'eu': okx's production has no such region: give 'global'"),
        ('[venues.okx]\nenvironment = "demo"', ": [venues] mix real money, gate (production), bitget (production), with"),
        ('[venues.gate.endpoints]\nrest = "https://api.example/api/v4"', ": [venues.gate.endpoints] rest: 'api.example' is"),
        ('[venues.gate.endpoints]\nrest = "http://api.gateio.ws/api/v4"', ": [venues.gate.endpoints] rest: 'api.gateio.ws'"),
        ('[venues.okx.endpoints]\nws = ""', ":2: [venues.okx.endpoints] ws: unknown key: known are rest, "),
        ('[venues.okx]\nendpoints = "https://x"', ":2: [venues.okx] endpoints: must be a table: write [venues.okx.endpoints]"),
        ('[venues.okx]\nhosts = ["www.okx.com"]', ": [venues.okx] hosts: 'ws.okx.com' is no allowed host"),
        (f'[network]\nproxy = "socks4://u:{SECRET}@h:1"', ": [network] proxy: only proxies with plain HTTP (CONNECT)"),
        ('[network]\nbind = "eth0"', ": [network] bind: 'eth0' is no address: write \"ipv4\", or one address of this"),
        (f'[network]\nproxy = "http://u:{SECRET}@h"', ": [network] proxy: give host and port"),
        (f'[network]\nproxy = ["http://u:{SECRET}@h:1"]', ':2: [network] proxy = ["..."]: give text'),
    ],
)  # fmt: skip
def test_a_way_that_leads_nowhere_or_to_the_wrong_place_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path, text).removeprefix(f"{tmp_path}/config.toml").startswith(said)


def test_a_file_with_the_proxys_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    text = f'[network]\nproxy = "http://u:{SECRET}@proxy.example:3128"'
    assert "[network] proxy holds a password, and others may read the file: chmod 600" in complaint(
        tmp_path, text, 0o644
    )
    assert load_settings(written(tmp_path, text, 0o600)).network.way_out().proxy
    assert (
        load_settings(written(tmp_path, '[network]\nproxy = "http://proxy.example:3128"', 0o644))
        .network.way_out()
        .proxy
    )


def test_a_venue_that_is_not_enabled_mixes_nothing_and_is_not_checked(tmp_path: Path) -> None:
    text = '[venues.okx]\nenabled = false\nenvironment = "demo"\nregion = "mars"'
    assert list(load_settings(written(tmp_path, text)).venues.enabled()) == ["gate", "bitget"]


def test_by_default_every_venue_is_production_and_nothing_is_between() -> None:
    settings = Settings()
    assert settings.network.way_out() == DIRECT
    for venue in settings.venues.enabled():
        site = settings.venues.site(venue)
        assert (site.environment, site.region, site.headers) == (Environment.PRODUCTION, "global", {})


def test_the_site_of_a_venue_is_what_its_settings_say(tmp_path: Path) -> None:
    text = ALL_DEMO + '[venues.bitget.endpoints]\nrest = "http://localhost:7"\n'
    venues = load_settings(written(tmp_path, text)).venues
    assert venues.site("gate").endpoint.rest == "https://api-testnet.gateapi.io/api/v4"
    assert venues.site("okx").endpoint.ws_public == "wss://wseeapap.okx.com:443/ws/v5/public"
    bitget = venues.site("bitget")
    assert (bitget.endpoint.rest, bitget.headers) == ("http://localhost:7", {"paptrading": "1"})
    assert bitget.hosts == ("api.bitget.com", "wspap.bitget.com", "localhost")


def test_what_was_understood_is_shown_with_the_addresses_and_without_the_login(tmp_path: Path) -> None:
    proxy = f'[network]\nproxy = "http://trader:{SECRET}@proxy.example:3128"\n'
    settings = load_settings(written(tmp_path, proxy + ALL_DEMO))
    document, toml = plain(settings, {}), as_toml(settings, {})
    assert document["network"]["proxy"] == "http://***@proxy.example:3128"
    assert document["sites"]["okx"] == {
        "environment": "demo",
        "endpoint": {
            "rest": "https://eea.okx.com",
            "ws_public": "wss://wseeapap.okx.com:443/ws/v5/public",
            "ws_private": "wss://wseeapap.okx.com:443/ws/v5/private",
        },
        "region": "eea",
        "headers": {"x-simulated-trading": "1"},
        "hosts": ["eea.okx.com", "wseeapap.okx.com"],
        "channel": "",
    }
    assert "# okx: demo, eea; https://eea.okx.com; " in toml
    assert "; x-simulated-trading: 1; keys go to eea.okx.com, wseeapap.okx.com\n" in toml
    for text in (json.dumps(document), toml):
        assert SECRET not in text and "trader" not in text


def test_a_proxys_login_is_masked_from_the_moment_the_settings_are_read(tmp_path: Path) -> None:
    secret = f"{SECRET}-{os.getpid()}"
    settings_from(written(tmp_path, f'[network]\nproxy = "http://trader:{secret}@proxy.example:3128"\n'))
    assert SECRETS.masked(f"407 for trader:{secret}") == "407 for ***"


def test_on_demo_every_venue_is_reached_at_its_demo_and_gate_at_its_test_network() -> None:
    venues = Settings().venues.on_demo()
    sites = {name: venues.site(name) for name in venues.enabled()}
    assert {name: site.environment.value for name, site in sites.items()} == {
        "gate": "testnet",
        "okx": "demo",
        "bitget": "demo",
    }
    assert sites["okx"].headers == {"x-simulated-trading": "1"} and sites["bitget"].headers == {"paptrading": "1"}
    assert venues.are_demos and venues.on_demo() == venues
    assert all(name.startswith("DEMO_") for venue in venues.enabled().values() for name in venue.key_names().values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[venues.gate]\nregion = "eu"',
            r"\[venues.gate\] region = 'eu': gate's testnet has no such region: give 'global'",
        ),
        ('[venues.gate.endpoints]\nrest = "https://api.gateio.ws/api/v4"', "is a host of gate's production"),
        (
            '[venues.bitget.endpoints]\nws_private = "wss://ws.bitget.com/v2/ws/private"',
            "is a host of bitget's production",
        ),
    ],
)
def test_on_demo_what_a_venues_demo_has_not_is_refused(text: str, said: str) -> None:
    venues = load_text(text, Settings, "config.toml").venues
    with pytest.raises(ConfigError, match=said):
        venues.on_demo()
