"""Receivers: real servers take messages, refuse them or hang; and no address is shown."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apprise
import pytest
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.telegram import NotifyTelegram

from arb.config.keyring import SystemKeyring
from arb.config.keys import KeyPlaces
from arb.errors import ConfigError
from arb.masking import SECRETS, SecretMask
from arb.watch import receivers
from arb.watch.receivers import Receiver, receivers_of, secrets_of
from tests.unit.watch.receiving import MailServer, WebServer, web_server

TOKEN = "123456789:AAHq-7gT3kQm2rX9vLpZ0sWdEfYbNcUiOjK"


def no_backend() -> object:
    raise RuntimeError("no keyring here")


def places(folder: Path, **variables: str) -> KeyPlaces:
    return KeyPlaces(variables, folder, SystemKeyring(no_backend))  # type: ignore[arg-type]


def delivered(url: str, title: str = "halted", text: str = "12:00 UTC: <asked> *lunch*\nMoney: none.") -> str:
    return Receiver(1, url, random.Random(1), second=False).deliver(title, text)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def test_a_webhook_gets_title_and_text_unchanged(web: WebServer) -> None:
    assert delivered(web.url) == ""
    [(path, body)] = web.taken
    assert (path, body["title"]) == ("/alerts", "halted")
    assert body["message"] == "12:00 UTC: <asked> *lunch*\nMoney: none."


def test_mail_arrives_by_smtp() -> None:
    with closing(MailServer()) as server:
        assert (
            delivered(f"mailto://127.0.0.1:{server.port}/?from=arb@example.com&to=ann@example.com&mode=insecure") == ""
        )
        [(subject, text)] = server.mails
    assert subject == "halted" and "<asked> *lunch*" in text.replace("&lt;", "<").replace("&gt;", ">")


def test_telegram_and_discord_get_it_by_their_apis(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{web.port}/bot")
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://127.0.0.1:{web.port}/api/webhooks")
    web.answer = b'{"ok": true, "result": {"message_id": 1}}'
    assert delivered(f"tgram://{TOKEN}/4711") == ""
    web.status = 204  # as Discord answers
    assert delivered("discord://1234567890/w3bhookT0ken-x") == ""
    (telegram, sent), (discord, content) = web.taken
    assert telegram == f"/bot{TOKEN}/sendMessage" and str(sent["chat_id"]) == "4711" and "halted" in sent["text"]
    assert discord.startswith("/api/webhooks/1234567890/w3bhookT0ken-x") and "halted" in str(content)


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_a_refusal_is_a_fault_with_its_status(web: WebServer, status: int) -> None:
    web.status = status
    assert str(status) in delivered(web.url)


def test_one_that_is_not_there_is_a_fault() -> None:
    assert "onnection error" in delivered("json://127.0.0.1:1/alerts")


def test_one_that_hangs_is_a_fault_after_its_time_is_over(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "TIMEOUT_S", 0.5)
    web.status = 0
    assert "within" in delivered(web.url)


@pytest.mark.parametrize("url", ["jsn://127.0.0.1/x", "json://", "no address", "tgram://short"])
def test_an_address_that_none_can_read_is_a_fault_that_names_the_remedy(url: str) -> None:
    assert delivered(url).startswith("its address is none that apprise reads")


def test_the_first_place_that_has_addresses_gives_them_and_the_second_kind_is_for_wake_alerts(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ARB_ALERT_URLS=json://file.example\nARB_WAKE_URLS='json://a.example  tgram://b'\n")
    (tmp_path / ".env").chmod(0o600)
    found = receivers_of(places(tmp_path, ARB_ALERT_URLS="jsons://127.0.0.1/x"), random.Random(1))
    assert [(each.name, each.second) for each in found] == [("1 jsons", False), ("2 json", True), ("3 tgram", True)]


def test_without_an_address_the_complaint_names_the_places(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"ARB_ALERT_URLS in the environment, in .*\.env \(chmod 600\) or in the keyring"
    ):
        receivers_of(places(tmp_path, ARB_WAKE_URLS="json://a.example"), random.Random(1))


@pytest.mark.parametrize(
    ("url", "secret", "plain"),
    [
        (f"tgram://{TOKEN}/4711", TOKEN, "tgram"),
        ("discord://1234567890/w3bhookT0ken-x", "w3bhookT0ken-x", "discord"),
        ("mailto://ann:correcthorse@mail.example.com", "correcthorse", "mail.example.com"),
        ("mailto://ann:correct%20horse@mail.example.com", "correct horse", "example.com"),
        ("json://127.0.0.1:8080/alerts/5d1e7f0a9b3c", "5d1e7f0a9b3c", "127.0.0.1 alerts"),
        ("ntfys://ntfy.sh/topic-of-my-own-machine", "topic-of-my-own-machine", "ntfy.sh"),
    ],
)
def test_the_secret_parts_of_an_address_are_masked_and_words_are_not(url: str, secret: str, plain: str) -> None:
    mask = SecretMask(secrets_of(url))
    assert secret not in mask.masked(f"GET /{secret} failed") and url not in mask.masked(url)
    assert mask.masked(plain) == plain


def test_a_fault_shows_no_secret_of_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "json://127.0.0.1:1/alerts/5d1e7f0a9b3c"
    [receiver] = receivers_of(places(tmp_path, ARB_ALERT_URLS=url), random.Random(1))

    def raising(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot reach {url}")

    monkeypatch.setattr(apprise.Apprise, "notify", raising)
    fault = receiver.deliver("halted", "text")
    assert fault == "RuntimeError: cannot reach ***" and SECRETS.masked(url) == "***"
