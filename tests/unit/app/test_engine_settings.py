"""The limits that an engine is built with."""

from decimal import Decimal

import msgspec
import pytest

from arb.app.build import engine_settings
from arb.config import Mode, Settings
from arb.core.messages.settings import Limits


@pytest.mark.parametrize(
    ("mode", "stated", "in_force"),
    [
        (Mode.SANDBOX, Limits().daily_notional_quote, 10_000_000_000),
        (Mode.SANDBOX, Decimal(5_000_000), 5_000_000),
        (Mode.PAPER, Limits().daily_notional_quote, 10_000_000),
        (Mode.LIVE, Limits().daily_notional_quote, 10_000_000),
    ],
)
def test_the_default_turnover_of_a_day_ends_no_sandbox_run(mode: Mode, stated: Decimal, in_force: int) -> None:
    settings = msgspec.structs.replace(Settings(), limits=Limits(daily_notional_quote=stated))
    assert engine_settings(settings, {}, None, mode).limits.daily_notional_quote == in_force
