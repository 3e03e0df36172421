"""The address of a proxy: what it may be, and that its login is shown nowhere."""

import base64

import pytest

from arb.masking import SecretMask
from arb.venues.transport.proxy import Proxy, masked_proxy, parse_proxy, proxy_for

SECRET = "hunt@r/22"
WITH_LOGIN = "http://trader:hunt%40r%2F22@proxy.example:3128"


@pytest.mark.parametrize(
    "url",
    [
        "proxy.example:3128",
        "socks5://proxy.example:1080",
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
    assert [proxy_for(proxy, host) for host in ("localhost", "127.0.0.1", "::1")] == [None] * 3
    assert proxy_for(proxy, "www.okx.com") is proxy
    assert proxy_for(None, "www.okx.com") is None
