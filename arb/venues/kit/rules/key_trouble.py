"""Why a venue refuses a signed question, by its own code: what is wrong with the key, and what to do about it.

Codes stand in each venue's table (`<venue>/outcomes.py`). A code says only what the venue saw; what may be behind it is said
here, once for all venues.
"""

from typing import NamedTuple

from arb.errors import VenueAuthError, VenueBusy, VenueError, VenueProtocolError, VenueUnreachable
from arb.venues.kit.endpoints import GLOBAL, Environment, Site
from arb.venues.kit.rules.outcome import UNREADABLE, KeyTrouble


class Diagnosis(NamedTuple):
    """What is wrong, as found and as to be corrected."""

    trouble: KeyTrouble
    found: str
    remedy: str


_FOUND = {
    KeyTrouble.CLOCK: "the time of the request is wrong by the venue's clock",
    KeyTrouble.KEY: "the venue does not know this key",
    KeyTrouble.KEY_OR_ADDRESS: "the venue does not know this key, or not from this address, or it lacks a right",
    KeyTrouble.SECRET: "the venue knows the key, and the signature is not what it expects",
    KeyTrouble.PASSPHRASE: "the venue knows the key, and the passphrase is not its own",
    KeyTrouble.ENVIRONMENT: "the key is one of another environment",
    KeyTrouble.REGION: "the venue does not know this key at this host",
    KeyTrouble.ADDRESS: "the key may not be used from this address",
    KeyTrouble.RIGHTS: "the key lacks a right",
    KeyTrouble.ACCOUNT: "the account is locked, restricted or not active",
    KeyTrouble.MODE: "the account is in a mode that this part of the venue's interface does not serve",
    KeyTrouble.HOST: "what answers is not the venue",
    KeyTrouble.SILENCE: "no answer",
    KeyTrouble.OTHER: "refused",
}


def diagnosed(
    error: VenueError, site: Site, named: KeyTrouble | None, *, clock_off_ms: float | None = None
) -> Diagnosis:
    """Return what is behind a signed question's failure.

    `named`: what the venue's code stands for, None where its table does not say. `clock_off_ms`: by how much the venue's
    clock and ours differ after correction; None where that is not known.
    """
    trouble = named or _by_kind(error)
    other = "production" if site.environment is not Environment.PRODUCTION else "a demo account"
    regional = f"{site.region!r}" if site.region != GLOBAL else "the global site"
    path = f"; or a proxy, or [venues.{error.venue}.endpoints] rest, changes the path that is signed"
    clock = "" if clock_off_ms is None else f" (corrected, it is off by {clock_off_ms:.0f} ms)"
    remedy = {
        KeyTrouble.CLOCK: f"enable NTP (chrony, systemd-timesyncd), and see what `clock` found{clock}",
        KeyTrouble.KEY: (
            f"copy it again from the venue; it may be deleted, expired, of {other}, or of another region than {regional}"
        ),
        KeyTrouble.KEY_OR_ADDRESS: (
            f"copy it again from the venue (it may be deleted, or of {other}), add this machine's address to its list there "
            "(behind a proxy the proxy's), and see that it has the right to read"
        ),
        KeyTrouble.SECRET: f"copy the secret again: it is another key's, or was cut or changed on its way{path}",
        KeyTrouble.PASSPHRASE: "give the passphrase that was chosen when the key was made: it is not the account's password",
        KeyTrouble.ENVIRONMENT: (
            f"it was made for {other}: make one in the environment {site.environment.value!r}, or set the one it is of in "
            f"[venues.{error.venue}] environment"
        ),
        KeyTrouble.REGION: (
            f"an account belongs to one legal entity and its hosts: set [venues.{error.venue}] region to the one it was opened "
            f"at (now {regional}); or copy the key again"
        ),
        KeyTrouble.ADDRESS: "add this machine's address to the key's list at the venue; behind a proxy it is the proxy's",
        KeyTrouble.RIGHTS: "give it the right to read, and where orders are sent with it to trade spot, and no other",
        KeyTrouble.ACCOUNT: "log in at the venue and see what it asks for",
        KeyTrouble.MODE: "see docs/venues for the account modes that are served, and make a key of such an account",
        KeyTrouble.HOST: f"a proxy, a firewall or a wrong address in [venues.{error.venue}.endpoints]: see what `rest` found",
        KeyTrouble.SILENCE: "see what `rest` and `dns` found; the venue may be down",
        KeyTrouble.OTHER: "see the code in the venue's document",
    }[trouble]
    return Diagnosis(trouble, f"{_FOUND[trouble]} ({error})", remedy)


def _by_kind(error: VenueError) -> KeyTrouble:
    if error.code == UNREADABLE or isinstance(error, VenueProtocolError):
        return KeyTrouble.HOST
    if isinstance(error, VenueAuthError):
        return (
            KeyTrouble.RIGHTS
        )  # what the venue did not refuse by a code of its table, we did, and the error says for what
    return KeyTrouble.SILENCE if isinstance(error, VenueUnreachable | VenueBusy) else KeyTrouble.OTHER
