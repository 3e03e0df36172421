"""Where a venue is reached, and with which account.

Secrets are shown in no repr, no log and no traceback.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from arb.errors import ConfigError
from arb.market.ids import named_by_key
from arb.venues.transport.address import host_of


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
        """Return twelve hex digits that identify the key without showing it."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:12]


class VenueEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of one venue. Gate has one websocket for both; its `rest` ends in `/api/v4`, the others are roots."""

    rest: str
    ws_public: str
    ws_private: str


class Environment(StrEnum):
    """Which environment of a venue is meant: real money, a test network with its own coins, or a demo on real prices."""

    PRODUCTION = "production"
    TESTNET = "testnet"
    DEMO = "demo"


GLOBAL = "global"
"""The region of customers of none of a venue's regional companies; every venue has it."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where one environment of a venue is reached by the customers of one region, the legal entity's.

    `headers` go with every REST request and every websocket's handshake: a demo that shares its host with production is
    distinguished by them. `hosts` are all that a key may be sent to; by default those of the addresses that it is meant for.
    `channel`: by which of the venue's channels it sends books, where that is not the venue's usual one.
    """

    environment: Environment
    endpoint: VenueEndpoint
    region: str = GLOBAL
    headers: Mapping[str, str] = {}
    hosts: tuple[str, ...] = ()
    channel: str = ""

    def __post_init__(self) -> None:
        if not self.hosts:
            carrying = (self.endpoint.rest, self.endpoint.ws_private)
            msgspec.structs.force_setattr(self, "hosts", tuple(dict.fromkeys(map(host_of, carrying))))


def sandbox_access(venue: str, announced: dict[str, Any]) -> tuple[Site, Credentials]:
    """Return site and key of one venue from its part of a sandbox's first line; its coins are its own, as a test
    network's.

    Raises `ConfigError` naming the missing member.
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
    return Site(environment=Environment.TESTNET, endpoint=endpoint), credentials


def account_id(venue: str, credentials: Credentials, sandbox_id: str | None = None) -> str:
    """Return an account's name as far as it is known before its venue was asked: by its key (`arb.market.ids`)."""
    return named_by_key(venue, credentials.fingerprint, sandbox_id)
