"""What a browser's tab does to be let in: proves the token, makes the session's key, signs requests."""

import secrets
from typing import Any

from arb.clock import Clock
from arb.view.page.sessions import mac


class Signer:
    """One tab's session at a page."""

    def __init__(self, host: str, clock: Clock) -> None:
        self.host, self._clock = host, clock
        self.name, self.key = secrets.token_hex(16), ""
        self._at_ns = self._last = 0

    def proof(self, secret: str) -> dict[str, str]:
        """Return the body that opens a session."""
        return {"name": self.name, "proof": mac(secret, "open", self.host, self.name)}

    def opened(self, secret: str, answer: dict[str, Any]) -> None:
        """Take the answer to it."""
        self.key = mac(secret, "key", self.host, self.name, answer["salt"])
        self._at_ns, self._last = self._clock.monotonic_ns(), 0

    def sign(self, method: str, path: str, body: bytes = b"") -> tuple[str, str]:
        """Return the `Authorization` of a request, and the `Authentication-Info` of its answer."""
        self._last = max(self._last + 1, (self._clock.monotonic_ns() - self._at_ns) // 1000)
        number = str(self._last)
        proof = mac(self.key, method, path, number, body=body)
        return f"arb {self.name} {number} {proof}", mac(self.key, "answer", number)
