"""The simulation runs the settings that users run: what differs from a shipped default stands in one table, with its reason."""

from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from arb.app.build import engine_settings, gateway_limits
from arb.config import Settings
from arb.config.settings import Mode
from arb.venues.registry import SPECS
from proofs.faultsim import process
from proofs.faultsim.plan import DIFFERENCES, Plan, make_plan
from proofs.faultsim.scenario import Scenario, plan_of

SEEDS = range(40_000, 40_600)
VENUES = [spec.name for spec in SPECS if spec.name in ("gate", "okx", "bitget")]
DRAWN = ("symbols",)
"""What every user chooses, and has no default that a simulation could differ from."""


def test_every_setting_that_is_not_the_shipped_default_stands_in_the_table_and_no_other_does() -> None:
    found = Counter(key for seed in SEEDS for key in differences(make_plan(seed)))
    assert set(found) == set(DIFFERENCES)


def test_no_setting_differs_in_more_seeds_than_its_reason_allows() -> None:
    found = Counter(key for seed in SEEDS for key in differences(make_plan(seed)))
    assert {key: n / len(SEEDS) for key, n in found.items() if n / len(SEEDS) > DIFFERENCES[key].most} == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"place_timeout_s": 0.4},
        {"timing": msgspec.structs.replace(make_plan(1).timing, drift_grace_ms=200)},
        {"repair": msgspec.structs.replace(make_plan(1).repair, leg_loss_max_bps=500)},
    ],
)
def test_a_new_difference_is_found(changes: dict[str, Any]) -> None:
    assert set(differences(msgspec.structs.replace(make_plan(1), **changes))) - set(DIFFERENCES)


def test_a_scenario_runs_the_shipped_times() -> None:
    assert not [key for key in differences(plan_of(Scenario(strikes=()))) if key.startswith(("timing", "patience"))]


def differences(plan: Plan) -> set[str]:
    """Return which settings of a plan are not those of `arb run` on a sandbox with an empty config.toml."""
    shipped, simulated = dict(_shipped()), dict(_simulated(plan))
    assert shipped.keys() == simulated.keys()
    return {key for key in shipped if shipped[key] != simulated[key]}


def _shipped() -> Iterator[tuple[str, Any]]:
    settings = Settings()
    gateways: Any = dict.fromkeys(VENUES, SimpleNamespace(expiry_proved=True))
    yield from _flat(engine_settings(settings, gateways, None, Mode.SANDBOX), gateway_limits(settings, VENUES[0]))


def _simulated(plan: Plan) -> Iterator[tuple[str, Any]]:
    yield from _flat(process.engine_settings(plan, VENUES), process.gateway_limits(plan))


def _flat(engine: Any, gateway: Any) -> Iterator[tuple[str, Any]]:
    for table in ("limits", "timing", "repair", "health"):
        for key, value in msgspec.structs.asdict(getattr(engine, table)).items():
            yield f"{table}.{key}", value
    for key in ("coins", "ramp", "inventory"):
        yield key, getattr(engine, key)
    for key in engine.venues[0].__struct_fields__:
        yield f"venues.{key}", [getattr(venue, key) for venue in engine.venues]
    for key, value in msgspec.structs.asdict(gateway.timing).items():
        yield f"patience.{key}", value
    for key, value in msgspec.structs.asdict(gateway.key).items():
        yield f"key.{key}", value
    yield "gateway.pacing", gateway.pacing
    yield "gateway.max_order_value_quote", gateway.max_order_value_quote
    yield "gateway.max_orders_per_minute", gateway.max_orders_per_minute
