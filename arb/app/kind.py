"""The kind of a run, as shown in its rows, screens and ledger. Real, demo and simulated figures never mix."""

from contextlib import closing

import msgspec

from arb.config import Mode
from arb.config.ledger_url import DEMO
from arb.errors import ConfigError
from arb.store.journal.journal import Journal
from arb.venues.kit.endpoints import Environment

SANDBOX = Mode.SANDBOX.value


class RunKind(msgspec.Struct, frozen=True):
    """`demos`: by the settings the venues are demos or test networks; `sandbox`: a sandbox simulates them."""

    mode: Mode
    demos: bool
    sandbox: bool

    @property
    def recorded(self) -> str:
        """Return the mode as `runs.mode` has it: orders to demo accounts are a separate mode."""
        return DEMO if self.mode is Mode.LIVE and self.demos else self.mode.value

    @property
    def meant(self) -> Environment:
        return Environment.DEMO if self.demos else Environment.PRODUCTION

    @property
    def environment(self) -> str:
        """Return the kind of the venues: a sandbox, demos (test networks, too), or real."""
        return SANDBOX if self.sandbox else self.meant.value

    @property
    def mark(self) -> str:
        """Return the prefix of all that a run shows; "" for a run that needs no mark."""
        if self.mode is Mode.SANDBOX:
            return ""
        if self.mode is Mode.PAPER:
            return "PAPER DEMO" if self.environment == Environment.DEMO else "PAPER"
        return self.recorded.upper() + " ON A SANDBOX" * self.sandbox

    def require(self, journal: Journal) -> None:
        """Raise `ConfigError` where a ledger is of another kind than the run; its journal's first run fixes the kind."""
        with closing(journal.reader()) as reader:
            first = reader.first_run()
        if first is None:
            return
        ours, theirs = _called(self.recorded, self.sandbox), _called(first.mode, first.sandbox_id is not None)
        if ours != theirs:
            raise ConfigError(
                f"ledger: it holds runs of {theirs}, and this one is of {ours}; figures of both would mix: choose another --db"
            )


def _called(mode: str, sandbox: bool) -> str:
    return f"mode {mode!r}" + " on a sandbox's books" * (sandbox and mode != SANDBOX)
