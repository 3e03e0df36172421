"""Symbols added to and dropped from a run, as chosen outside (`SymbolsChosen`).

A dropped symbol is watched no more: its books go, its rules stay known. It is not dropped while anything of ours depends on
its books: a pair, an unsettled order, held base, or fees paid in it. An added symbol is like any other: nothing opens in it
before its rules, fees and identities allow it and its books are fresh.
"""

from collections.abc import Iterable

from arb.core.messages.events import SymbolsChosen
from arb.core.messages.incidents import IncidentKind, Severity, some
from arb.core.state.blocks import Source
from arb.core.state.engine_state import EngineState
from arb.core.trades.opening import TradeManager
from arb.core.universe.listings import Listings, add_book
from arb.market.instrument import Instrument
from arb.market.numbers import ZERO, plain
from arb.market.symbol import Symbol


class ChosenSymbols:
    def __init__(self, state: EngineState, manager: TradeManager, listings: Listings) -> None:
        self._state = state
        self._manager = manager
        self._listings = listings

    def holding(self, symbol: str) -> str | None:
        state = self._state
        if any(pair.plan.symbol == symbol for pair in self._manager.unfinished):
            return "a pair is open"
        if any(block.name == symbol for block in state.blocks.of(Source.LOST, Source.FROZEN)):
            return "an order is not settled"
        if symbol in state.residuals.dust_symbols() or symbol in state.residuals.carried_symbols():
            return "base of earlier pairs remains"
        base, quote = Symbol.of(symbol).base_and_quote
        if any(instrument.fee_asset == base for instrument in state.instruments.values()):
            return f"fees are paid in {base}"
        held = sum((max(ZERO, state.inventory.totals(venue).get(base, ZERO)) for venue in state.venues), ZERO)
        if not held:
            return None
        price = state.quote_value(base, quote)
        if price is None or held * price > state.limits.dust_max_quote:
            return f"{plain(held)} {base} is held"
        return None

    def on_chosen(self, event: SymbolsChosen) -> None:
        kept, dropped = {}, []
        for symbol in event.dropped:
            if not any(self._state.books.has(venue, symbol) for venue in self._state.venues):
                continue
            why = self.holding(symbol)
            if why is None:
                self._drop(symbol)
                dropped.append(symbol)
            else:
                kept[symbol] = why
        added, left_out = self._add(event)
        said = [
            _said("traded from now on", added),
            _said("not traded any more", dropped),
            _said("kept", [f"{symbol} ({why})" for symbol, why in kept.items()]),
            _said("not traded, as there is no room", left_out),
        ]
        text = f"symbols were chosen again: {'; '.join(part for part in said if part) or 'nothing changes'}"
        self._state.incident(IncidentKind.SYMBOLS_CHOSEN, text, event.t_ns, severity=Severity.INFO)

    def _drop(self, symbol: str) -> None:
        books = self._state.books
        for venue in self._state.venues_of(symbol):
            if books.has(venue, symbol):
                books.retire(venue, symbol)

    def _add(self, event: SymbolsChosen) -> tuple[list[str], list[str]]:
        state = self._state
        carrier = {
            (state.books.connections[name].venue, native): name
            for name, natives in event.connections.items()
            for native in natives
        }
        coming: dict[str, list[Instrument]] = {}
        for instrument in event.instruments:
            if not state.books.has(instrument.venue, instrument.symbol):
                coming.setdefault(instrument.symbol, []).append(instrument)
        added, left_out = [], []
        for symbol, instruments in coming.items():
            if len(instruments) > self._room():
                left_out.append(symbol)
                continue
            for instrument in instruments:
                connection = carrier[instrument.venue, instrument.native_symbol]
                add_book(state, instrument, connection, event.t_ns)
                self._listings.take(instrument, event.t_ns)
            added.append(symbol)
        return added, left_out

    def _room(self) -> int:
        """Return the room for further books, besides those of the venues that may still arrive."""
        state = self._state
        return state.books.arena.free - len(state.absent) * len(state.settings.symbols)


def _said(what: str, names: Iterable[str]) -> str:
    named = some(names)
    return f"{what}: {named}" if named else ""
