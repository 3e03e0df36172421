"""The sandbox's admin: the truth for judges, and the controls of books, balances and faults. Pure, no sockets."""

import json
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from arb.clock import NS_PER_MS, NS_PER_S
from arb.errors import ConfigError
from arb.sandbox.bills import Bill
from arb.sandbox.exact import parse, plain, units_exact
from arb.sandbox.faults import KINDS, STATE, WHERE, Fault, Param
from arb.sandbox.holder import changed, shown
from arb.sandbox.profiles import with_another_key
from arb.sandbox.registry import SPECS
from arb.sandbox.values import SimFill, SimOrder
from arb.sandbox.venue import RequestRecord, SimVenue
from arb.sandbox.wire import NESTING_MAX, is_shallow
from arb.sandbox.world import SimWorld

Json = dict[str, object]
_LOOPBACK = re.compile(r"(?:127(?:\.[0-9]{1,3}){3}|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)


class AdminError(Exception):
    """A bad admin request: one line with the problem."""


def refusal(method: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
    """Return (status, reason) for a request that a web page in a browser may have made; None for any other.

    Names in `headers` are in lower case. A page whose host name resolves to this machine sends that name as Host, and a
    page of another server sends its own Origin. Neither can send a JSON body without asking this server first.
    """
    host, origin = headers.get("host", ""), headers.get("origin")
    if not _LOOPBACK.fullmatch(host):
        return 403, f"host: {host[:100]!r} is no loopback address"
    if origin is not None and origin.lower() != f"http://{host}".lower():
        return 403, f"origin: {origin[:100]!r} is not this server"
    if (
        method not in ("GET", "DELETE")
        and headers.get("content-type", "").partition(";")[0].strip().lower() != JSON_TYPE
    ):
        return 415, f"content-type: a body here is {JSON_TYPE}"
    return None


JSON_TYPE = "application/json"


class Admin:
    """Answer `/admin/...` for a world. `first_line` is the body of `GET /venues`."""

    def __init__(self, world: SimWorld, first_line: Json) -> None:
        self.world = world
        self.first_line = first_line
        self._fault_count = 0
        self._key_count = 0

    def handle(self, method: str, path: str, body: bytes, now_ns: int) -> tuple[int, Json]:
        """Return (status, content) for a request to `path` below `/admin`; runs the world up to `now_ns` first."""
        self.world.scheduler.run_until(now_ns)
        try:
            match (method, path.rstrip("/")):
                case ("GET", "/venues"):
                    return 200, self.first_line
                case ("GET", "/ledger"):
                    return 200, {name: _ledger(venue) for name, venue in self.world.venues.items()}
                case ("GET", "/ceiling"):
                    totals = self.world.ceiling.totals()
                    return 200, {"ceiling_net": {quote: plain(net) for quote, net in totals.items()}}
                case ("GET", "/faults"):
                    return 200, self._faults()
                case ("DELETE", "/faults"):
                    return 200, self._delete_faults()
                case ("POST", "/book"):
                    return 200, self._post_book(_object(body))
                case ("POST", "/balance"):
                    return 200, self._post_balance(_object(body))
                case ("POST", "/account"):
                    return 200, self._post_account(_object(body))
                case ("POST", "/key"):
                    return 200, self._post_key(_object(body))
                case ("POST", "/fault"):
                    return 200, self.post_fault(_object(body))
            return 404, {"error": f"no admin endpoint {method} {path}"}
        except AdminError as error:
            return 400, {"error": str(error)}

    # -- books and balances ----------------------------------------------------------------------------------------

    def _post_book(self, body: Json) -> Json:
        venue, symbol = self._venue(body), str(body.get("symbol", ""))
        if symbol not in venue.exchange.markets:
            raise AdminError(f"symbol: {symbol!r} is not traded at {venue.name}")
        bids, asks = _levels(venue, symbol, body, "bids"), _levels(venue, symbol, body, "asks")
        venue.exchange.replace_book(symbol, bids, asks, venue.now_ns)
        self.world.ceiling.observe(symbol)
        return {"update_id": venue.exchange.markets[symbol].book.update_id}

    def _post_balance(self, body: Json) -> Json:
        venue, asset = self._venue(body), str(body.get("asset", ""))
        free = parse(body.get("free"))
        if not asset or free is None or free < 0:
            raise AdminError("asset and a free amount >= 0 are needed")
        if body.get("hidden") is True:
            # A change that no history of the venue shows, such as a fee taken in silence.
            amount = venue.exchange.account.adjust(asset, free)
            return {"ts_ms": venue.now_ns // NS_PER_MS, "asset": asset, "amount": plain(amount)}
        booked = venue.exchange.transfer(asset, free, venue.now_ns)
        return {"ts_ms": booked.ns // NS_PER_MS, "asset": asset, "amount": plain(booked.amount)}

    def _post_account(self, body: Json) -> Json:
        """Change the holder's choices at the venue: the account's mode, the key's rights, and the like; all else stays."""
        venue = self._venue(body)
        exchange, modes = venue.exchange, venue.exchange.profile.account_modes
        wanted = {name: value for name, value in body.items() if name != "venue"}
        mode = str(wanted.pop("mode", exchange.account_mode))
        if mode != exchange.account_mode and mode not in modes:
            raise AdminError(f"mode: {mode[:40]!r} is none of {venue.name}: {', '.join(modes)}")
        try:
            chosen = changed(venue.name, exchange.holder, wanted)
        except ValueError as error:
            raise AdminError(str(error)) from None
        if mode != exchange.account_mode:
            for session in list(venue.sessions.values()):
                if session.path.rstrip("/").endswith("/private"):
                    venue.cut_session(session)
        exchange.holder, exchange.account_mode = chosen, mode
        return {"mode": mode} | shown(chosen)

    def _post_key(self, body: Json) -> Json:
        """Give a venue's account another key and revoke the one before; sessions that are logged in stay logged in.

        With `public_key` (PEM, Ed25519, Binance only) its holder signs with the private half, and there is no secret.
        """
        venue = self._venue(body)
        self._key_count += 1
        rng = random.Random(f"{self.world.sandbox_id}/{venue.name}/key {self._key_count}")
        public_key = str(body.get("public_key") or "")
        if public_key and not SPECS[venue.name].takes_public_key:
            raise AdminError(f"public_key: {venue.name} takes none")
        profile = with_another_key(venue.exchange.profile, rng)
        profile = venue.exchange.profile = replace(profile, public_key=public_key)
        given: Json = {"key": profile.key, "secret": profile.secret}
        if SPECS[venue.name].has_passphrase:
            given["passphrase"] = profile.passphrase
        announced = self.first_line["venues"]
        assert isinstance(announced, dict)
        announced[venue.name].update(given)
        return given

    def _venue(self, body: Json) -> SimVenue:
        name = str(body.get("venue", ""))
        venue = self.world.venues.get(name)
        if venue is None:
            raise AdminError(f"venue: {name!r} is none of {', '.join(self.world.venues)}")
        return venue

    # -- faults ----------------------------------------------------------------------------------------------------

    def post_fault(self, body: Json) -> Json:
        """Start a fault at a venue; raises `AdminError` when it is malformed."""
        venue = self._venue(body)
        fault = self._read_fault(body)
        if not venue.disturbance.possible(fault.name, fault.param):
            return {"id": None, "applied": False}
        if fault.symbol is not None and fault.symbol not in venue.exchange.markets:
            return {"id": None, "applied": False}
        venue.board.add(fault)
        venue.disturbance.begin(fault)
        return {"id": fault.id, "applied": True}

    def check_fault(self, body: Json, number: int) -> None:
        """Judge a fault of a file without starting it; raises `ConfigError`."""
        try:
            self._venue(body)
            self._read_fault(body)
        except AdminError as error:
            raise ConfigError(f"fault {number}: {error}") from error

    def _read_fault(self, body: Json) -> Fault:
        name = str(body.get("fault", ""))
        kind = KINDS.get(name)
        if kind is None:
            raise AdminError(f"fault: {name!r} is unknown; GET /admin/faults lists the names")
        on = str(body.get("on") or kind.on)
        if on not in WHERE:
            raise AdminError(f"on: {on!r} is none of {', '.join(WHERE)}")
        count, seconds = parse(body.get("count")), parse(body.get("seconds"))
        if (count is not None and count < 1) or (seconds is not None and seconds <= 0):
            raise AdminError("count is at least 1, seconds above 0")
        if count is None and seconds is None and kind.scope != STATE:
            count = Decimal(1)
        given = body.get("param")
        param: Param = given if isinstance(given, str | int | float | bool) else kind.param
        self._fault_count += 1
        symbol = body.get("symbol")
        return Fault(
            id=self._fault_count,
            name=name,
            kind=kind,
            on=on,
            symbol=str(symbol) if symbol else None,
            count=None if count is None else int(count),
            until_ns=None if seconds is None else self.world.scheduler.now_ns + int(seconds * NS_PER_S),
            param=param,
        )

    def _faults(self) -> Json:
        active: list[Json] = []
        for venue in self.world.venues.values():
            venue.sweep()
            now_ns = self.world.scheduler.now_ns
            active.extend(_fault_row(venue.name, f, f.left(now_ns)) for f in venue.board.active)
        ended = [_fault_row(venue.name, f, 0) for venue in self.world.venues.values() for f in venue.board.ended]
        return {"names": {name: kind.param for name, kind in KINDS.items()}, "active": active, "ended": ended}

    def _delete_faults(self) -> Json:
        deleted = 0
        for venue in self.world.venues.values():
            for fault in venue.board.active:
                fault.ended = True
                deleted += 1
            venue.sweep()
        return {"deleted": deleted}


def _fault_row(venue: str, fault: Fault, left: int | float | None) -> Json:
    return {"id": fault.id, "venue": venue, "fault": fault.name, "left": left, "hits": fault.hits}


def _object(body: bytes) -> Json:
    if not is_shallow(body):
        raise AdminError(f"the body nests deeper than {NESTING_MAX}")
    try:
        content = json.loads(body)
    except ValueError:
        raise AdminError("the body is no JSON") from None
    if not isinstance(content, dict):
        raise AdminError("the body is no JSON object")
    return content


def _levels(venue: SimVenue, symbol: str, body: Json, name: str) -> list[tuple[int, int]]:
    rows, rules = body.get(name), venue.exchange.instruments[symbol]
    if not isinstance(rows, list):
        raise AdminError(f"{name}: a list of [price, size] is needed")
    levels: list[tuple[int, int]] = []
    for row in rows:
        price, size = (parse(row[0]), parse(row[1])) if isinstance(row, list) and len(row) == 2 else (None, None)
        ticks = None if price is None else units_exact(price, rules.tick)
        lots = None if size is None else units_exact(size, rules.lot)
        if not ticks or not lots or ticks < 0 or lots < 0:
            raise AdminError(f"{name}: {row!r} is no level above 0 of tick {plain(rules.tick)}, lot {plain(rules.lot)}")
        levels.append((ticks, lots))
    return levels


def _ledger(venue: SimVenue) -> Json:
    exchange = venue.exchange
    return {
        "initial_balances": {asset: plain(amount) for asset, amount in exchange.account.initial.items()},
        "balances": {
            asset: {"free": plain(balance.free), "locked": plain(balance.locked)}
            for asset, balance in exchange.account.balances.items()
        },
        "transfers": [
            {"ts_ms": t.ns // NS_PER_MS, "asset": t.asset, "amount": plain(t.amount)}
            for t in exchange.account.transfers
        ],
        "bills": [_bill_row(bill) for bill in exchange.bills.rows],
        "orders": [_order_row(order) for order in exchange.orders.values()],
        "fills": [_fill_row(fill) for fill in exchange.fills],
        "requests": [_request_row(record) for record in venue.records],
    }


def _bill_row(bill: Bill) -> Json:
    return {
        "id": str(bill.id),
        "ts_ms": bill.ns // NS_PER_MS,
        "kind": bill.kind,
        "asset": bill.asset,
        "amount": plain(bill.amount),
        "fee": plain(bill.fee),
        "balance": plain(bill.balance),
    }


def _order_row(order: SimOrder) -> Json:
    by_quote = order.request.quote_size is not None
    return {
        "id": str(order.id),
        "client_id": order.client_id,
        "symbol": order.symbol,
        "side": order.side,
        "price": None if order.request.price is None else plain(order.request.price),
        "size": plain(order.filled if by_quote else order.request.size or Decimal(0)),
        "filled": plain(order.filled),
        "status": order.status,
        "fee": plain(order.fee),
        "fee_currency": order.fee_currency or None,
        "reject": order.reject or None,
    }


def _fill_row(fill: SimFill) -> Json:
    return {
        "trade_id": str(fill.trade_id),
        "order_id": str(fill.order_id),
        "client_id": fill.client_id,
        "symbol": fill.symbol,
        "side": fill.side,
        "price": plain(fill.price),
        "size": plain(fill.size),
        "fee": plain(fill.fee),
        "fee_currency": fill.fee_currency,
        "ts_ms": fill.ns // NS_PER_MS,
    }


def _request_row(record: RequestRecord) -> Json:
    return {
        "ts_ms": record.ns // NS_PER_MS,
        "kind": record.kind,
        "client_id": record.client_id,
        "http_status": record.http_status,
        "applied": record.applied,
        "over": record.over,
    }
