"""How many requests a venue takes: budgets per metered scope, as a venue's spec states them and the pacer keeps them."""

from collections.abc import Mapping

import msgspec

_UNTOLD_MAX_S = 2.0


class Budget(msgspec.Struct, frozen=True):
    """At most `count` requests per sliding `window_ms`; entries leave the last `reserve` of them alone.

    `of` is how many the venue documents for its own window, 0 where it tells nothing of that in headers.
    """

    count: int
    window_ms: int
    reserve: int = 0
    of: int = 0

    def __post_init__(self) -> None:
        if self.count < 1 or self.window_ms < 1 or not 0 <= self.reserve < self.count or self.of < 0:
            raise ValueError(f"a budget of {self.count} per {self.window_ms} ms with {self.reserve} in reserve")

    @property
    def span_s(self) -> float:
        """Return how long to stand still when the venue's own window is used up and it does not tell until when.

        That window is longer than ours; but looks for orders must not stand still for the ten seconds of Gate's reads, since
        asking too early costs no more than another refusal.
        """
        ours_s = self.window_ms / 1000
        return max(ours_s, min(_UNTOLD_MAX_S, ours_s * self.of / self.count))


class PacingLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The budgets of one venue. `place` and `cancel` are per symbol where they are said to be; `read` is per endpoint.

    `account` is what all placements together must keep to, where the venue meters that too.
    `cancel_batch` is for the orders cancelled in batches, where those are metered apart; without it they count as cancels.
    `reads` overrides `read` for endpoints that the venue meters otherwise, by the call's scope.
    """

    place: Budget
    cancel: Budget
    read: Budget
    cancel_batch: Budget | None = None
    account: Budget | None = None
    reads: Mapping[str, Budget] = {}
    place_per_symbol: bool = True
    cancel_per_symbol: bool = False

    def of(self, scope: str) -> Budget:
        """Return the budget of a scope, which is `place`, `place SYMBOL`, `cancel`, `cancel SYMBOL` or `METHOD PATH`."""
        kind = scope.partition(" ")[0]
        if kind == "place":
            return self.place
        if kind == "cancel":
            return self.cancel
        if kind == "cancel_batch":
            return self.cancel_batch or self.cancel
        return self.reads.get(scope, self.read)
