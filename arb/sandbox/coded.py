"""The parts that the dialects of OKX and Bitget share: refusals by code, their signatures, the fields of an order."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from arb.sandbox.exact import parse

WINDOW_MS = 30_000
"""How far a timestamp may differ from the venue's clock, either way."""

Item = Mapping[str, Any]
"""One order of a request."""


class CodedRefusal(Exception):
    usual_status: ClassVar[int] = 200

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = self.usual_status if status is None else status


def is_signed(secret: str, text: str, signature: str) -> bool:
    """Return whether a signature is base64 of HMAC-SHA256 over the text."""
    digest = hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha256)
    return hmac.compare_digest(base64.b64encode(digest), signature.encode())


class ItemReader:
    """Reads the parameters of an order; `missing` and `bad` make the refusal from a parameter's name."""

    def __init__(self, missing: Callable[[str], CodedRefusal], bad: Callable[[str], CodedRefusal]) -> None:
        self._missing = missing
        self._bad = bad

    def needed(self, item: Item, name: str) -> str:
        value = str(item.get(name) or "")
        if not value:
            raise self._missing(name)
        return value

    def number(self, item: Item, name: str) -> Decimal:
        value = parse(self.needed(item, name))
        if value is None or value <= 0:
            raise self._bad(name)
        return value
