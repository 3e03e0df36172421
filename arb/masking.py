"""Masking of secrets, and cleaning of foreign text so that it can be stored and shown.

One mask for the process: the reader of a secret, or a sandbox, registers it before the first connection. Text of a
venue passes through `clean` where it enters (fields, errors, causes of a loss), so that later code can trust it; log
lines, error lines and tracebacks are masked besides.
"""

import html
import json
import re
import sys
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

SECRET_LENGTH_MIN = 6
"""A shorter text is not masked: it would occur by chance everywhere."""
TEXT_MAX = 1000
HIDDEN = "***"
# Signatures are new for each request: hexadecimal digits of SHA-256 or more, or base64 of SHA-256, escaped or not.
_SIGNATURE_MIN, _SIGNATURE_MAX = 44, 200
_SIGNATURE = re.compile(r"[0-9A-Fa-f]{64,}|(?:[0-9A-Za-z+]|\\{0,2}/|%2[BbFf]){43}(?:=|%3[Dd]|\\{1,2}u003[Dd])")


class SecretMask:
    """Replace registered secrets, and text in the form of a signature."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self._shortest = sys.maxsize
        self.longest = 0
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask each of `secrets` from now on, however it is escaped; the longest first, in case one contains another."""
        found = {form for secret in secrets if len(secret) >= SECRET_LENGTH_MIN for form in _forms(secret)}
        self._forms = tuple(sorted(found.union(self._forms), key=lambda form: (-len(form), form)))
        if self._forms:
            self.longest, self._shortest = len(self._forms[0]), len(self._forms[-1])

    def masked(self, text: str) -> str:
        """Return `text` without any secret."""
        if len(text) >= self._shortest:
            for form in self._forms:
                if form in text:
                    text = text.replace(form, HIDDEN)
        return _SIGNATURE.sub(HIDDEN, text) if len(text) >= _SIGNATURE_MIN else text

    def masked_bytes(self, raw: bytes) -> bytes:
        """Return a frame as received, unless a registered secret is in it; numbers of digits are no signatures there."""
        if any(form.encode() in raw for form in self._forms):
            return self.masked(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return raw


def _forms(secret: str) -> set[str]:
    """Return how a secret may be written in JSON (also inside JSON text), in a URL, in HTML, and by Python."""
    forms = {secret}
    for _ in range(2):
        forms |= {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in forms for ascii_only in (True, False)}
        forms |= {form.replace("/", "\\/") for form in forms}
    encoded = {quote(secret), quote(secret, safe=""), quote(secret, safe="~()*!'"), quote_plus(secret)}
    forms |= encoded | {re.sub("%..", lambda match: match.group().lower(), form) for form in encoded}
    return forms | {html.escape(secret), html.escape(secret, quote=False), repr(secret)[1:-1]}


SECRETS = SecretMask()
"""The secrets of this process."""


def clean(text: str, length: int = TEXT_MAX) -> str:
    """Return text of a venue as it may be stored and shown: masked, without control characters, of at most `length`.

    A database refuses some of them (NUL), a terminal obeys others, and a line break forges a line of the log. It is masked
    before it is cut: half a secret is not recognised.
    """
    margin = SECRETS.longest + _SIGNATURE_MAX
    kept = len(text) <= length + margin
    text = SECRETS.masked(text[: length + margin])
    if not kept:  # its end may be half a secret, and moves closer where others before it were masked
        text = text[:-margin]
    if not kept or len(text) > length:
        text = text[:length] + "..."
    return printable(text)


def printable(text: str) -> str:
    """Return text of one line in which no character moves a cursor, hides or reorders others, or begins another line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
