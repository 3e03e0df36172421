"""Sessions of browsers: each belongs to this process, ends, and has a key that never crosses the wire.

While `arb ui` is away any user may listen at its port, and every open tab comes there by itself. So a tab sends no secret. It
proves that it knows the token, and both sides make the session's key of the token and of random texts of each. Each request
carries an HMAC by that key, and so does each answer: the tab believes no other program. What a listener heard is worth nothing
to a later process, and in this one a request is taken once, within a minute. A cookie would go to all ports of 127.0.0.1.
"""

import hashlib
import hmac
import random
import re
from collections.abc import Callable

from arb.clock import NS_PER_S, Clock

IDLE_S = 30 * 60
"""A session without a request ends; one whose page a person has not used orders nothing but a halt."""
LIFE_S = 12 * 3600
FRESH_S = 60
CODE_S = 60
SESSIONS_MAX = 16
_NAME = re.compile(r"[0-9a-f]{32}")
_SIGNED = re.compile(r"arb ([0-9a-f]{32}) ([0-9]{1,15}) ([0-9a-f]{64})")


def mac(key: str, *parts: str, body: bytes = b"") -> str:
    """Return the HMAC of lines and a body; `static/session.js` makes the same."""
    said = "".join(f"{part}\n" for part in parts).encode(errors="surrogateescape") + body
    return hmac.new(key.encode(), said, hashlib.sha256).hexdigest()


class Session:
    """One browser's: when it began, when it was last heard of, when a person last used its page."""

    def __init__(self, name: str, key: str, now_ns: int) -> None:
        self.name, self._key = name, key
        self._began_ns = self.seen_ns = self.used_ns = now_ns
        self._taken: set[int] = set()

    def signed(self, given: str, *parts: str, body: bytes) -> bool:
        """Return whether this session's browser signed that."""
        return hmac.compare_digest(given, mac(self._key, *parts, body=body))

    def answer_to(self, number: str) -> str:
        """Return what tells the browser that this process answers its request."""
        return mac(self._key, "answer", number)

    def takes(self, number: int, now_ns: int) -> bool:
        """Return whether a request is new: its number is the microseconds since the session began, by the browser's clock."""
        age_us, fresh_us = (now_ns - self._began_ns) // 1000, FRESH_S * 1_000_000
        self._taken = {taken for taken in self._taken if taken >= age_us - fresh_us}
        if abs(age_us - number) > fresh_us or number in self._taken:
            return False
        self._taken.add(number)
        return True

    def is_over(self, now_ns: int) -> bool:
        """Return whether it has lived its time, or nothing was heard of it for too long."""
        return now_ns - self._began_ns >= LIFE_S * NS_PER_S or now_ns - self.seen_ns >= IDLE_S * NS_PER_S


class Sessions:
    """The sessions of this process, and what opens one: the token, or a code that works once and for a minute."""

    def __init__(self, token: str, clock: Clock, rng: random.Random) -> None:
        self._token, self._clock, self._rng = token, clock, rng
        self._open: dict[str, Session] = {}
        self._code, self._code_ns = "", 0
        self.on_code_used: Callable[[], None] = lambda: None

    def new_code(self) -> str:
        """Return a code for the address that `--open` opens: what a browser's history keeps of it opens nothing."""
        self._code, self._code_ns = self._rng.randbytes(32).hex(), self._clock.monotonic_ns()
        return self._code

    def open(self, host: str, name: str, proof: str) -> str | None:
        """Open a session by a proof; return our part of its key, or None for a wrong proof.

        The name is the browser's part: while its session lives, a proof that somebody overheard opens no second one.
        """
        now_ns = self._clock.monotonic_ns()
        if not _NAME.fullmatch(name) or self.find(name) is not None:
            return None
        for secret in (self._token, self._code):
            if secret and hmac.compare_digest(proof.encode(errors="replace"), mac(secret, "open", host, name).encode()):
                break
        else:
            return None
        if secret == self._code:
            self._code = ""
            self.on_code_used()
            if now_ns - self._code_ns >= CODE_S * NS_PER_S:
                return None
        while len(self._open) >= SESSIONS_MAX:
            self.close(min(self._open.values(), key=lambda session: session.seen_ns))
        salt = self._rng.randbytes(16).hex()
        self._open[name] = Session(name, mac(secret, "key", host, name, salt), now_ns)
        return salt

    def find(self, name: str) -> Session | None:
        """Return a session that is open."""
        now_ns = self._clock.monotonic_ns()
        self._open = {kept: session for kept, session in self._open.items() if not session.is_over(now_ns)}
        return self._open.get(name)

    def of_request(self, authorization: str, method: str, path: str, body: bytes) -> tuple[Session, str] | None:
        """Return whose request it is, and its number; None for one that no open session signed."""
        given = _SIGNED.fullmatch(authorization)
        session = None if given is None else self.find(given[1])
        if given is None or session is None or not session.signed(given[3], method, path, given[2], body=body):
            return None
        return session, given[2]

    def take(self, session: Session, number: str, *, by_person: bool) -> bool:
        """Take a request, if it is new, as a sign of life, and of a person where one asked."""
        now_ns = self._clock.monotonic_ns()
        if not session.takes(int(number), now_ns):
            return False
        session.seen_ns = now_ns
        session.used_ns = now_ns if by_person else session.used_ns
        return True

    def keep(self, session: Session) -> bool:
        """Note that a session's browser is still there; return whether it is open."""
        if self.find(session.name) is not session:
            return False
        session.seen_ns = self._clock.monotonic_ns()
        return True

    def is_attended(self, session: Session) -> bool:
        """Return whether a person used its page lately."""
        return self._clock.monotonic_ns() - session.used_ns < IDLE_S * NS_PER_S

    def close(self, session: Session) -> None:
        """End a session."""
        self._open.pop(session.name, None)
