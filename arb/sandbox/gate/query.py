"""One request to Gate as its endpoints read it; each reading raises `GateError`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from arb.clock import NS_PER_S
from arb.sandbox.exact import parse
from arb.sandbox.gate.auth import GateError
from arb.sandbox.gate.fields import Json

Answer = tuple[int, object]
"""HTTP status and content."""
_Row = TypeVar("_Row")
WEEK_NS = 7 * 86_400 * NS_PER_S
SPAN_MAX_NS = 30 * 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Query:
    params: dict[str, str]
    argument: str
    body: object
    now_ns: int

    def items(self) -> list[Json]:
        """Return the body's objects: all of a list, or the single one."""
        content = self.body if isinstance(self.body, list) else [self.body]
        return [item for item in content if isinstance(item, dict)]

    def number(self, name: str, default: int, most: int) -> int:
        """Return a whole number parameter between 1 and `most`."""
        text = self.params.get(name)
        if text is None or text == "":
            return default
        value = parse(text)
        if value is None or value != int(value) or not 1 <= value <= most:
            raise GateError(400, "INVALID_PARAM_VALUE", f"Invalid {name}")
        return int(value)

    def flag(self, name: str) -> bool:
        return self.params.get(name, "").lower() == "true"

    def time_ns(self, name: str) -> int | None:
        """Return a time parameter given in seconds, in nanoseconds."""
        value = parse(self.params.get(name))
        return None if value is None else int(value * NS_PER_S)

    def span_ns(self) -> tuple[int, int]:
        """Return the time range of a list: with one bound given, seven days; with none, the last seven; 30 at most."""
        since, until = self.time_ns("from"), self.time_ns("to")
        if since is None:
            until = self.now_ns if until is None else until
            since = until - WEEK_NS
        elif until is None:
            until = since + WEEK_NS
        if until - since > SPAN_MAX_NS:
            raise GateError(400, "INVALID_PARAM_VALUE", "the time range is at most 30 days")
        return since, until

    def body_object(self) -> Json:
        if not isinstance(self.body, dict):
            raise GateError(400, "INVALID_REQUEST_BODY", "an object is expected")
        return self.body

    def body_list(self) -> list[object]:
        if not isinstance(self.body, list):
            raise GateError(400, "INVALID_REQUEST_BODY", "a list is expected")
        return self.body

    def page(self, rows: Sequence[_Row], limit: int) -> Sequence[_Row]:
        """Cut a page of `limit` rows, the first by default."""
        start = (self.number("page", 1, 100_000) - 1) * limit
        return rows[start : start + limit]
