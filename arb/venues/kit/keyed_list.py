"""The currency list of a venue that shows it only to a key, asked for with a key that is used for nothing else.

ccxt's own `sign` signs the requests, and only those that the venue's spec names (`CurrencyKey`): no order, no cancel,
no query of a balance. A key that may withdraw, or move funds otherwise, is not used at all.
"""

import importlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import ccxt

from arb.clock import NS_PER_MS, Clock
from arb.core.messages.events import CurrenciesListed
from arb.errors import VenueAuthError, VenueError
from arb.venues.kit.call import Call, RequestError
from arb.venues.kit.dialect import KeyedDialect, KeyFacts
from arb.venues.kit.endpoints import Credentials, Site
from arb.venues.kit.public_reader import PublicReader
from arb.venues.kit.request_maker import VenueTime
from arb.venues.kit.rules.guard import SigningGuard
from arb.venues.kit.rules.key_rights import list_key_refusals, may_more, reported_key
from arb.venues.kit.rules.key_trouble import diagnosed
from arb.venues.kit.spec import CurrencyKey
from arb.venues.transport.http import HttpTransport
from arb.venues.transport.request import HttpRequest

# ccxt logs the headers of every request, key and signature included, at DEBUG.
Answer = TypeVar("Answer")
_LOG = logging.getLogger(__name__)
_LOGGER = logging.getLogger("arb.venues.ccxt")


class ListClient(VenueTime):
    """Writes the requests for a currency list on the venue's time, and no other request."""

    def __init__(
        self, clock: Clock, site: Site, credentials: Credentials, guard: SigningGuard, asked: CurrencyKey
    ) -> None:
        self.wall_clock = clock
        self.server_offset_ns = 0
        self._guard = guard
        self._questions = asked.questions
        self._headers: Mapping[str, str] = site.headers
        # The package's classes are only loaded for the venue that is asked (`ccxt_packages`).
        make: Callable[[dict[str, Any]], Any] = getattr(importlib.import_module("ccxt.async_support"), guard.venue)
        key = {"apiKey": credentials.key, "secret": credentials.secret, "password": credentials.passphrase}
        self._exchange = make({**key, "enableRateLimit": False, "logger": _LOGGER})
        self._exchange.urls["api"] = {name: site.endpoint.rest + path for name, path in asked.roots.items()}
        self._exchange.nonce = lambda: self.server_now_ns() // NS_PER_MS

    def signed(self, call: Call) -> HttpRequest:
        """Return the request of one of the questions; raises `SigningRefused` for anything else.

        Raises `RequestError` where ccxt cannot write it.
        """
        api = call.api[0]
        if call.method != "GET" or call.items or (api, call.path) not in self._questions:
            raise self._guard.refuse_endpoint(call.method, call.path)
        try:
            made = self._exchange.sign(call.path, [api], "GET", dict(call.params))
        except ccxt.BaseError as error:
            raise RequestError(f"GET {call.path}: {error}") from error
        self._guard.check_host(made["url"])
        return HttpRequest("GET", made["url"], {**self._headers, **(made["headers"] or {})})

    async def close(self) -> None:
        """Do nothing: ccxt's own sockets are never opened."""


class KeyedList:
    def __init__(self, dialect: KeyedDialect, reader: PublicReader, transport: HttpTransport, site: Site) -> None:
        self._dialect = dialect
        self._reader = reader
        self._transport = transport
        self._site = site
        self._facts: KeyFacts | None = None

    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:
        """Return the rows of `assets`; raises `VenueError`, in one line the problem of the key and the remedy."""
        await self._explaining(self._reader.measure_clock())
        if self._facts is None:
            await self._check_key()
        return await self._explaining(self._reader.currencies(assets))

    async def _check_key(self) -> None:
        """Raise `VenueAuthError` for a key that may withdraw or move funds, and `VenueError` where its rights are not read."""
        facts = await self._explaining(reported_key(self._dialect, self._reader.body_of))
        if found := list_key_refusals(facts):
            raise VenueAuthError(self._dialect.venue, "; ".join(text for _, text in found), code=found[0][0])
        self._facts = facts
        if (warning := self.warning()) is not None:
            _LOG.warning("%s", warning)

    def warning(self) -> str | None:
        """Return the rights that the key does not need; None for none, or before it was used."""
        more = None if self._facts is None else may_more(self._facts)
        return None if more is None else f"{self._dialect.venue}: {more}"

    async def _explaining(self, asking: Coroutine[Any, Any, Answer]) -> Answer:
        """Return the answer; raises `VenueError`, which names the problem of the key where the venue's code does."""
        try:
            return await asking
        except VenueError as error:
            named = self._dialect.policy.key_troubles.get(error.code or "")
            if named is None:
                raise
            diagnosis = diagnosed(error, self._site, named)
            raise type(error)(error.venue, f"{diagnosis.found}: {diagnosis.remedy}", code=error.code) from error

    async def close(self) -> None:
        await self._transport.close()
