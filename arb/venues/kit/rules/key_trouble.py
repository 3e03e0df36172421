"""Why a venue refuses a signed question, by its own code: the problem of the key, and the remedy.

Codes are in each venue's table (`<venue>/outcomes.py`). A code reports only what the venue saw; this module names its
causes, once for all venues.
"""

from typing import NamedTuple

from arb.errors import VenueAuthError, VenueBusy, VenueError, VenueProtocolError, VenueUnreachable
from arb.venues.kit.endpoints import GLOBAL, Environment, Site
from arb.venues.kit.rules.outcome import UNREADABLE, KeyTrouble


class Diagnosis(NamedTuple):
    trouble: KeyTrouble
    found: str
    remedy: str


_FOUND = {
    KeyTrouble.CLOCK: "the time of the request is wrong by the venue's clock",
    KeyTrouble.KEY: "the venue does not know this key",
    KeyTrouble.KEY_OR_ADDRESS: "the venue does not know this key, or not from this address, or it lacks a right",
    KeyTrouble.SECRET: "the venue knows the key, and the signature is not the one it expects",
    KeyTrouble.PASSPHRASE: "the venue knows the key, and the passphrase is not its own",
    KeyTrouble.ENVIRONMENT: "the key is one of another environment",
    KeyTrouble.REGION: "the venue does not know this key at this host",
    KeyTrouble.ADDRESS: "the key may not be used from this address",
    KeyTrouble.RIGHTS: "the key lacks a right",
    KeyTrouble.ACCOUNT: "the account is locked, restricted or not active",
    KeyTrouble.MODE: "the account is in a mode that this part of the venue's interface does not serve",
    KeyTrouble.HOST: "the answer is not from the venue",
    KeyTrouble.SILENCE: "no answer",
    KeyTrouble.OTHER: "refused",
}


def diagnosed(
    error: VenueError, site: Site, named: KeyTrouble | None, *, clock_off_ms: float | None = None
) -> Diagnosis:
    """Return the cause of a signed request's failure.

    `named`: the meaning of the venue's code, None where its table has none. `clock_off_ms`: by how much the venue's
    clock and ours differ after correction; None where that is not known.
    """
    trouble = named or _by_kind(error)
    other = "production" if site.environment is not Environment.PRODUCTION else "a demo account"
    regional = f"{site.region!r}" if site.region != GLOBAL else "the global site"
    path = f"; or a proxy, or [venues.{error.venue}.endpoints] rest, changes the path that is signed"
    clock = "" if clock_off_ms is None else f" (corrected, it is off by {clock_off_ms:.0f} ms)"
    remedy = {
        KeyTrouble.CLOCK: f"enable NTP (chrony, systemd-timesyncd), and see the finding of `clock`{clock}",
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
        KeyTrouble.ACCOUNT: "log in at the venue and do what it asks for",
        KeyTrouble.MODE: "see docs/venues for the account modes that are served, and make a key of such an account",
        KeyTrouble.HOST: f"a proxy, a firewall, or a wrong address in [venues.{error.venue}.endpoints]: see `rest`",
        KeyTrouble.SILENCE: "see the findings of `rest` and `dns`; the venue may be down",
        KeyTrouble.OTHER: "see the code in the venue's document",
    }[trouble]
    return Diagnosis(trouble, f"{_FOUND[trouble]} ({error})", remedy)


def _by_kind(error: VenueError) -> KeyTrouble:
    if error.code == UNREADABLE or isinstance(error, VenueProtocolError):
        return KeyTrouble.HOST
    if isinstance(error, VenueAuthError):
        return KeyTrouble.RIGHTS  # refused not by a code of the venue's table but by us, and the error names the cause
    return KeyTrouble.SILENCE if isinstance(error, VenueUnreachable | VenueBusy) else KeyTrouble.OTHER
