"""Rate meters: so many requests per window and key, as a venue counts them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """The verdict on one request: let in or not, what remains, and when the window starts anew."""

    ok: bool
    limit: int
    remaining: int
    reset_ns: int


class RateMeter:
    """Count requests per key in windows that start with the first request after the last window."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[int, int]] = {}

    def take(self, key: str, limit: int, window_ns: int, now_ns: int, cost: int = 1) -> Allowance:
        """Count `cost` requests against `key` unless that would exceed `limit`; a refused request costs nothing."""
        start, used = self._windows.get(key, (now_ns, 0))
        if now_ns >= start + window_ns or now_ns < start:
            start, used = now_ns, 0
        ok = used + cost <= limit
        used += cost if ok else 0
        self._windows[key] = (start, used)
        return Allowance(ok, limit, limit - used, start + window_ns if not ok else now_ns)
