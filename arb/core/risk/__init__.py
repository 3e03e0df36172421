"""The guards: limits, rate budget, halts, exposure, venue health, shutdown."""
