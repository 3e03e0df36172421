"""One still sandbox in its own process, and the stock clients in front of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.contract.stock_clients import SYMBOL, VENUES, Client, rest_client

Levels = list[list[str]]
JSON_BODY = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: its first line, and its admin."""

    info: dict[str, Any]

    def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the admin and return its JSON."""
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.info["admin"] + path, data, JSON_BODY, method=method), timeout=60) as answer:
            return json.load(answer)

    def refill(self, venue: str) -> None:
        """Give the account at a venue back what tests before this one have spent: all share it."""
        part = self.admin("GET", "/ledger")[venue]
        for asset in SYMBOL.split("/"):
            initial = part["initial_balances"][asset]
            if Decimal(part["balances"][asset]["free"]) < Decimal(initial) / 2:
                self.admin("POST", "/balance", {"venue": venue, "asset": asset, "free": initial})


@dataclass(frozen=True)
class StockVenue:
    """A synchronous stock client of one venue, and the sandbox's truth about that venue."""

    venue: str
    client: Client
    sandbox: Sandbox

    def set_book(self, bids: Levels, asks: Levels) -> None:
        """Replace both sides of the book."""
        self.sandbox.admin("POST", "/book", {"venue": self.venue, "symbol": SYMBOL, "bids": bids, "asks": asks})

    def ledger(self) -> dict[str, Any]:
        """Return the venue's part of the ledger."""
        part: dict[str, Any] = self.sandbox.admin("GET", "/ledger")[self.venue]
        return part

    def order(self, order_id: str) -> dict[str, Any]:
        """Return one order as the ledger has it."""
        [found] = [order for order in self.ledger()["orders"] if order["id"] == order_id]
        return dict(found)

    def fills_of(self, order_id: str) -> list[dict[str, Any]]:
        """Return the fills of one order as the ledger has them."""
        return [fill for fill in self.ledger()["fills"] if fill["order_id"] == order_id]


@contextmanager
def still_sandbox(seed: int, venues: tuple[str, ...] = VENUES) -> Iterator[Sandbox]:
    """Start a sandbox of these venues, with books that stand still; it ends when its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "arb.sandbox", "--static", "--child", "--seed", str(seed), "--venues", ",".join(venues)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Sandbox(json.loads(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Start the sandbox that all tests here share."""
    with still_sandbox(seed=11) as running:
        yield running


@pytest.fixture(scope="session")
def stock_venues(sandbox: Sandbox) -> Iterator[dict[str, StockVenue]]:
    """Return one synchronous stock client per venue, its markets loaded."""
    found = {venue: StockVenue(venue, rest_client(venue, sandbox.info), sandbox) for venue in VENUES}
    for stock_venue in found.values():
        stock_venue.client.load_markets()
    yield found
    for stock_venue in found.values():
        stock_venue.client.close()
