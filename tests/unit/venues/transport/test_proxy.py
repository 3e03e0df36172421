"""The way out: addresses of a proxy and of this machine, what they may be, and that no login is shown."""

import base64
import socket

import pytest

from arb.errors import ConfigError
from arb.masking import SecretMask
from arb.venues.transport.proxy import Proxy, masked_proxy, parse_proxy
from arb.venues.transport.way import WayOut, parse_bind, require_bind

SECRET = "hunt@r/22"
WITH_LOGIN = "http://trader:hunt%40r%2F22@proxy.example:3128"


@pytest.mark.parametrize(
    "url",
    [
        "proxy.example:3128",
        "socks4://proxy.example:1080",
        "socks5://proxy.example",
        f"socks5://trader:{'hunter22' * 32}@proxy.example:1080",
        "https://proxy.example:3128",
        "http://proxy.example",
        "http://proxy.example:0",
        "http://proxy.example:70000",
        "http://:3128",
        "http://proxy.example:3128/path",
        "http://proxy.example:3128/?a=b",
        "http://proxy.example:3128#a",
        "http://proxy example:3128",
        "http://[::1:3128",
        "http://:hunter22@proxy.example:3128",
        "http://tra%3Ader:hunter22@proxy.example:3128",
        "http://trader:hunter22%0D%0AX-Evil@proxy.example:3128",
        "http://trader:hunter22@",
        "http:///hunter22",
        "hunter22",
        "",
    ],
)
def test_what_is_no_proxy_that_is_known_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"http://proxy.example:3128|%40 for @") as caught:
        parse_proxy(url)
    assert "hunter22" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_proxy_is_a_host_a_port_and_perhaps_a_login() -> None:
    assert parse_proxy("http://proxy.example:3128") == Proxy("proxy.example", 3128)
    assert parse_proxy("http://[::1]:8080/") == Proxy("::1", 8080)
    assert parse_proxy("http://[::1]:8080").url == "http://[::1]:8080"
    assert parse_proxy(WITH_LOGIN) == Proxy("proxy.example", 3128, "trader", SECRET)
    assert parse_proxy("http://10.0.0.1:3128").headers() == {}


def test_a_login_is_told_to_the_proxy_and_to_nobody_else() -> None:
    proxy = parse_proxy(WITH_LOGIN)
    token = base64.b64encode(f"trader:{SECRET}".encode()).decode()
    assert proxy.headers() == {"Proxy-Authorization": f"Basic {token}"}
    mask = SecretMask(proxy.secrets())
    for shown in (
        repr(proxy),
        str(proxy),
        f"{proxy!a}",
        proxy.name,
        proxy.url,
        proxy.refusal(407),
        masked_proxy(WITH_LOGIN),
    ):
        assert "proxy.example:3128" in shown and "trader" not in shown and "hunt" not in shown
    for text in (WITH_LOGIN, token, SECRET):
        assert "hunt" not in mask.masked(text) and token not in mask.masked(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://u:hunt@er@host:1", "http://***@host:1"),
        ("u:hunter@host", "***@host"),
        ("http://hunter@", "http://***@"),
        ("http://proxy.example:3128", "http://proxy.example:3128"),
    ],
)
def test_even_what_is_no_address_is_masked_up_to_the_last_at(url: str, shown: str) -> None:
    assert masked_proxy(url) == shown


def test_no_proxy_leads_to_this_machine() -> None:
    proxy = Proxy("proxy.example", 3128)
    assert [WayOut(proxy).proxy_for(host) for host in ("localhost", "127.0.0.1", "::1")] == [None] * 3
    assert WayOut(proxy).proxy_for("www.okx.com") is proxy
    assert WayOut().proxy_for("www.okx.com") is None


def test_a_socks_proxy_is_known_by_its_scheme() -> None:
    for scheme in ("socks5", "socks5h"):
        assert parse_proxy(f"{scheme}://trader:hunt%40r%2F22@proxy.example:1080") == Proxy(
            "proxy.example", 1080, "trader", SECRET, socks=True
        )
    assert parse_proxy("socks5://[::1]:1080").url == "socks5://[::1]:1080"


# The address that connections leave from.


@pytest.mark.parametrize(
    ("text", "bind"),
    [("", ""), ("ipv4", "ipv4"), ("192.0.2.7", "192.0.2.7"), ("2001:DB8::7", "2001:db8::7")],
)
def test_one_address_of_this_machine_or_ipv4_alone_is_left_from(text: str, bind: str) -> None:
    assert parse_bind(text) == bind


@pytest.mark.parametrize(
    "text",
    [
        "IPv4",
        "ipv6",
        "eth0",
        "localhost",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "::ffff:192.0.2.7",
        "fe80::1%eth0",
        "192.0.2.7:80",
        " ",
    ],
)
def test_what_no_connection_can_leave_from_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match='write "ipv4", or one address of this machine'):
        parse_bind(text)


@pytest.mark.parametrize(
    ("bind", "host", "leaves"),
    [
        ("", "www.okx.com", (socket.AF_UNSPEC, "")),
        ("ipv4", "www.okx.com", (socket.AF_INET, "")),
        ("192.0.2.7", "www.okx.com", (socket.AF_INET, "192.0.2.7")),
        ("2001:db8::7", "www.okx.com", (socket.AF_INET6, "2001:db8::7")),
        ("ipv4", "::1", (socket.AF_UNSPEC, "")),
        ("192.0.2.7", "127.0.0.1", (socket.AF_UNSPEC, "")),
        ("127.0.0.2", "127.0.0.1", (socket.AF_INET, "127.0.0.2")),
        ("127.0.0.2", "::1", (socket.AF_UNSPEC, "")),
        ("127.0.0.2", "www.okx.com", (socket.AF_INET, "127.0.0.2")),
    ],
)
def test_all_that_leaves_this_machine_leaves_from_that_address(bind: str, host: str, leaves: tuple[int, str]) -> None:
    assert WayOut(bind=bind).leaves_from(host) == leaves


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (WayOut(bind="192.0.2.7"), "it is no address of this machine"),
        (WayOut(Proxy("proxy.example", 1080, socks=True), "192.0.2.7"), "it is no address of this machine"),
        (WayOut(bind="127.0.0.2"), "from it www.okx.com is not reached"),
    ],
)
def test_an_address_that_is_not_this_machines_ends_a_start_with_one_line(way: WayOut, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_bind(way, ["127.0.0.1", "www.okx.com"])
    line = str(caught.value)
    assert line.startswith(f"[network] bind = '{way.bind}': {said}") and "\n" not in line
    assert line.endswith(': give one that `ip address` shows, or "ipv4"')


def test_an_address_that_nothing_leaves_from_ends_no_start() -> None:
    require_bind(WayOut(bind="192.0.2.7"), ["127.0.0.1"])
    require_bind(WayOut(Proxy("127.0.0.1", 1080, socks=True), "127.0.0.2"), ["www.okx.com"])
    require_bind(WayOut(bind="ipv4"), ["www.okx.com"])
