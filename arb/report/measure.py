"""Percentiles and bins: how measured times and rates are put in a few numbers. Floats, for reading and ranking only."""

from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import numpy.typing as npt

from arb.store.columns import Column

Mask = npt.NDArray[np.bool_]


def percentile(values: Column, share: float) -> float | None:
    """Return the value below which `share` percent of the known ones lie; None when none is known."""
    known = values[~np.isnan(values)]
    return float(np.percentile(known, share)) if len(known) else None


def mean(values: Column) -> float | None:
    """Return the mean of the known values; None when none is known."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def rounded(value: float | None, places: int = 3) -> Decimal | None:
    """Return a measured value as a decimal of so many places, half-even."""
    if value is None:
        return None
    return Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def whole_sum(values: Column) -> int:
    """Return the sum of exact integers, exactly: beyond 64 bits too."""
    return sum(values.tolist())
