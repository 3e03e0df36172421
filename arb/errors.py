"""The errors of the project, and the exit codes with which a command ends.

    ArbError
    +-- ConfigError            the user's input is wrong: problem, place, remedy   (exit code 2)
    +-- CheckFailed            a check the user asked for did not pass               (exit code 3)
    +-- VenueError             a venue's fault or answer
    |   +-- VenueUnreachable   no answer: for a write, the outcome is unknown
    |   +-- VenueBusy          rate limited or overloaded; `retry_after_s` when the venue names it
    |   +-- VenueRejected      a definite refusal, with the venue's own label or code
    |   +-- VenueAuthError     the key, signature or permission is refused
    |   +-- VenueProtocolError a frame or body we cannot read, naming the field
    +-- StartInterrupted       a second signal ended a start                 (exit code 130; 4 with open pairs)
    +-- StoreError             journal, ledger or tape cannot be read or written
    +-- InvariantError         our own bug: stop trading

An edge too thin, a limit reached or a balance too short is no error: those are `RiskRefused` values with a reason.
"""

from collections.abc import Sequence

from arb.masking import clean

EXIT_OK = 0
EXIT_USAGE = 2
"""Bad usage or configuration, or a store that cannot be used."""
EXIT_CHECK = 3
"""A check did not pass, or a venue did not answer as it must."""
EXIT_HALTED = 4
"""Trading halted itself, or ended with open pairs."""
EXIT_INTERRUPTED = 130


class ArbError(Exception):
    """The root of all errors raised on purpose."""


class ConfigError(ArbError):
    """The problem of the user's input, its place and the remedy, in one line."""


class CheckFailed(ArbError):
    """A check that the user asked for did not pass."""


class VenueError(ArbError):
    """Something a venue did, or failed to do; the message may hold its own words, and is made harmless here."""

    def __init__(self, venue: str, message: str, *, code: str | None = None) -> None:
        super().__init__(clean(f"{venue}: {message}"))
        self.venue = venue
        self.code = code


class VenueUnreachable(VenueError):
    """No answer arrived: time-out, reset, name not resolved."""


class VenueBusy(VenueError):
    def __init__(
        self, venue: str, message: str, *, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(venue, message, code=code)
        self.retry_after_s = retry_after_s


class VenueRejected(VenueError):
    """The venue refused for certain; `code` is its own label or code."""


class VenueAuthError(VenueError):
    """The venue does not accept the key, the signature or the permission."""


class VenueProtocolError(VenueError):
    """The venue sent something we cannot read; the message names the field."""


class StoreError(ArbError):
    """The journal, the ledger or a tape cannot be read or written."""


class StartInterrupted(ArbError):
    """A second signal ended a start before trading began; `left_open`: the pairs that wait for the next start."""

    def __init__(self, left_open: Sequence[int]) -> None:
        listed = f"; open pairs: {', '.join(map(str, sorted(left_open)))}" if left_open else ""
        super().__init__(f"the start was stopped by a second signal{listed}")
        self.left_open = tuple(left_open)


class InvariantError(ArbError):
    """Something that must never happen has happened: our own bug, so trading stops."""


def require(condition: bool, message: str) -> None:
    """Raise `InvariantError(message)` unless `condition` holds; unlike `assert` it survives `-O`."""
    if not condition:
        raise InvariantError(message)
