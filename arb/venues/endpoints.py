"""Where a venue is reached, how its connections are kept alive, and with which account.

Secrets are shown in no repr, no log and no traceback.
"""

import hashlib
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import msgspec

from arb.errors import ConfigError
from arb.market.ids import named_by_key


class OrderEntry(StrEnum):
    """How orders and cancels reach a venue."""

    REST = "rest"
    WEBSOCKET = "websocket"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """One account's key. `passphrase` is None where the venue knows none (Gate)."""

    key: str
    secret: str
    passphrase: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(fingerprint={self.fingerprint})"

    def phrase(self, venue: str) -> str:
        """Return the passphrase; raises `ConfigError` where the venue needs one and it is not given."""
        if self.passphrase is None:
            raise ConfigError(f"{venue}: the key has a passphrase, and it is not given")
        return self.passphrase

    def ccxt_config(self, venue: str) -> dict[str, Any]:
        """Return the key as ccxt's constructors take it; raises `ConfigError` when the passphrase is missing."""
        return {"apiKey": self.key, "secret": self.secret, "password": self.phrase(venue)}

    @property
    def fingerprint(self) -> str:
        """Return twelve hex digits that stand for the key without showing it."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:12]


class VenueEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of one venue. Gate has one websocket for both; its `rest` ends in `/api/v4`, the others are roots."""

    rest: str
    ws_public: str
    ws_private: str


def sandbox_access(venue: str, announced: dict[str, Any]) -> tuple[VenueEndpoint, Credentials]:
    """Return addresses and key of one venue from its part of a sandbox's first line.

    Raises `ConfigError` naming what is missing.
    """
    try:
        shared = announced.get("ws")
        endpoint = VenueEndpoint(
            rest=announced["rest"].rstrip("/"),
            ws_public=shared or announced["ws_public"],
            ws_private=shared or announced["ws_private"],
        )
        credentials = Credentials(
            key=announced["key"], secret=announced["secret"], passphrase=announced.get("passphrase")
        )
    except KeyError as error:
        raise ConfigError(f"{venue}: the sandbox's first line does not state {error.args[0]!r}") from error
    return endpoint, credentials


def account_id(venue: str, credentials: Credentials, sandbox_id: str | None = None) -> str:
    """Return an account's name as far as it is known before its venue was asked: by its key (`arb.market.ids`)."""
    return named_by_key(venue, credentials.fingerprint, sandbox_id)


Address = Callable[[], Awaitable[str]]
"""Returns the address of the next connection. Most are fixed; some venues hand out one per connection, with a token in it."""


class ConnectionTiming(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection is kept alive, in seconds. `send_gap_s`: the least time between two messages of ours.

    `lifetime_s`: after how long the venue ends every connection; 0 where it documents no such limit.
    """

    connect_timeout_s: float = 10.0
    heartbeat_s: float = 5.0
    silence_s: float = 20.0
    send_gap_s: float = 0.0
    lifetime_s: float = 0.0


def fixed(url: str) -> Address:
    """Return the address of a connection that always leads to `url`."""

    async def address() -> str:
        return url

    return address
