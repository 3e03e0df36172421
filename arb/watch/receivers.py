"""The receivers of messages: `apprise` sends to them, each in a thread of its own, so that none waits for another.

Their addresses hold secrets, so they are masked, and a receiver is shown by its number and its kind: `2 tgram`.
"""

import hashlib
import logging
import queue
import random
import re
import threading
from collections.abc import Iterator
from urllib.parse import unquote

import apprise

from arb.clock import NS_PER_S
from arb.config.keys import ALERT_URLS, WAKE_URLS, KeyPlaces, Place
from arb.errors import ConfigError
from arb.masking import SECRETS, clean
from arb.venues.transport.retry import Backoff, Trouble, next_delay_s
from arb.watch.due import MINUTE_NS, Message

AGAIN = Backoff(first_s=2.0, cap_s=60.0, attempts_max=None, total_s=None)
TIMEOUT_S = 20.0
"""How long a receiver may take before the message counts as failed."""
FAILS = 2
"""After so many failures in a row a receiver is reported to the others."""
WORD_MAX = 16
"""A part of an address with as many characters, or with a digit or a capital, is no plain word."""
NO_ADDRESS = "its address is none that apprise reads: correct it (https://appriseit.com/services)"
SILENT = f"it did not take the message within {TIMEOUT_S:.0f} s: check its server"


class Receiver:
    """One address. `second`: it gets only alerts that wake, after a while without acknowledgement."""

    def __init__(self, number: int, url: str, rng: random.Random, *, second: bool) -> None:
        scheme = re.match(r"[a-z][a-z0-9]{0,15}(?=://)", url)
        self.name = f"{number} {scheme[0] if scheme else 'unknown'}"
        self.id = hashlib.blake2b(url.encode(), digest_size=6).hexdigest()
        self.second = second
        self.trouble = ""
        self.failures = self.taken = 0
        self._rng = rng
        self._address = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(service_timeout=0))
        self._free_ns = 0
        self._under_way = False
        self._sending: threading.Thread | None = None
        self._delivered_ns: list[int] = []
        self._outcomes: queue.SimpleQueue[tuple[Message, int, str]] = queue.SimpleQueue()

    def lately(self, now_ns: int) -> int:
        """Return how many messages it took within the last minute."""
        self._delivered_ns = [ns for ns in self._delivered_ns if now_ns - ns < MINUTE_NS]
        return len(self._delivered_ns)

    def is_free(self, now_ns: int) -> bool:
        return not self._under_way and now_ns >= self._free_ns

    def post(self, message: Message, now_ns: int) -> None:
        """Send a message in a thread; its outcome is among `outcomes` later."""
        self._under_way = True

        def deliver() -> None:
            self._outcomes.put((message, now_ns, self.deliver(message.title, message.text)))

        threading.Thread(target=deliver, daemon=True).start()

    def deliver(self, title: str, text: str) -> str:
        """Send a message and wait, `TIMEOUT_S` at most; return the fault and its remedy, "" for none.

        The bound is ours: the library's own takes a pool, whose threads hold up the end of the process while one hangs.
        """
        if self._address is None:
            return NO_ADDRESS
        if self._sending is not None and self._sending.is_alive():
            return SILENT  # an earlier one hangs still
        fault: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._sending = threading.Thread(target=lambda: fault.put(self._send(title, text)), daemon=True)
        self._sending.start()
        try:
            return fault.get(timeout=TIMEOUT_S)
        except queue.Empty:
            return SILENT

    def _send(self, title: str, text: str) -> str:
        sender = apprise.Apprise(self._address)
        try:
            result = sender.notify(text, title=title, body_format=apprise.NotifyFormat.TEXT)
        except Exception as error:  # the library's plug-ins are many, and not ours
            return clean(f"{type(error).__name__}: {error}", 300)
        if result:
            return ""
        faults = [entry.message for entry in result.logs() if entry.level not in ("DEBUG", "INFO", "TRACE")]
        return clean(" ".join(faults) or SILENT, 300)

    def delivered(self, now_ns: int) -> Iterator[Message]:
        """Yield the messages that arrived since the last call; a failed one delays the next."""
        while True:
            try:
                message, posted_ns, self.trouble = self._outcomes.get_nowait()
            except queue.Empty:
                return
            self._under_way = False
            if self.trouble:
                self.failures += 1
                delay_s = next_delay_s(AGAIN, self.failures, Trouble.UNREACHABLE, 0.0, self._rng)
                self._free_ns = now_ns + int((delay_s or AGAIN.cap_s) * NS_PER_S)
            else:
                self.failures, self.taken = 0, self.taken + 1
                self._delivered_ns.append(posted_ns)
                yield message


def receivers_of(places: KeyPlaces, rng: random.Random) -> list[Receiver]:
    """Return the receivers of `ARB_ALERT_URLS`, then those of `ARB_WAKE_URLS`; raises `ConfigError` where there is none."""
    _quiet_library()
    found: list[Receiver] = []
    for name in (ALERT_URLS, WAKE_URLS):
        values = next((values for place in Place if (values := places.values(place, [name]))), {})
        for url in values.get(name, "").split():
            SECRETS.hide(secrets_of(url))
            found.append(Receiver(len(found) + 1, url, rng, second=name == WAKE_URLS))
    if not any(not receiver.second for receiver in found):
        raise ConfigError(
            f"no receiver of alerts: set {ALERT_URLS} in the environment, in {places.file} (chmod 600) or in the keyring,"
            " for example json://127.0.0.1:8080/alerts (docs/WATCH.md)"
        )
    return found


def read_addresses(text: str) -> str:
    """Return addresses separated by one space; raises `ConfigError` for one that is no address, by its number."""
    _quiet_library()
    urls = text.split()
    SECRETS.hide(secret for url in urls for secret in secrets_of(url))
    for number, url in enumerate(urls, start=1):
        if apprise.Apprise.instantiate(url) is None:
            raise ConfigError(f"receiver {number}: {NO_ADDRESS}")
    return " ".join(urls)


def _quiet_library() -> None:
    """Keep the library's log lines back: each fault is in its receiver's outcome."""
    library = logging.getLogger("apprise")
    library.propagate, library.level = False, logging.WARNING


def secrets_of(url: str) -> set[str]:
    """Return the parts of a receiver's address that may be secrets; a host with a dot, and plain words, are none.

    Services have tokens at any place: as user, as host, in the path. To mask a path such as `/alerts` would mask the word.
    """
    authority, _, rest = url.partition("://")[2].partition("/")
    login, _, host = authority.rpartition("@")
    user, _, password = login.partition(":")
    parts = {user, *re.split(r"[:/?&=]+", rest), *([] if "." in host else re.split(":", host))}
    tokens = {part for part in parts if len(part) >= WORD_MAX or re.search(r"[0-9A-Z%]", part)}
    found = {url, password, *tokens}
    return found | {unquote(part) for part in found}
